#include "server/rpc/grpc_status.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "common/error.h"
#include "common/text.h"

namespace homolog::rpc {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(GrpcStatusTest, IsOkForOk) {
  EXPECT_TRUE(ToGrpcStatus(absl::OkStatus()).ok());
  EXPECT_EQ(ToGrpcStatus(absl::OkStatus()).error_details(), "");
}

TEST(GrpcStatusTest, CarriesCodeMessageReasonAndMetadata) {
  const absl::Status sent =
      NotFound("CHECKPOINT_NOT_FOUND", "there is no caf\xc3\xa9", {{"checkpoint", "models/a"}});
  const grpc::Status wire = ToGrpcStatus(sent);
  EXPECT_EQ(wire.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(wire.error_message(), "there is no caf\xc3\xa9");
  const absl::Status received = ParseError(wire.error_details());
  EXPECT_EQ(received, sent);
  EXPECT_EQ(ErrorReason(received), "CHECKPOINT_NOT_FOUND");
  EXPECT_THAT(wire.error_details(), HasSubstr("models/a"));
}

TEST(GrpcStatusTest, HasTheSameNumberForEveryCode) {
  for (int code = 1; code <= 16; ++code) {
    const grpc::Status wire =
        ToGrpcStatus(MakeError(static_cast<absl::StatusCode>(code), "REASON", "message"));
    EXPECT_EQ(static_cast<int>(wire.error_code()), code);
    EXPECT_EQ(static_cast<int>(ParseError(wire.error_details()).code()), code);
  }
}

TEST(GrpcStatusTest, HasNoDetailsWithoutAReason) {
  const grpc::Status wire = ToGrpcStatus(absl::InternalError("plain"));
  EXPECT_EQ(wire.error_message(), "plain");
  EXPECT_EQ(wire.error_details(), "");
}

TEST(GrpcStatusTest, MakesAMessageFitForTheWireThatIsNone) {
  const grpc::Status wire = ToGrpcStatus(absl::InternalError("bad \xff\xfe byte"));
  EXPECT_EQ(wire.error_message(), "bad ?? byte");
}

// Trailing metadata is limited to 8 KiB, in which gRPC writes other than printable ASCII with three
// bytes each and details in base 64.
size_t WireBytes(const grpc::Status& status) {
  size_t message = 0;
  for (const char c : status.error_message()) message += c < ' ' || c > '~' || c == '%' ? 3 : 1;
  return message + (status.error_details().size() + 2) / 3 * 4;
}

TEST(GrpcStatusTest, CutsALongMessageBetweenCharactersSoThatItFitsTheTrailers) {
  std::string message = "start ";
  for (int i = 0; i < 100'000; ++i) message += "\xe2\x82\xac";  // euro signs
  const absl::Status without_reason(absl::StatusCode::kInternal, message);
  const absl::Status with_reason =
      InvalidArgument("REASON", message, {{"one", message}, {"two", message}});
  for (const absl::Status& status : {without_reason, with_reason, Annotate(with_reason, message)}) {
    const grpc::Status wire = ToGrpcStatus(status);
    EXPECT_THAT(wire.error_message(), StartsWith("start \xe2\x82\xac"));
    EXPECT_TRUE(IsValidUtf8(wire.error_message()));
    EXPECT_LT(WireBytes(wire), 7500u);
    if (status != without_reason) {
      EXPECT_EQ(ErrorReason(ParseError(wire.error_details())), "REASON");
    }
  }
}

}  // namespace
}  // namespace homolog::rpc
