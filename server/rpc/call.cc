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

Call::Call(grpc::CallbackServerContext* context, std::string method,
           metrics::MethodMetrics* metrics)
    : method_(std::move(method)), id_(RequestId(*context)), metrics_(metrics) {
  context->AddInitialMetadata("x-request-id", id_);
}

grpc::Status Call::End(const absl::Status& status) const {
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  const std::string code = absl::StatusCodeToString(status.code());
  metrics_->Observe(static_cast<int>(status.code()), code, seconds);
  const std::string message(status.message().data(), status.message().size());
  LOG(INFO) << "request=" << id_ << " method=" << method_ << " code=" << code
            << " seconds=" << seconds
            << (status.ok()
                    ? ""
                    : absl::StrCat(" reason=", ErrorReason(status), " message=", Quoted(message)));
  return ToGrpcStatus(status);
}

absl::Status ServerBusy() {
  return ResourceExhausted("SERVER_BUSY", "too many requests wait already; ask again later");
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
