#include "server/rpc/checkpoint_service.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "common/error.h"
#include "common/resource_names.h"
#include "server/operations/analysis_inputs.h"
#include "server/results/paging.h"

namespace homolog::rpc {
namespace {

using checkpoints::CheckpointInfo;

v1::CheckpointState StateProto(checkpoints::CheckpointState state) {
  switch (state) {
    case checkpoints::CheckpointState::kAvailable:
      return v1::CHECKPOINT_STATE_AVAILABLE;
    case checkpoints::CheckpointState::kLoading:
      return v1::CHECKPOINT_STATE_LOADING;
    case checkpoints::CheckpointState::kLoaded:
      return v1::CHECKPOINT_STATE_LOADED;
    case checkpoints::CheckpointState::kFailed:
      return v1::CHECKPOINT_STATE_FAILED;
  }
  return v1::CHECKPOINT_STATE_UNSPECIFIED;
}

v1::Checkpoint CheckpointProto(const CheckpointInfo& info, const at::Device& device) {
  v1::Checkpoint proto;
  proto.set_name(info.name.ToString());
  proto.set_parameter_count(info.parameter_count);
  proto.set_weights_sha256(info.weights_sha256);
  proto.set_state(StateProto(info.state));
  proto.set_state_message(info.state_message);
  if (info.state == checkpoints::CheckpointState::kLoaded) {
    proto.set_device_bytes(info.device_bytes);
    proto.set_device(device.str());
  }
  if (!info.description) return proto;
  proto.set_family(info.description->family);
  proto.set_nonlinearity(info.description->nonlinearity);
  *proto.mutable_shape() = operations::ShapeProto(info.description->shape);
  for (const CheckpointName& equal : info.equal_weights) {
    proto.add_equal_weights(equal.ToString());
  }
  return proto;
}

}  // namespace

CheckpointService::CheckpointService(checkpoints::Registry* registry,
                                     datasets::TokenizerCache* tokenizers, const Limits& limits,
                                     RequestPool* quick, RequestPool* slow,
                                     const Entrance& entrance)
    : registry_(registry),
      tokenizers_(tokenizers),
      limits_(limits),
      quick_(quick),
      slow_(slow),
      list_(MakeMethod(entrance, "CheckpointService/ListCheckpoints", Role::kViewer)),
      get_(MakeMethod(entrance, "CheckpointService/GetCheckpoint", Role::kViewer)),
      load_(MakeMethod(entrance, "CheckpointService/LoadCheckpoint", Role::kAnalyst)),
      unload_(MakeMethod(entrance, "CheckpointService/UnloadCheckpoint", Role::kAnalyst)) {}

std::vector<v1::Checkpoint> CheckpointService::Protos(std::vector<CheckpointInfo> infos) const {
  registry_->FindEqualWeights(infos);
  std::vector<v1::Checkpoint> protos;
  for (const CheckpointInfo& info : infos) {
    protos.push_back(CheckpointProto(info, registry_->device()));
    if (!info.description) continue;
    const auto tokenizer =
        tokenizers_->Identify(info.folder, info.description->shape.vocabulary_size);
    if (tokenizer.ok()) protos.back().set_tokenizer(tokenizer->kind);
  }
  return protos;
}

v1::Checkpoint CheckpointService::Proto(CheckpointInfo info) const {
  std::vector<CheckpointInfo> infos;
  infos.push_back(std::move(info));
  return Protos(std::move(infos)).front();
}

absl::StatusOr<v1::ListCheckpointsResponse> CheckpointService::List(
    const v1::ListCheckpointsRequest& request) const {
  HOMOLOG_ASSIGN_OR_RETURN(const int page_size,
                           results::CheckPageSize(request.page_size(), 100, limits_.page_size));
  if (!request.model().empty()) {
    HOMOLOG_RETURN_IF_ERROR(ValidateResourceId("model", request.model()));
  }
  const std::string listing = "checkpoints of " + request.model();
  HOMOLOG_ASSIGN_OR_RETURN(const int64_t offset,
                           results::ParseOffsetToken(listing, request.page_token()));
  std::vector<CheckpointName> names = registry_->repository().List();
  if (!request.model().empty()) {
    std::erase_if(names, [&](const CheckpointName& name) { return name.model != request.model(); });
  }
  const auto total = static_cast<int64_t>(names.size());
  const int64_t end = std::min(total, offset + page_size);
  std::vector<CheckpointInfo> infos;
  for (int64_t i = offset; i < end; ++i) {
    // One whose folder vanished since it was listed is left out.
    absl::StatusOr<CheckpointInfo> info = registry_->Describe(names[i]);
    if (info.ok()) infos.push_back(*std::move(info));
  }
  v1::ListCheckpointsResponse response;
  for (v1::Checkpoint& proto : Protos(std::move(infos))) {
    *response.add_checkpoints() = std::move(proto);
  }
  if (end < total) response.set_next_page_token(results::OffsetToken(listing, end));
  return response;
}

grpc::ServerUnaryReactor* CheckpointService::ListCheckpoints(
    grpc::CallbackServerContext* context, const v1::ListCheckpointsRequest* request,
    v1::ListCheckpointsResponse* response) {
  return RunUnary(context, *quick_, list_, response, [this, request] { return List(*request); });
}

grpc::ServerUnaryReactor* CheckpointService::GetCheckpoint(grpc::CallbackServerContext* context,
                                                           const v1::GetCheckpointRequest* request,
                                                           v1::Checkpoint* response) {
  return RunUnary(context, *slow_, get_, response, [=, this]() -> absl::StatusOr<v1::Checkpoint> {
    HOMOLOG_ASSIGN_OR_RETURN(const CheckpointName name, CheckpointName::Parse(request->name()));
    HOMOLOG_ASSIGN_OR_RETURN(CheckpointInfo info, registry_->Describe(name));
    if (info.state != checkpoints::CheckpointState::kFailed) {
      HOMOLOG_ASSIGN_OR_RETURN(info, registry_->Identify(name));
    }
    return Proto(std::move(info));
  });
}

grpc::ServerUnaryReactor* CheckpointService::LoadCheckpoint(
    grpc::CallbackServerContext* context, const v1::LoadCheckpointRequest* request,
    v1::Checkpoint* response) {
  return RunUnary(context, *slow_, load_, response, [=, this]() -> absl::StatusOr<v1::Checkpoint> {
    HOMOLOG_ASSIGN_OR_RETURN(const CheckpointName name, CheckpointName::Parse(request->name()));
    HOMOLOG_ASSIGN_OR_RETURN(const checkpoints::CheckpointHandle handle, registry_->Acquire(name));
    return Proto(handle->info);
  });
}

grpc::ServerUnaryReactor* CheckpointService::UnloadCheckpoint(
    grpc::CallbackServerContext* context, const v1::UnloadCheckpointRequest* request,
    v1::Checkpoint* response) {
  return RunUnary(
      context, *quick_, unload_, response, [=, this]() -> absl::StatusOr<v1::Checkpoint> {
        HOMOLOG_ASSIGN_OR_RETURN(const CheckpointName name, CheckpointName::Parse(request->name()));
        HOMOLOG_RETURN_IF_ERROR(registry_->Unload(name));
        HOMOLOG_ASSIGN_OR_RETURN(CheckpointInfo info, registry_->Describe(name));
        return Proto(std::move(info));
      });
}

}  // namespace homolog::rpc
