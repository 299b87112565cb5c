// OperationService: see proto/homolog/v1/operation_service.proto.
#ifndef HOMOLOG_SERVER_RPC_OPERATION_SERVICE_H_
#define HOMOLOG_SERVER_RPC_OPERATION_SERVICE_H_

#include "common/limits.h"
#include "homolog/v1/operation_service.grpc.pb.h"
#include "server/operations/operation_manager.h"
#include "server/rpc/call.h"
#include "server/rpc/stream_slots.h"

namespace homolog::rpc {

class OperationService : public v1::OperationService::CallbackService {
 public:
  // All outlive the service.
  OperationService(operations::OperationManager* manager, const Limits& limits, RequestPool* quick,
                   const Entrance& entrance);

  grpc::ServerUnaryReactor* GetOperation(grpc::CallbackServerContext* context,
                                         const v1::GetOperationRequest* request,
                                         v1::Operation* response) override;
  grpc::ServerUnaryReactor* ListOperations(grpc::CallbackServerContext* context,
                                           const v1::ListOperationsRequest* request,
                                           v1::ListOperationsResponse* response) override;
  grpc::ServerUnaryReactor* WaitOperation(grpc::CallbackServerContext* context,
                                          const v1::WaitOperationRequest* request,
                                          v1::Operation* response) override;
  grpc::ServerWriteReactor<v1::Operation>* WatchOperation(
      grpc::CallbackServerContext* context, const v1::WatchOperationRequest* request) override;
  grpc::ServerUnaryReactor* CancelOperation(grpc::CallbackServerContext* context,
                                            const v1::CancelOperationRequest* request,
                                            v1::Operation* response) override;
  grpc::ServerUnaryReactor* DeleteOperation(grpc::CallbackServerContext* context,
                                            const v1::DeleteOperationRequest* request,
                                            google::protobuf::Empty* response) override;

 private:
  operations::OperationManager* const manager_;
  const Limits limits_;
  RequestPool* const quick_;
  StreamSlots watchers_;
  const Method get_, list_, wait_, watch_, cancel_, delete_;
};

}  // namespace homolog::rpc

#endif  // HOMOLOG_SERVER_RPC_OPERATION_SERVICE_H_
