// A server that is told to end before it serves.

#include <filesystem>
#include <memory>
#include <string>

#include "common/error.h"
#include "server/app/stop_request.h"
#include "tests/integration/capture_log.h"
#include "tests/integration/server_fixture.h"

namespace homolog::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Makes the request as soon as the server logs `text`, on the thread that logs it.
class StopAtLog : public CapturedLog {
 public:
  StopAtLog(std::string text, app::StopRequest& stop) : wanted_(std::move(text)), stop_(stop) {}
  void send(google::LogSeverity severity, const char* file, const char* base, int line,
            const google::LogMessageTime& time, const char* message, size_t size) override {
    CapturedLog::send(severity, file, base, line, time, message, size);
    if (std::string(message, size).find(wanted_) != std::string::npos) stop_.Make(0);
  }

 private:
  const std::string wanted_;
  app::StopRequest& stop_;
};

class StartupTest : public ServerTest {
 protected:
  absl::Status Start() { return app::Server::Start(config_, stop_).status(); }
  const std::shared_ptr<app::StopRequest> stop_ = std::make_shared<app::StopRequest>();
};

TEST_F(StartupTest, OpensNothingWhereItIsToldToEndBefore) {
  stop_->Make(0);
  const absl::Status status = Start();
  EXPECT_EQ(CodeAndReason(status), "CANCELLED STOPPED") << status;
  EXPECT_FALSE(std::filesystem::exists(config_.data));
}

TEST_F(StartupTest, EndsBetweenTwoCheckpointsThatItPreloads) {
  config_.preload = {"a/1", "b/1", "small/1"};
  const StopAtLog log("checkpoint=models/a/checkpoints/1 preloaded", *stop_);
  EXPECT_EQ(CodeAndReason(Start()), "CANCELLED STOPPED");
  EXPECT_THAT(log.text(), HasSubstr("checkpoint=models/a/checkpoints/1 preloaded"));
  EXPECT_THAT(log.text(), Not(HasSubstr("models/b")));
}

TEST_F(StartupTest, DoesNotServeWhereItIsToldToEndAtTheLastCheckpoint) {
  config_.preload = {"a/1"};
  const StopAtLog log("checkpoint=models/a/checkpoints/1 preloaded", *stop_);
  EXPECT_EQ(CodeAndReason(Start()), "CANCELLED STOPPED");
}

TEST_F(StartupTest, LeavesAStoreThatTheNextServerOpens) {
  config_.preload = {"a/1", "b/1"};
  {
    const StopAtLog log("checkpoint=models/a/checkpoints/1 preloaded", *stop_);
    EXPECT_EQ(CodeAndReason(Start()), "CANCELLED STOPPED");
  }
  StartServer();
  EXPECT_TRUE(
      Unary(datasets(), &v1::DatasetService::Stub::ListDatasets, v1::ListDatasetsRequest()).ok());
}

TEST_F(StartupTest, ChecksThatCheckpointsToPreloadAreThere) {
  config_.preload = {"a/1", "b/1"};
  EXPECT_TRUE(app::CheckEnvironment(config_).ok()) << app::CheckEnvironment(config_);
  for (const std::string name : {"a/2", "none/1", "a", "", "a/1/2", "../models/a/1"}) {
    config_.preload = {"a/1", name};
    const absl::Status status = app::CheckEnvironment(config_);
    EXPECT_THAT(std::string(status.message()), HasSubstr("--preload " + name)) << status;
    EXPECT_EQ(Start(), status);
  }
  config_.preload = {"none/1"};
  EXPECT_EQ(CodeAndReason(app::CheckEnvironment(config_)), "NOT_FOUND CHECKPOINT_NOT_FOUND");
}

}  // namespace
}  // namespace homolog::testing
