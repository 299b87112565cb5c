#include "server/rpc/call.h"

#include <gmock/gmock.h>
#include <grpcpp/test/default_reactor_test_peer.h>
#include <gtest/gtest.h>

#include <new>
#include <optional>
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

// A call without a network below it.
class RunUnaryTest : public ::testing::Test {
 protected:
  template <typename Handler>
  std::string Run(Handler handler) {
    std::string response;
    grpc::CallbackServerContext context;
    grpc::testing::DefaultReactorTestPeer peer(&context);
    {
      RequestPool pool(1, 1);
      RunUnary(&context, pool, method_, &response, handler);
    }  // runs what was posted
    EXPECT_TRUE(peer.test_status().ok()) << peer.test_status().error_message();
    return response;
  }

  Doorkeeper doorkeeper_;
  metrics::Metrics metrics_{"test"};
  const Method method_ = MakeMethod({&doorkeeper_, &metrics_}, "Service/Method", Role::kAnalyst);
};

TEST_F(RunUnaryTest, RunsAHandler) {
  EXPECT_EQ(Run([]() -> absl::StatusOr<std::string> { return "done"; }), "done");
}

TEST_F(RunUnaryTest, TellsAHandlerThatAsksWhoCalls) {
  std::optional<Role> role;
  EXPECT_EQ(Run([&](const Caller& caller) -> absl::StatusOr<std::string> {
              role = caller.role;
              return "for:" + caller.name;  // which has no address here
            }),
            "for:");
  EXPECT_EQ(role, Role::kAnalyst);
}

}  // namespace
}  // namespace homolog::rpc
