#include "common/error.h"

#include <gtest/gtest.h>

#include "absl/status/statusor.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace homolog {
namespace {

std::string Message(const absl::Status& status) { return std::string(status.message()); }

google::rpc::ErrorInfo InfoOf(const absl::Status& status) {
  google::rpc::Status proto;
  EXPECT_TRUE(proto.ParseFromString(SerializeError(status)));
  google::rpc::ErrorInfo info;
  EXPECT_EQ(proto.details_size(), 1);
  EXPECT_TRUE(proto.details(0).UnpackTo(&info));
  return info;
}

TEST(ErrorTest, CarriesCodeMessageReasonAndMetadata) {
  const absl::Status status =
      NotFound("CHECKPOINT_NOT_FOUND", "no such checkpoint", {{"checkpoint", "a/1"}});
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Message(status), "no such checkpoint");
  EXPECT_EQ(ErrorReason(status), "CHECKPOINT_NOT_FOUND");
  EXPECT_EQ(ErrorValue(status, "checkpoint"), "a/1");
  EXPECT_EQ(ErrorValue(status, "model"), "");
  const google::rpc::ErrorInfo info = InfoOf(status);
  EXPECT_EQ(info.domain(), "homolog");
  EXPECT_EQ(info.metadata().at("checkpoint"), "a/1");
}

TEST(ErrorTest, KeepsTheInfoUnderGooglesTypeUrl) {
  const absl::Status status = DataLoss("CHUNK_DAMAGED", "damaged");
  EXPECT_TRUE(status.GetPayload("type.googleapis.com/google.rpc.ErrorInfo").has_value());
}

TEST(ErrorTest, HasAShortFormPerCode) {
  EXPECT_EQ(InvalidArgument("R", "m").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(AlreadyExists("R", "m").code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(FailedPrecondition("R", "m").code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ResourceExhausted("R", "m").code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(DataLoss("R", "m").code(), absl::StatusCode::kDataLoss);
}

TEST(ErrorTest, HasNoReasonWithoutInfo) {
  EXPECT_EQ(ErrorReason(absl::InternalError("plain")), "");
  EXPECT_EQ(ErrorReason(absl::OkStatus()), "");
  EXPECT_EQ(ErrorValue(absl::InternalError("plain"), "key"), "");
}

TEST(ErrorTest, AnnotatingPrefixesTheMessageAndKeepsTheRest) {
  const absl::Status status = Annotate(NotFound("GONE", "no file"), "loading a/1");
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Message(status), "loading a/1: no file");
  EXPECT_EQ(ErrorReason(status), "GONE");
  EXPECT_TRUE(Annotate(absl::OkStatus(), "loading").ok());
}

TEST(ErrorTest, SurvivesTheWire) {
  const absl::Status status = ResourceExhausted("QUEUE_FULL", "full", {{"limit", "64"}});
  EXPECT_EQ(ParseError(SerializeError(status)), status);
}

TEST(ErrorTest, SurvivesTheWireWithoutInfo) {
  EXPECT_EQ(ParseError(SerializeError(absl::UnavailableError("x"))), absl::UnavailableError("x"));
  EXPECT_TRUE(ParseError(SerializeError(absl::OkStatus())).ok());
}

TEST(ErrorTest, SurvivesTheWireWithBytesThatAreNotText) {
  const absl::Status status = InvalidArgument("BAD\xFF", "bad \xFF\xFE", {{"k\xFF", "v\xFF"}});
  const absl::Status parsed = ParseError(SerializeError(status));
  EXPECT_EQ(Message(parsed), "bad ??");
  EXPECT_EQ(ErrorReason(parsed), "BAD?");
}

TEST(ErrorTest, FitsTheTrailersHoweverLargeTheValueAtFault) {
  const std::string large(1 << 20, 'x');
  ErrorMetadata metadata;
  for (int i = 0; i < 100; ++i) metadata["key" + std::to_string(i) + large] = large;
  const absl::Status status = Annotate(InvalidArgument("LARGE", large, metadata), large);
  EXPECT_LT(SerializeError(status).size(), 4096u);
  EXPECT_LT(status.message().size(), 2048u);
}

TEST(ErrorTest, SaysWhenToTryAgainAcrossTheWire) {
  const absl::Status status =
      WithRetryDelay(ResourceExhausted("QUEUE_FULL", "full"), std::chrono::milliseconds(2500));
  const absl::Status parsed = ParseError(SerializeError(Annotate(status, "again")));
  EXPECT_EQ(RetryDelay(parsed), std::chrono::milliseconds(2500));
  EXPECT_EQ(ErrorReason(parsed), "QUEUE_FULL");
  EXPECT_EQ(RetryDelay(NotFound("X", "x")), std::nullopt);
}

TEST(ErrorTest, AnUnreadableErrorIsStillAnError) {
  const absl::Status status = ParseError("\xFF\xFF\xFF");
  EXPECT_EQ(status.code(), absl::StatusCode::kUnknown);
  EXPECT_EQ(ErrorReason(status), "UNREADABLE_ERROR");
}

absl::StatusOr<int> Half(int number) {
  if (number % 2 != 0) return absl::InvalidArgumentError("odd");
  return number / 2;
}

absl::StatusOr<int> Quarter(int number) {
  HOMOLOG_ASSIGN_OR_RETURN(const int half, Half(number));
  HOMOLOG_RETURN_IF_ERROR(Half(half).status());
  return half / 2;
}

TEST(ErrorTest, MacrosPassTheValueOrReturnTheError) {
  EXPECT_EQ(*Quarter(8), 2);
  EXPECT_EQ(Quarter(3).status(), absl::InvalidArgumentError("odd"));
  EXPECT_EQ(Quarter(6).status(), absl::InvalidArgumentError("odd"));
}

}  // namespace
}  // namespace homolog
