#include "server/rpc/grpc_status.h"

#include "common/error.h"
#include "common/text.h"

namespace homolog::rpc {
namespace {

// Trailing metadata is limited to 8 KiB; a message is in it twice.
constexpr size_t kLongestMessage = 2048;

}  // namespace

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const std::string message =
      CutUtf8(ValidUtf8(std::string_view(status.message().data(), status.message().size())),
              kLongestMessage);
  const auto code = static_cast<grpc::StatusCode>(status.code());
  if (ErrorReason(status).empty()) return grpc::Status(code, message);
  absl::Status cut(status.code(), message);
  status.ForEachPayload(
      [&](absl::string_view url, const absl::Cord& payload) { cut.SetPayload(url, payload); });
  return grpc::Status(code, message, SerializeError(cut));
}

}  // namespace homolog::rpc
