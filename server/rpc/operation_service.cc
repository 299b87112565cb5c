#include "server/rpc/operation_service.h"

#include <google/protobuf/util/time_util.h>

#include <chrono>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "server/results/paging.h"
#include "server/rpc/operation_followers.h"

namespace homolog::rpc {
namespace {

using google::protobuf::util::TimeUtil;

constexpr int64_t kDefaultWaitSeconds = 60, kLongestWaitSeconds = 3600;

absl::StatusOr<std::chrono::nanoseconds> WaitTimeout(const v1::WaitOperationRequest& request) {
  if (!request.has_timeout()) return std::chrono::seconds(kDefaultWaitSeconds);
  const google::protobuf::Duration& timeout = request.timeout();
  const bool valid = timeout.seconds() >= 0 && timeout.nanos() >= 0 &&
                     timeout.nanos() < 1000000000 &&
                     (timeout.seconds() < kLongestWaitSeconds ||
                      (timeout.seconds() == kLongestWaitSeconds && timeout.nanos() == 0));
  if (!valid) {
    return InvalidArgument(
        "INVALID_TIMEOUT",
        absl::StrCat("timeout is ", timeout.seconds(), " s and ", timeout.nanos(),
                     " ns; must be 0 to ", kLongestWaitSeconds, " s"));
  }
  return std::chrono::seconds(timeout.seconds()) + std::chrono::nanoseconds(timeout.nanos());
}

}  // namespace

OperationService::OperationService(operations::OperationManager* manager, const Limits& limits,
                                   RequestPool* quick, const Entrance& entrance)
    : manager_(manager),
      limits_(limits),
      quick_(quick),
      watchers_("calls that follow operations", limits.watchers, limits.watchers_per_client),
      get_(MakeMethod(entrance, "OperationService/GetOperation", Role::kViewer)),
      list_(MakeMethod(entrance, "OperationService/ListOperations", Role::kViewer)),
      wait_(MakeMethod(entrance, "OperationService/WaitOperation", Role::kViewer)),
      watch_(MakeMethod(entrance, "OperationService/WatchOperation", Role::kViewer)),
      cancel_(MakeMethod(entrance, "OperationService/CancelOperation", Role::kAnalyst)),
      delete_(MakeMethod(entrance, "OperationService/DeleteOperation", Role::kAnalyst)) {}

grpc::ServerUnaryReactor* OperationService::GetOperation(grpc::CallbackServerContext* context,
                                                         const v1::GetOperationRequest* request,
                                                         v1::Operation* response) {
  return RunUnary(context, *quick_, get_, response,
                  [this, request] { return manager_->Get(request->name()); });
}

grpc::ServerUnaryReactor* OperationService::ListOperations(grpc::CallbackServerContext* context,
                                                           const v1::ListOperationsRequest* request,
                                                           v1::ListOperationsResponse* response) {
  return RunUnary(context, *quick_, list_, response,
                  [this, request]() -> absl::StatusOr<v1::ListOperationsResponse> {
                    HOMOLOG_ASSIGN_OR_RETURN(
                        const int page_size,
                        results::CheckPageSize(request->page_size(), 100, limits_.page_size));
                    return manager_->List(page_size, request->page_token());
                  });
}

grpc::ServerUnaryReactor* OperationService::WaitOperation(grpc::CallbackServerContext* context,
                                                          const v1::WaitOperationRequest* request,
                                                          v1::Operation* response) {
  absl::StatusOr<Call> call = Call::Begin(context, wait_);
  if (!call.ok()) return EndedUnary(context, ToGrpcStatus(call.status()));
  const absl::StatusOr<std::chrono::nanoseconds> timeout = WaitTimeout(*request);
  if (!timeout.ok()) return EndedUnary(context, call->End(timeout.status()));
  absl::StatusOr<StreamSlots::Slot> slot = watchers_.Take(call->caller().name);
  if (!slot.ok()) return EndedUnary(context, call->End(slot.status()));
  return new OperationWaiter(manager_, request->name(), *timeout, *std::move(call),
                             *std::move(slot), response);
}

grpc::ServerWriteReactor<v1::Operation>* OperationService::WatchOperation(
    grpc::CallbackServerContext* context, const v1::WatchOperationRequest* request) {
  using Ended = EndedStream<grpc::ServerWriteReactor<v1::Operation>>;
  absl::StatusOr<Call> call = Call::Begin(context, watch_);
  if (!call.ok()) return new Ended(ToGrpcStatus(call.status()));
  absl::StatusOr<StreamSlots::Slot> slot = watchers_.Take(call->caller().name);
  if (!slot.ok()) return new Ended(call->End(slot.status()));
  return new OperationWatcher(manager_, request->name(), *std::move(call), *std::move(slot));
}

grpc::ServerUnaryReactor* OperationService::CancelOperation(
    grpc::CallbackServerContext* context, const v1::CancelOperationRequest* request,
    v1::Operation* response) {
  return RunUnary(context, *quick_, cancel_, response,
                  [this, request] { return manager_->Cancel(request->name()); });
}

grpc::ServerUnaryReactor* OperationService::DeleteOperation(
    grpc::CallbackServerContext* context, const v1::DeleteOperationRequest* request,
    google::protobuf::Empty* response) {
  return RunUnary(context, *quick_, delete_, response,
                  [this, request]() -> absl::StatusOr<google::protobuf::Empty> {
                    HOMOLOG_RETURN_IF_ERROR(manager_->Delete(request->name()));
                    return google::protobuf::Empty();
                  });
}

}  // namespace homolog::rpc
