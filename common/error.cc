#include "common/error.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <optional>

#include "absl/strings/cord.h"
#include "common/text.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace homolog {
namespace {

constexpr char kErrorInfoUrl[] = "type.googleapis.com/google.rpc.ErrorInfo";
constexpr char kRetryInfoUrl[] = "type.googleapis.com/google.rpc.RetryInfo";
constexpr char kDomain[] = "homolog";

// Errors travel in HTTP/2 trailers, of which gRPC takes 8 KiB by default: a value that is quoted
// in an error must not turn that error into another one. The message travels twice.
constexpr size_t kMaxMessageBytes = 1024;
constexpr size_t kMaxMetadataBytes = 128;
constexpr size_t kMaxMetadataEntries = 8;

// The payload of `status` under `url`, which is a Detail.
template <typename Detail>
std::optional<Detail> DetailOf(const absl::Status& status, const char* url) {
  std::optional<absl::Cord> payload = std::nullopt;
  if (auto found = status.GetPayload(url); found.has_value()) payload = *found;
  Detail detail;
  if (!payload || !detail.ParseFromString(std::string(*payload))) return std::nullopt;
  return detail;
}

std::optional<google::rpc::ErrorInfo> InfoOf(const absl::Status& status) {
  return DetailOf<google::rpc::ErrorInfo>(status, kErrorInfoUrl);
}

std::optional<google::rpc::RetryInfo> RetryOf(const absl::Status& status) {
  return DetailOf<google::rpc::RetryInfo>(status, kRetryInfoUrl);
}

absl::Status WithMessage(absl::StatusCode code, std::string_view message) {
  const std::string text = CutUtf8(ValidUtf8(message), kMaxMessageBytes);
  return absl::Status(code, text);
}

}  // namespace

absl::Status MakeError(absl::StatusCode code, std::string_view reason, std::string_view message,
                       const ErrorMetadata& metadata) {
  google::rpc::ErrorInfo info;
  info.set_reason(ValidUtf8(reason));
  info.set_domain(kDomain);
  for (const auto& [name, value] : metadata) {
    if (info.metadata_size() == static_cast<int>(kMaxMetadataEntries)) break;
    (*info.mutable_metadata())[CutUtf8(ValidUtf8(name), kMaxMetadataBytes)] =
        CutUtf8(ValidUtf8(value), kMaxMetadataBytes);
  }
  absl::Status status = WithMessage(code, message);
  status.SetPayload(kErrorInfoUrl, absl::Cord(info.SerializeAsString()));
  return status;
}

absl::Status InvalidArgument(std::string_view reason, std::string_view message,
                             const ErrorMetadata& metadata) {
  return MakeError(absl::StatusCode::kInvalidArgument, reason, message, metadata);
}

absl::Status NotFound(std::string_view reason, std::string_view message,
                      const ErrorMetadata& metadata) {
  return MakeError(absl::StatusCode::kNotFound, reason, message, metadata);
}

absl::Status AlreadyExists(std::string_view reason, std::string_view message,
                           const ErrorMetadata& metadata) {
  return MakeError(absl::StatusCode::kAlreadyExists, reason, message, metadata);
}

absl::Status FailedPrecondition(std::string_view reason, std::string_view message,
                                const ErrorMetadata& metadata) {
  return MakeError(absl::StatusCode::kFailedPrecondition, reason, message, metadata);
}

absl::Status ResourceExhausted(std::string_view reason, std::string_view message,
                               const ErrorMetadata& metadata) {
  return MakeError(absl::StatusCode::kResourceExhausted, reason, message, metadata);
}

absl::Status DataLoss(std::string_view reason, std::string_view message,
                      const ErrorMetadata& metadata) {
  return MakeError(absl::StatusCode::kDataLoss, reason, message, metadata);
}

std::string ErrorReason(const absl::Status& status) {
  const std::optional<google::rpc::ErrorInfo> info = InfoOf(status);
  return info ? info->reason() : "";
}

std::string ErrorValue(const absl::Status& status, const std::string& key) {
  const std::optional<google::rpc::ErrorInfo> info = InfoOf(status);
  if (!info) return "";
  const auto found = info->metadata().find(key);
  return found == info->metadata().end() ? "" : found->second;
}

absl::Status WithRetryDelay(absl::Status status, std::chrono::milliseconds delay) {
  using google::protobuf::util::TimeUtil;
  google::rpc::RetryInfo retry;
  *retry.mutable_retry_delay() = TimeUtil::MillisecondsToDuration(delay.count());
  status.SetPayload(kRetryInfoUrl, absl::Cord(retry.SerializeAsString()));
  return status;
}

std::optional<std::chrono::milliseconds> RetryDelay(const absl::Status& status) {
  using google::protobuf::util::TimeUtil;
  const std::optional<google::rpc::RetryInfo> retry = RetryOf(status);
  if (!retry) return std::nullopt;
  return std::chrono::milliseconds(TimeUtil::DurationToMilliseconds(retry->retry_delay()));
}

absl::Status Annotate(const absl::Status& status, std::string_view prefix) {
  if (status.ok()) return status;
  const std::string message =
      std::string(prefix) + ": " + std::string(status.message().data(), status.message().size());
  absl::Status annotated = WithMessage(status.code(), message);
  status.ForEachPayload([&annotated](const auto& url, const absl::Cord& payload) {
    annotated.SetPayload(url, payload);
  });
  return annotated;
}

std::string SerializeError(const absl::Status& status) {
  google::rpc::Status proto;
  proto.set_code(status.raw_code());
  const std::string message(status.message().data(), status.message().size());
  proto.set_message(CutUtf8(ValidUtf8(message), kMaxMessageBytes));
  if (const auto info = InfoOf(status)) proto.add_details()->PackFrom(*info);
  if (const auto retry = RetryOf(status)) proto.add_details()->PackFrom(*retry);
  return proto.SerializeAsString();
}

absl::Status ParseError(std::string_view serialized) {
  google::rpc::Status proto;
  if (!proto.ParseFromArray(serialized.data(), static_cast<int>(serialized.size()))) {
    return MakeError(absl::StatusCode::kUnknown, "UNREADABLE_ERROR",
                     "an error was reported whose details are not a google.rpc.Status (" +
                         std::to_string(serialized.size()) + " bytes)");
  }
  absl::Status status(static_cast<absl::StatusCode>(proto.code()), proto.message());
  for (const google::protobuf::Any& detail : proto.details()) {
    if (detail.Is<google::rpc::ErrorInfo>()) {
      status.SetPayload(kErrorInfoUrl, absl::Cord(detail.value()));
    } else if (detail.Is<google::rpc::RetryInfo>()) {
      status.SetPayload(kRetryInfoUrl, absl::Cord(detail.value()));
    }
  }
  return status;
}

}  // namespace homolog
