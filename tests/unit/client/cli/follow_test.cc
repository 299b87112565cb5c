#include "client/cli/follow.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "../cpp/mock_connection.h"
#include "absl/strings/str_join.h"
#include "common/error.h"

namespace homolog::cli {
namespace {

using ::testing::_;
using ::testing::HasSubstr;

v1::Operation Operation(v1::OperationState state) {
  v1::Operation operation;
  operation.set_name("operations/7");
  operation.set_state(state);
  operation.set_result("correlations/c");
  return operation;
}

class ConcludeTest : public ::testing::Test {
 protected:
  absl::Status Run(const absl::StatusOr<v1::Operation>& started, bool no_wait) {
    return Conclude(session_, started, no_wait, [this](const std::vector<std::string>& names) {
      result_ = absl::StrJoin(names, " ");
      return absl::OkStatus();
    });
  }
  void ExpectWatch(const v1::Operation& last) {
    EXPECT_CALL(*connection_, WatchOperation(_, _))
        .WillOnce([last](const v1::WatchOperationRequest&,
                         const client::MessageSink<v1::Operation>& sink) { return sink(last); });
  }

  std::shared_ptr<::testing::StrictMock<client::MockConnection>> connection_ =
      std::make_shared<::testing::StrictMock<client::MockConnection>>();
  client::Client client_{connection_};
  std::ostringstream out_;
  std::ostringstream err_;
  Output output_{Format::kCsv, out_};
  Session session_{client_, output_, err_, false};
  std::string result_;
};

TEST_F(ConcludeTest, WaitsAndPrintsTheResult) {
  ExpectWatch(Operation(v1::OPERATION_STATE_SUCCEEDED));
  EXPECT_TRUE(Run(Operation(v1::OPERATION_STATE_QUEUED), false).ok());
  EXPECT_EQ(result_, "correlations/c");
  EXPECT_EQ(out_.str(), "");
}

TEST_F(ConcludeTest, SaysThePlanOfLongWorkOnce) {
  v1::Operation running = Operation(v1::OPERATION_STATE_RUNNING);
  v1::CorrelationPlan& plan = *running.mutable_correlation_plan();
  plan.set_passes(3);
  plan.set_memory_bytes(1 << 30);
  plan.set_memory_budget_bytes(int64_t{2} << 30);
  plan.mutable_estimated_duration()->set_seconds(90);
  EXPECT_CALL(*connection_, WatchOperation(_, _))
      .WillOnce(
          [&](const v1::WatchOperationRequest&, const client::MessageSink<v1::Operation>& sink) {
            sink(running).IgnoreError();
            sink(running).IgnoreError();
            return sink(Operation(v1::OPERATION_STATE_SUCCEEDED));
          });
  EXPECT_TRUE(Run(Operation(v1::OPERATION_STATE_QUEUED), false).ok());
  EXPECT_THAT(err_.str(), HasSubstr("plan: 3 passes over the tokens, 1.0 GiB of 2.0 GiB, about"));
  EXPECT_EQ(err_.str().find("plan:"), err_.str().rfind("plan:"));
}

TEST_F(ConcludeTest, DoesNotWaitForWhatTheStoreHad) {
  EXPECT_TRUE(Run(Operation(v1::OPERATION_STATE_SUCCEEDED), false).ok());
  EXPECT_EQ(result_, "correlations/c");
}

TEST_F(ConcludeTest, PrintsEveryResultOfAnOperationThatHasSeveral) {
  v1::Operation operation = Operation(v1::OPERATION_STATE_SUCCEEDED);
  operation.add_results("correlations/c");
  operation.add_results("correlations/d");
  EXPECT_TRUE(Run(operation, false).ok());
  EXPECT_EQ(result_, "correlations/c correlations/d");
  EXPECT_TRUE(Run(operation, true).ok());
  EXPECT_THAT(out_.str(), HasSubstr("\"correlations/c,correlations/d\""));
}

TEST_F(ConcludeTest, PrintsTheOperationWithoutWaiting) {
  EXPECT_TRUE(Run(Operation(v1::OPERATION_STATE_QUEUED), true).ok());
  EXPECT_THAT(out_.str(), HasSubstr("operations/7,,queued"));
  EXPECT_EQ(result_, "");
}

TEST_F(ConcludeTest, FailsAsTheOperationFailed) {
  v1::Operation failed = Operation(v1::OPERATION_STATE_FAILED);
  failed.mutable_error()->ParseFromString(SerializeError(FailedPrecondition("WHY", "because")));
  ExpectWatch(failed);
  EXPECT_EQ(Run(Operation(v1::OPERATION_STATE_RUNNING), false),
            FailedPrecondition("WHY", "because"));
  EXPECT_EQ(result_, "");
}

TEST_F(ConcludeTest, FailsWhereNothingWasStarted) {
  EXPECT_EQ(Run(NotFound("WHAT", "that"), false), NotFound("WHAT", "that"));
}

}  // namespace
}  // namespace homolog::cli
