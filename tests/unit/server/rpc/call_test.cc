#include "server/rpc/call.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <new>
#include <stdexcept>
#include <string>

#include "common/error.h"

namespace homolog::rpc {
namespace {

using ::testing::HasSubstr;

TEST(CatchAllTest, ReturnsWhatTheFunctionReturns) {
  EXPECT_TRUE(CatchAll([] { return absl::OkStatus(); }).ok());
  EXPECT_EQ(ErrorReason(CatchAll([] { return NotFound("X", "x"); })), "X");
}

TEST(CatchAllTest, TurnsExceptionsIntoStatuses) {
  const absl::Status defect =
      CatchAll([]() -> absl::Status { throw std::logic_error("a defect\xff"); });
  EXPECT_TRUE(absl::IsInternal(defect));
  EXPECT_EQ(ErrorReason(defect), "INTERNAL");
  EXPECT_THAT(std::string(defect.message()), HasSubstr("a defect?"));
  const absl::Status memory = CatchAll([]() -> absl::Status { throw std::bad_alloc(); });
  EXPECT_TRUE(absl::IsResourceExhausted(memory));
  EXPECT_EQ(ErrorReason(memory), "OUT_OF_MEMORY");
}

TEST(ServerBusyTest, AsksToTryLater) {
  EXPECT_TRUE(absl::IsResourceExhausted(ServerBusy()));
  EXPECT_EQ(ErrorReason(ServerBusy()), "SERVER_BUSY");
}

}  // namespace
}  // namespace homolog::rpc
