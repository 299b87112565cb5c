// CheckpointService: see proto/homolog/v1/checkpoint_service.proto.
#ifndef HOMOLOG_SERVER_RPC_CHECKPOINT_SERVICE_H_
#define HOMOLOG_SERVER_RPC_CHECKPOINT_SERVICE_H_

#include <vector>

#include "common/limits.h"
#include "homolog/v1/checkpoint_service.grpc.pb.h"
#include "server/checkpoints/registry.h"
#include "server/datasets/tokenizer_cache.h"
#include "server/rpc/call.h"

namespace homolog::rpc {

class CheckpointService : public v1::CheckpointService::CallbackService {
 public:
  // All outlive the service. `slow` runs what reads or hashes weights.
  CheckpointService(checkpoints::Registry* registry, datasets::TokenizerCache* tokenizers,
                    const Limits& limits, RequestPool* quick, RequestPool* slow,
                    const Entrance& entrance);

  grpc::ServerUnaryReactor* ListCheckpoints(grpc::CallbackServerContext* context,
                                            const v1::ListCheckpointsRequest* request,
                                            v1::ListCheckpointsResponse* response) override;
  grpc::ServerUnaryReactor* GetCheckpoint(grpc::CallbackServerContext* context,
                                          const v1::GetCheckpointRequest* request,
                                          v1::Checkpoint* response) override;
  grpc::ServerUnaryReactor* LoadCheckpoint(grpc::CallbackServerContext* context,
                                           const v1::LoadCheckpointRequest* request,
                                           v1::Checkpoint* response) override;
  grpc::ServerUnaryReactor* UnloadCheckpoint(grpc::CallbackServerContext* context,
                                             const v1::UnloadCheckpointRequest* request,
                                             v1::Checkpoint* response) override;

 private:
  // As clients see them.
  std::vector<v1::Checkpoint> Protos(std::vector<checkpoints::CheckpointInfo> infos) const;
  v1::Checkpoint Proto(checkpoints::CheckpointInfo info) const;
  absl::StatusOr<v1::ListCheckpointsResponse> List(const v1::ListCheckpointsRequest& request) const;

  checkpoints::Registry* const registry_;
  datasets::TokenizerCache* const tokenizers_;
  const Limits limits_;
  RequestPool* const quick_;
  RequestPool* const slow_;
  const Method list_, get_, load_, unload_;
};

}  // namespace homolog::rpc

#endif  // HOMOLOG_SERVER_RPC_CHECKPOINT_SERVICE_H_
