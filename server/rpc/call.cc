#include "server/rpc/call.h"

#include <glog/logging.h>

#include <atomic>
#include <exception>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "common/text.h"

namespace homolog::rpc {
namespace {

constexpr size_t kLongestId = 64;

std::string RequestId(const grpc::CallbackServerContext& context) {
  const auto& metadata = context.client_metadata();
  if (const auto found = metadata.find("x-request-id"); found != metadata.end()) {
    const std::string_view sent(found->second.data(), found->second.size());
    // It is logged and sent back: nothing but plain characters.
    const bool plain = !sent.empty() && sent.size() <= kLongestId &&
                       sent.find_first_not_of(
                           "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                           "0123456789._-") == std::string_view::npos;
    if (plain) return std::string(sent);
  }
  static std::atomic<uint64_t> next{1};
  return absl::StrCat("r", absl::Hex(next++));
}

}  // namespace

Call::Call(grpc::CallbackServerContext* context, const Method& method)
    : method_(&method),
      id_(RequestId(*context)),
      caller_{AddressOf(context->peer()), Role::kViewer} {
  context->AddInitialMetadata("x-request-id", id_);
}

absl::StatusOr<Call> Call::Begin(grpc::CallbackServerContext* context, const Method& method) {
  Call call(context, method);
  absl::StatusOr<Caller> caller = method.doorkeeper->Admit(*context, method.role);
  if (!caller.ok()) {
    call.End(caller.status());
    return caller.status();
  }
  call.caller_ = *std::move(caller);
  return call;
}

grpc::Status Call::End(const absl::Status& status, std::string_view resource) const {
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  const std::string code = absl::StatusCodeToString(status.code());
  method_->metrics->Observe(static_cast<int>(status.code()), code, seconds);
  const std::string message(status.message().data(), status.message().size());
  LOG(INFO) << "request=" << id_ << " client=" << caller_.name << " method=" << method_->name
            << " code=" << code << " seconds=" << seconds
            << (resource.empty() ? "" : absl::StrCat(" resource=", std::string(resource)))
            << (status.ok()
                    ? ""
                    : absl::StrCat(" reason=", ErrorReason(status), " message=", Quoted(message)));
  if (method_->on_device_lost && ErrorReason(status) == "DEVICE_LOST") {
    method_->on_device_lost(status);
  }
  return ToGrpcStatus(status);
}

absl::Status ServerBusy() {
  return WithRetryDelay(
      ResourceExhausted("SERVER_BUSY", "too many requests wait already; ask again later"),
      std::chrono::seconds(1));
}

absl::Status CatchAll(const std::function<absl::Status()>& function) {
  try {
    return function();
  } catch (const std::bad_alloc&) {
    return ResourceExhausted("OUT_OF_MEMORY", "the server's memory ran out; ask for less at once");
  } catch (const std::exception& error) {
    LOG(ERROR) << "a handler threw: " << error.what();
    return MakeError(absl::StatusCode::kInternal, "INTERNAL",
                     absl::StrCat("the server failed: ", error.what(), "; please report this"));
  }
}

}  // namespace homolog::rpc
