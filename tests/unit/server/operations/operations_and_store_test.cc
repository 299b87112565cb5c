// Operations whose store takes no writes for a while.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>

#include "absl/strings/match.h"
#include "operation_manager_testing.h"

namespace homolog::operations {
namespace {

class OperationsAndStoreTest : public OperationManagerTest {
 protected:
  // A job that stores a result of 2 MiB, once `disturb` has happened.
  Job StoringJob(const std::string& result, std::atomic<bool>& disturbed) {
    return MakeJob(result, [this, result, &disturbed](const std::string&, analysis::RunControl&) {
      ++runs_;
      while (!disturbed) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      return store_->PutResult("correlations", result, "m", {{"x", std::string(2 << 20, 'x')}});
    });
  }
  void WaitForStage(const std::string& name, const std::string& stage) {
    while (!absl::StrContains(manager_->Get(name)->progress().stage(), stage))
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  // As the server does it, every second.
  void Maintain() {
    store_->Maintain();
    manager_->Maintain();
  }
  v1::Operation MaintainUntilEnded(const std::string& name) {
    for (int i = 0; i < 1000 && !HasEnded(*manager_->Get(name)); ++i) {
      Maintain();
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return *manager_->Get(name);
  }
  std::string StoredState(const std::string& name) {
    storage::v1::OperationRecord record;
    EXPECT_TRUE(record.ParseFromString(*store_->GetOperation(name.substr(11))));
    return v1::OperationState_Name(record.operation().state());
  }

  std::atomic<int> runs_ = 0;
  std::atomic<bool> disturbed_ = false;
};

TEST_F(OperationsAndStoreTest, AResultThatTheDiskDoesNotTakeIsComputedAgainOnceItDoes) {
  const std::string name = Submit(StoringJob("a", disturbed_)).name();
  while (runs_ == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  faults_.read_only = true;
  disturbed_ = true;
  WaitForStage(name, "waiting for the store");
  Maintain();
  EXPECT_FALSE(HasEnded(*manager_->Get(name)));
  faults_.read_only = false;
  EXPECT_EQ(MaintainUntilEnded(name).state(), v1::OPERATION_STATE_SUCCEEDED);
  EXPECT_EQ(runs_, 2);
  EXPECT_TRUE(store_->GetResult("correlations", "a").ok());
}

TEST_F(OperationsAndStoreTest, AResultThatTheDiskHasNoSpaceForWaitsForTheSpace) {
  const std::string name = Submit(StoringJob("a", disturbed_)).name();
  faults_.free_bytes = int64_t{65} << 20;
  disturbed_ = true;
  WaitForStage(name, "waiting for the store");
  WaitForStage(name, "has 65 MiB left");
  // Until it may be tried again.
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));
  for (int i = 0; i < 3; ++i) Maintain();
  EXPECT_EQ(runs_, 1) << "it is not computed again and again";
  faults_.free_bytes = int64_t{1} << 30;
  EXPECT_EQ(MaintainUntilEnded(name).state(), v1::OPERATION_STATE_SUCCEEDED);
  EXPECT_EQ(runs_, 2);
}

TEST_F(OperationsAndStoreTest, WhatWaitsForTheStoreCanBeCancelled) {
  const std::string name = Submit(StoringJob("a", disturbed_)).name();
  faults_.free_bytes = int64_t{65} << 20;
  disturbed_ = true;
  WaitForStage(name, "waiting for the store");
  while (manager_->Cancel(name)->state() != v1::OPERATION_STATE_CANCELLED)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  faults_.free_bytes = -1;
  Maintain();
  EXPECT_EQ(Wait(Submit(QuickJob("b")).name()).state(), v1::OPERATION_STATE_SUCCEEDED);
  EXPECT_EQ(runs_, 1);
}

TEST_F(OperationsAndStoreTest, AnEndIsSeenOnceItIsStored) {
  const std::string name = Submit(LongJob("a")).name();
  WaitUntilRunning();
  faults_.read_only = true;
  release_ = true;
  WaitForStage(name, "waiting for the store");
  Maintain();
  EXPECT_FALSE(HasEnded(*manager_->Get(name))) << "a process that dies now would take it back";
  EXPECT_TRUE(ended_.empty());
  faults_.read_only = false;
  EXPECT_EQ(MaintainUntilEnded(name).state(), v1::OPERATION_STATE_SUCCEEDED);
  EXPECT_EQ(StoredState(name), "OPERATION_STATE_SUCCEEDED");
  EXPECT_EQ(WaitForEnded(1)[0].name(), name);
  EXPECT_TRUE(manager_->UnendedNames().empty());
}

TEST_F(OperationsAndStoreTest, ACancellationThatTheDiskDidNotTakeIsNotAcknowledged) {
  const std::string running = Submit(LongJob("a")).name();
  WaitUntilRunning();
  const std::string queued = Submit(LongJob("b")).name();
  faults_.read_only = true;
  EXPECT_EQ(ErrorReason(manager_->Cancel(queued).status()), "STORE_READ_ONLY");
  EXPECT_FALSE(HasEnded(*manager_->Get(queued)));
  faults_.read_only = false;
  EXPECT_EQ(MaintainUntilEnded(queued).state(), v1::OPERATION_STATE_CANCELLED);
  release_ = true;
  Wait(running);
}

TEST_F(OperationsAndStoreTest, WhatHasAnEndIsNoneOfTheOperationsOfItsClient) {
  Stop();
  OperationManager::Options options;
  options.operations_per_client = 1;
  Start(10, options);
  const std::string name = Submit(LongJob("a")).name();
  WaitUntilRunning();
  faults_.sync_fails = true;
  release_ = true;
  WaitForStage(name, "waiting for the store");
  faults_.sync_fails = false;
  for (int i = 0; i < 1000 && store_->read_only_reason(); ++i) {
    store_->Maintain();
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  EXPECT_TRUE(manager_->Submit(QuickJob("b")).ok());
}

TEST_F(OperationsAndStoreTest, LeavesNothingOfAnOperationThatWasRefused) {
  faults_.sync_fails = true;  // the record is in the log, and may be read back from it
  EXPECT_EQ(ErrorReason(manager_->Submit(QuickJob("a")).status()), "STORE_READ_ONLY");
  faults_.sync_fails = false;
  for (int i = 0; i < 1000 && store_->read_only_reason(); ++i) {
    Maintain();
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  Maintain();
  EXPECT_TRUE(ListedNames().empty());
}

TEST_F(OperationsAndStoreTest, AnswersWhatIsStoredWhileNothingCanBeWritten) {
  const std::string name = manager_->Finished(QuickJob("a"))->name();
  faults_.read_only = true;
  const auto answered = manager_->Finished(QuickJob("a"), Alice("one"));
  ASSERT_TRUE(answered.ok()) << answered.status();
  EXPECT_EQ(answered->name(), name);
}

}  // namespace
}  // namespace homolog::operations
