// What becomes of operations when the server ends, in whatever way, and starts again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "common/error.h"
#include "operation_manager_testing.h"

namespace homolog::operations {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class OperationRecoveryTest : public OperationManagerTest {};

TEST_F(OperationRecoveryTest, ResumesWhatAShutdownInterruptedAndWhatWaited) {
  const v1::Operation done = Wait(Submit(QuickJob("done")).name());
  const v1::Operation running = Submit(LongJob("a"));
  const v1::Operation queued = Submit(LongJob("b"));
  WaitUntilRunning();
  Stop();
  EXPECT_EQ(ended_.size(), 1u);
  Start(10);
  EXPECT_EQ(manager_->Get(running.name())->state(), v1::OPERATION_STATE_RUNNING);
  std::vector<std::string> resumed;
  release_ = true;
  ASSERT_TRUE(
      manager_
          ->Resume([&](std::string_view kind, const std::string& request) -> absl::StatusOr<Job> {
            EXPECT_EQ(kind, "correlation");
            resumed.push_back(request);
            return LongJob(request.substr(request.size() - 1));
          })
          .ok());
  EXPECT_THAT(resumed, ElementsAre("request of a", "request of b"));
  EXPECT_EQ(Wait(running.name()).state(), v1::OPERATION_STATE_SUCCEEDED);
  EXPECT_EQ(Wait(queued.name()).state(), v1::OPERATION_STATE_SUCCEEDED);
  EXPECT_EQ(manager_->Get(done.name())->end_time().nanos(), done.end_time().nanos());
  EXPECT_EQ(WaitForEnded(3).size(), 3u);
}

TEST_F(OperationRecoveryTest, FailsWhatCannotBePreparedAfterARestartWithTheReason) {
  const v1::Operation operation = Submit(LongJob("a"));
  WaitUntilRunning();
  Stop();
  Start(10);
  ASSERT_TRUE(manager_
                  ->Resume([](std::string_view, const std::string&) -> absl::StatusOr<Job> {
                    return NotFound("DATASET_NOT_FOUND", "there is no data set datasets/x");
                  })
                  .ok());
  const v1::Operation ended = *manager_->Get(operation.name());
  EXPECT_EQ(ended.state(), v1::OPERATION_STATE_FAILED);
  EXPECT_EQ(Reason(ended), "DATASET_NOT_FOUND");
  EXPECT_THAT(ended.error().message(), HasSubstr("after a restart"));
  Stop();
  Start(10);
  EXPECT_EQ(manager_->Get(operation.name())->state(), v1::OPERATION_STATE_FAILED);
}

TEST_F(OperationRecoveryTest, ResumesMoreThanTheQueueHoldsNow) {
  std::vector<std::string> names;
  for (const char* result : {"a", "b", "c", "d"}) names.push_back(Submit(LongJob(result)).name());
  Stop();
  Start(/*queue_limit=*/1);
  release_ = true;
  ASSERT_TRUE(
      manager_
          ->Resume([&](std::string_view, const std::string& request) -> absl::StatusOr<Job> {
            return LongJob(request.substr(request.size() - 1));
          })
          .ok());
  for (const std::string& name : names) {
    EXPECT_EQ(Wait(name).state(), v1::OPERATION_STATE_SUCCEEDED) << name;
  }
}

TEST_F(OperationRecoveryTest, CancelsWhatWasResumed) {
  const v1::Operation operation = Submit(LongJob("a"));
  Stop();
  Start(10);
  ASSERT_TRUE(manager_
                  ->Resume([&](std::string_view, const std::string&) -> absl::StatusOr<Job> {
                    return LongJob("a");
                  })
                  .ok());
  // An equal request finds it.
  EXPECT_EQ(Submit(LongJob("a")).name(), operation.name());
  ASSERT_TRUE(manager_->Cancel(operation.name()).ok());
  EXPECT_EQ(Wait(operation.name()).state(), v1::OPERATION_STATE_CANCELLED);
}

TEST_F(OperationRecoveryTest, SkipsAStoredOperationThatCannotBeRead) {
  ASSERT_TRUE(store_->PutOperation("damaged", "\xff\xff").ok());
  EXPECT_EQ(ErrorReason(manager_->Get("operations/damaged").status()), "DAMAGED_OPERATION");
  ResumeNothing();
  EXPECT_EQ(Wait(Submit(QuickJob("a")).name()).state(), v1::OPERATION_STATE_SUCCEEDED);
}

TEST_F(OperationRecoveryTest, DeletesAStoredOperationThatCannotBeRead) {
  const v1::Operation whole = Wait(Submit(QuickJob("a")).name());
  ASSERT_TRUE(store_->PutOperation("damaged", "\xff\xff").ok());
  const auto listed = manager_->List(10, "");
  ASSERT_TRUE(listed.ok()) << listed.status();
  ASSERT_EQ(listed->operations_size(), 2);
  EXPECT_EQ(Reason(listed->operations(1)), "DAMAGED_OPERATION");
  EXPECT_THAT(listed->operations(1).error().message(),
              HasSubstr("homolog operations delete damaged"));
  EXPECT_TRUE(manager_->Delete("operations/damaged").ok());
  EXPECT_EQ(ErrorReason(manager_->Get("operations/damaged").status()), "OPERATION_NOT_FOUND");
  EXPECT_THAT(ListedNames(), ElementsAre(whole.name()));
}

TEST_F(OperationRecoveryTest, GivesUpWhatEndsTheServerAgainAndAgain) {
  OperationManager::Options options;
  options.most_attempts = 3;
  const v1::Operation poison = Submit(LongJob("poison"));
  WaitUntilRunning();
  // As after a crash: the record says that it runs.
  std::string record = *store_->GetOperation(poison.name().substr(11));
  for (int attempt = 2; attempt <= 4; ++attempt) {
    Stop();
    Start(10, options);
    ASSERT_TRUE(store_->PutOperation(poison.name().substr(11), record).ok());
    running_ = 0;
    ASSERT_TRUE(manager_
                    ->Resume([this](std::string_view, const std::string&) {
                      return absl::StatusOr<Job>(LongJob("poison"));
                    })
                    .ok());
    if (attempt == 4) break;
    WaitUntilRunning();
    record = *store_->GetOperation(poison.name().substr(11));
  }
  const v1::Operation ended = Wait(poison.name());
  EXPECT_EQ(ended.state(), v1::OPERATION_STATE_FAILED);
  EXPECT_EQ(Reason(ended), "ENDED_THE_SERVER");
}

TEST_F(OperationRecoveryTest, WhatWasMetByAKillLetsOthersGoFirst) {
  const v1::Operation met = Submit(LongJob("met"));
  const v1::Operation waiting = Submit(LongJob("waiting"));
  WaitUntilRunning();
  const std::string crashed = *store_->GetOperation(met.name().substr(11));
  Stop();
  Start(10);
  ASSERT_TRUE(store_->PutOperation(met.name().substr(11), crashed).ok());
  running_ = 0;
  ASSERT_TRUE(manager_
                  ->Resume([this](std::string_view, const std::string& request) {
                    return absl::StatusOr<Job>(LongJob(request.substr(11)));
                  })
                  .ok());
  WaitUntilRunning();
  EXPECT_EQ(manager_->Get(waiting.name())->state(), v1::OPERATION_STATE_RUNNING);
  EXPECT_EQ(manager_->Get(met.name())->state(), v1::OPERATION_STATE_QUEUED);
  release_ = true;
  Wait(met.name());
}

TEST_F(OperationRecoveryTest, CountsNoShutdownAndNoLastingProgressAsAnAttempt) {
  OperationManager::Options options;
  options.most_attempts = 2;
  const v1::Operation operation = Submit(LongJob("long"));
  for (int restart = 0; restart < 5; ++restart) {
    WaitUntilRunning();
    Stop();
    Start(10, options);
    ASSERT_TRUE(manager_
                    ->Resume([this](std::string_view, const std::string&) {
                      return absl::StatusOr<Job>(LongJob("long"));
                    })
                    .ok());
  }
  release_ = true;
  EXPECT_EQ(Wait(operation.name()).state(), v1::OPERATION_STATE_SUCCEEDED);
}

TEST_F(OperationRecoveryTest, ACancellationThatWasAcknowledgedHoldsAfterACrash) {
  const v1::Operation operation =
      Submit(MakeJob("a", [this](const std::string&, analysis::RunControl&) {
        ++running_;
        while (!release_)
          std::this_thread::sleep_for(std::chrono::milliseconds(1));  // hears nothing
        return absl::OkStatus();
      }));
  WaitUntilRunning();
  ASSERT_TRUE(manager_->Cancel(operation.name()).ok());
  const std::string crashed = *store_->GetOperation(operation.name().substr(11));
  release_ = true;
  Wait(operation.name());
  Stop();
  Start(10);
  ASSERT_TRUE(store_->PutOperation(operation.name().substr(11), crashed).ok());
  ASSERT_TRUE(manager_
                  ->Resume([this](std::string_view, const std::string&) {
                    return absl::StatusOr<Job>(QuickJob("a"));
                  })
                  .ok());
  EXPECT_EQ(Wait(operation.name()).state(), v1::OPERATION_STATE_CANCELLED);
}

TEST_F(OperationRecoveryTest, LeavesAnOperationAsItIsWhereTheDeviceIsLost) {
  Stop();
  std::promise<std::string> lost;
  OperationManager::Options options;
  options.on_device_lost = [&](const absl::Status& status) {
    lost.set_value(std::string(status.message()));
  };
  Start(10, options);
  const v1::Operation operation =
      Submit(MakeJob("a", [](const std::string&, analysis::RunControl&) {
        return MakeError(absl::StatusCode::kUnavailable, "DEVICE_LOST", "illegal memory access");
      }));
  EXPECT_EQ(lost.get_future().get(), "illegal memory access");
  EXPECT_EQ(manager_->Get(operation.name())->state(), v1::OPERATION_STATE_RUNNING);
  EXPECT_EQ(ErrorReason(manager_->Submit(QuickJob("b")).status()), "SHUTTING_DOWN");
}

TEST_F(OperationRecoveryTest, WhatIsResumedWaitsAsIfItHadNotBegun) {
  storage::v1::OperationRecord record;
  v1::Operation& operation = *record.mutable_operation();
  operation.set_name("operations/0a");
  operation.set_kind("correlation");
  operation.set_result("correlations/b");
  operation.set_state(v1::OPERATION_STATE_RUNNING);
  *operation.mutable_start_time() = Now();
  operation.mutable_progress()->set_done_tokens(100);
  ASSERT_TRUE(store_->PutOperation("0a", record.SerializeAsString()).ok());
  Submit(LongJob("a"));
  WaitUntilRunning();
  ASSERT_TRUE(manager_
                  ->Resume([this](std::string_view, const std::string&) {
                    return absl::StatusOr<Job>(QuickJob("b"));
                  })
                  .ok());
  const v1::Operation waiting = *manager_->Get("operations/0a");
  EXPECT_EQ(waiting.state(), v1::OPERATION_STATE_QUEUED);
  EXPECT_FALSE(waiting.has_start_time());
  EXPECT_FALSE(waiting.has_progress());
  release_ = true;
}

}  // namespace
}  // namespace homolog::operations
