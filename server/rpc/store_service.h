// StoreService: see proto/homolog/v1/store_service.proto.
#ifndef HOMOLOG_SERVER_RPC_STORE_SERVICE_H_
#define HOMOLOG_SERVER_RPC_STORE_SERVICE_H_

#include <atomic>

#include "homolog/v1/store_service.grpc.pb.h"
#include "server/rpc/call.h"
#include "server/store/store.h"

namespace homolog::rpc {

class StoreService : public v1::StoreService::CallbackService {
 public:
  // All outlive the service. `slow` runs what reads much.
  StoreService(store::Store* store, RequestPool* slow, const Entrance& entrance);

  grpc::ServerUnaryReactor* GetStore(grpc::CallbackServerContext* context,
                                     const v1::GetStoreRequest* request,
                                     v1::Store* response) override;
  grpc::ServerUnaryReactor* VerifyStore(grpc::CallbackServerContext* context,
                                        const v1::VerifyStoreRequest* request,
                                        v1::VerifyStoreResponse* response) override;
  grpc::ServerUnaryReactor* CompactStore(grpc::CallbackServerContext* context,
                                         const v1::CompactStoreRequest* request,
                                         v1::Store* response) override;

 private:
  absl::StatusOr<v1::Store> Compact();

  store::Store* const store_;
  RequestPool* const slow_;
  const Method get_, verify_, compact_;
  std::atomic<bool> compacting_ = false;
};

}  // namespace homolog::rpc

#endif  // HOMOLOG_SERVER_RPC_STORE_SERVICE_H_
