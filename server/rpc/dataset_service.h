// DatasetService: see proto/homolog/v1/dataset_service.proto.
#ifndef HOMOLOG_SERVER_RPC_DATASET_SERVICE_H_
#define HOMOLOG_SERVER_RPC_DATASET_SERVICE_H_

#include "common/limits.h"
#include "homolog/v1/dataset_service.grpc.pb.h"
#include "server/checkpoints/registry.h"
#include "server/datasets/tokenizer_cache.h"
#include "server/rpc/call.h"
#include "server/rpc/stream_slots.h"
#include "server/store/store.h"

namespace homolog::rpc {

class DatasetService : public v1::DatasetService::CallbackService {
 public:
  // All outlive the service. `slow` runs uploads.
  DatasetService(checkpoints::Registry* registry, datasets::TokenizerCache* tokenizers,
                 store::Store* store, const Limits& limits, RequestPool* quick, RequestPool* slow,
                 const Entrance& entrance);

  grpc::ServerReadReactor<v1::CreateDatasetRequest>* CreateDataset(
      grpc::CallbackServerContext* context, v1::Dataset* response) override;
  grpc::ServerUnaryReactor* ListDatasets(grpc::CallbackServerContext* context,
                                         const v1::ListDatasetsRequest* request,
                                         v1::ListDatasetsResponse* response) override;
  grpc::ServerUnaryReactor* GetDataset(grpc::CallbackServerContext* context,
                                       const v1::GetDatasetRequest* request,
                                       v1::Dataset* response) override;
  grpc::ServerUnaryReactor* DeleteDataset(grpc::CallbackServerContext* context,
                                          const v1::DeleteDatasetRequest* request,
                                          google::protobuf::Empty* response) override;

 private:
  checkpoints::Registry* const registry_;
  datasets::TokenizerCache* const tokenizers_;
  store::Store* const store_;
  const Limits limits_;
  RequestPool* const quick_;
  RequestPool* const slow_;
  StreamSlots uploads_;
  const Method create_, list_, get_, delete_;
};

}  // namespace homolog::rpc

#endif  // HOMOLOG_SERVER_RPC_DATASET_SERVICE_H_
