#include "server/operations/operation_manager.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "common/error.h"
#include "operation_manager_testing.h"

namespace homolog::operations {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST_F(OperationManagerTest, RunsAJobAndReportsItsProgress) {
  std::promise<void> halfway, go_on;
  std::string given_name;
  const v1::Operation submitted =
      Submit(MakeJob("a", [&](const std::string& operation, analysis::RunControl& control) {
        given_name = operation;
        control.OnTotalTokens(100);
        control.OnStage("reading");
        control.OnTokens(30);
        control.OnTokens(20);
        halfway.set_value();
        go_on.get_future().wait();
        return absl::OkStatus();
      }));
  EXPECT_EQ(submitted.state(), v1::OPERATION_STATE_QUEUED);
  EXPECT_EQ(submitted.result(), "correlations/a");
  halfway.get_future().wait();
  const v1::Operation running = *manager_->Get(submitted.name());
  EXPECT_EQ(running.state(), v1::OPERATION_STATE_RUNNING);
  EXPECT_EQ(running.progress().stage(), "reading");
  EXPECT_EQ(running.progress().done_tokens(), 50);
  EXPECT_EQ(running.progress().total_tokens(), 100);
  EXPECT_FALSE(running.has_end_time());
  go_on.set_value();
  const v1::Operation ended = Wait(submitted.name());
  EXPECT_EQ(ended.state(), v1::OPERATION_STATE_SUCCEEDED);
  EXPECT_TRUE(ended.has_end_time());
  EXPECT_FALSE(ended.has_error());
  EXPECT_EQ(given_name, submitted.name());
  EXPECT_EQ(tokens_, 50);
  EXPECT_EQ(WaitForEnded(1)[0].name(), submitted.name());
}

TEST_F(OperationManagerTest, KeepsTheErrorOfAJobThatFailed) {
  const v1::Operation ended =
      Wait(Submit(MakeJob("a", [](const std::string&, analysis::RunControl&) {
             return FailedPrecondition("TOO_FEW_POSITIONS", "only 1", {{"positions", "1"}});
           })).name());
  EXPECT_EQ(ended.state(), v1::OPERATION_STATE_FAILED);
  EXPECT_EQ(ended.error().code(), static_cast<int>(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(Reason(ended), "TOO_FEW_POSITIONS");
}

TEST_F(OperationManagerTest, SurvivesAJobThatThrows) {
  const v1::Operation threw =
      Wait(Submit(MakeJob("a", [](const std::string&, analysis::RunControl&) -> absl::Status {
             throw std::runtime_error("a defect");
           })).name());
  EXPECT_EQ(threw.state(), v1::OPERATION_STATE_FAILED);
  EXPECT_EQ(Reason(threw), "INTERNAL");
  EXPECT_THAT(threw.error().message(), HasSubstr("a defect"));
  const v1::Operation without_memory =
      Wait(Submit(MakeJob("b", [](const std::string&, analysis::RunControl&) -> absl::Status {
             throw std::bad_alloc();
           })).name());
  EXPECT_EQ(Reason(without_memory), "OUT_OF_MEMORY");
  EXPECT_EQ(Wait(Submit(QuickJob("c")).name()).state(), v1::OPERATION_STATE_SUCCEEDED);
}

TEST_F(OperationManagerTest, CancelsAQueuedOperationAtOnce) {
  const v1::Operation running = Submit(LongJob("a"));
  const v1::Operation queued = Submit(LongJob("b"));
  const auto cancelled = manager_->Cancel(queued.name());
  ASSERT_TRUE(cancelled.ok()) << cancelled.status();
  EXPECT_EQ(cancelled->state(), v1::OPERATION_STATE_CANCELLED);
  EXPECT_EQ(Reason(*cancelled), "OPERATION_CANCELLED");
  EXPECT_EQ(WaitForEnded(1)[0].name(), queued.name());
  release_ = true;
  Wait(running.name());
  EXPECT_EQ(Wait(Submit(QuickJob("c")).name()).state(), v1::OPERATION_STATE_SUCCEEDED);
  EXPECT_EQ(manager_->Get(queued.name())->state(), v1::OPERATION_STATE_CANCELLED);
  EXPECT_FALSE(manager_->Get(queued.name())->has_start_time());
  EXPECT_EQ(WaitForEnded(3).size(), 3u);
}

TEST_F(OperationManagerTest, ACancelledOperationMakesRoomInTheQueueAtOnce) {
  Stop();
  Start(/*queue_limit=*/2);
  const v1::Operation running = Submit(LongJob("a"));
  WaitUntilRunning();
  const v1::Operation queued = Submit(LongJob("b"));
  Submit(LongJob("c"));
  EXPECT_EQ(ErrorReason(manager_->Submit(LongJob("d")).status()), "QUEUE_FULL");
  ASSERT_TRUE(manager_->Cancel(queued.name()).ok());
  EXPECT_EQ(worker_->queue_depth(), 1u);
  EXPECT_TRUE(manager_->Submit(LongJob("d")).ok());
  release_ = true;
}

TEST_F(OperationManagerTest, CancelsAtOnceWhatGaveTheDeviceToOthers) {
  std::atomic<bool> yielded = false;
  const v1::Operation yielding = *manager_->Submit(
      MakeJob("a",
              [this, &yielded](const std::string&, analysis::RunControl& control) {
                ++running_;
                while (!control.ShouldYield())
                  std::this_thread::sleep_for(std::chrono::milliseconds(1));
                --running_;
                yielded = true;
                return MakeError(absl::StatusCode::kAborted, analysis::kYielded, "");
              }),
      Alice(""));
  WaitUntilRunning();
  ASSERT_TRUE(manager_->Submit(LongJob("b"), {"token:bob", ""}).ok());
  // Bob's runs, and the other one waits again.
  while (!yielded || worker_->queue_depth() != 1 || running_ != 1)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  const auto cancelled = manager_->Cancel(yielding.name());
  ASSERT_TRUE(cancelled.ok()) << cancelled.status();
  EXPECT_EQ(cancelled->state(), v1::OPERATION_STATE_CANCELLED);
  EXPECT_EQ(worker_->queue_depth(), 0u);
  release_ = true;
}

TEST_F(OperationManagerTest, CancelsARunningOperationAtItsNextBatch) {
  const v1::Operation operation = Submit(LongJob("a"));
  WaitUntilRunning();
  ASSERT_TRUE(manager_->Cancel(operation.name()).ok());
  const v1::Operation ended = Wait(operation.name());
  EXPECT_EQ(ended.state(), v1::OPERATION_STATE_CANCELLED);
  EXPECT_EQ(Reason(ended), "OPERATION_CANCELLED");
  EXPECT_EQ(manager_->Cancel(operation.name())->state(), v1::OPERATION_STATE_CANCELLED);
  EXPECT_EQ(ErrorReason(manager_->Cancel("operations/none").status()), "OPERATION_NOT_FOUND");
}

TEST_F(OperationManagerTest, DeletesOnlyWhatHasEnded) {
  const v1::Operation operation = Submit(LongJob("a"));
  const absl::Status refused = manager_->Delete(operation.name());
  EXPECT_EQ(ErrorReason(refused), "OPERATION_RUNNING");
  EXPECT_THAT(std::string(refused.message()), HasSubstr(operation.name()));
  release_ = true;
  Wait(operation.name());
  EXPECT_TRUE(manager_->Delete(operation.name()).ok());
  EXPECT_EQ(ErrorReason(manager_->Get(operation.name()).status()), "OPERATION_NOT_FOUND");
  EXPECT_EQ(ErrorReason(manager_->Delete(operation.name())), "OPERATION_NOT_FOUND");
  EXPECT_EQ(ErrorReason(manager_->Delete("operations/")), "INVALID_RESOURCE_NAME");
}

TEST_F(OperationManagerTest, KeepsDeletedWhatIsDeletedTheMomentItEnds) {
  for (int i = 0; i < 30; ++i) {
    const v1::Operation operation = Submit(QuickJob("a"));
    while (!HasEnded(*manager_->Get(operation.name()))) std::this_thread::yield();
    ASSERT_TRUE(manager_->Delete(operation.name()).ok());
    WaitForEnded(i + 1);
    ASSERT_EQ(ErrorReason(manager_->Get(operation.name()).status()), "OPERATION_NOT_FOUND") << i;
  }
  EXPECT_THAT(ListedNames(), IsEmpty());
}

TEST_F(OperationManagerTest, ListsPageByPageInTheOrderOfCreation) {
  std::vector<std::string> names;
  for (int i = 0; i < 5; ++i) names.push_back(Submit(QuickJob(std::to_string(i))).name());
  std::vector<std::string> listed;
  std::string token;
  do {
    const auto page = manager_->List(2, token);
    ASSERT_TRUE(page.ok()) << page.status();
    for (const v1::Operation& operation : page->operations()) listed.push_back(operation.name());
    token = page->next_page_token();
  } while (!token.empty());
  EXPECT_EQ(listed, names);
}

TEST_F(OperationManagerTest, ForgetsWhatEndedLongAgoAndNothingElse) {
  const v1::Operation old = Submit(QuickJob("old"));
  Wait(old.name());
  const v1::Operation running = Submit(LongJob("running"));
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));
  EXPECT_EQ(*manager_->Expire(std::chrono::hours(1)), 0);
  EXPECT_EQ(*manager_->Expire(std::chrono::seconds(1)), 1);
  EXPECT_THAT(ListedNames(), ElementsAre(running.name()));
  release_ = true;
}

TEST_F(OperationManagerTest, LetsOthersInBetweenThePartsOfAJobThatYields) {
  std::mutex mutex;
  std::vector<std::string> order;
  std::promise<void> began, go_on;
  auto note = [&](const std::string& what) {
    const std::lock_guard lock(mutex);
    order.push_back(what);
  };
  int part = 0;
  const v1::Operation study = *manager_->Submit(
      MakeJob("study",
              [&](const std::string&, analysis::RunControl& control) {
                if (part == 0) {
                  began.set_value();
                  go_on.get_future().wait();
                }
                for (; part < 3;) {
                  note("part " + std::to_string(part++));
                  control.OnTokens(10);
                  if (part < 3 && control.ShouldYield()) {
                    return MakeError(absl::StatusCode::kAborted, analysis::kYielded, "");
                  }
                }
                return absl::OkStatus();
              }),
      Alice(""));
  began.get_future().wait();
  const v1::Operation other = *manager_->Submit(
      MakeJob("other",
              [&](const std::string&, analysis::RunControl&) {
                EXPECT_EQ(manager_->Get(study.name())->state(), v1::OPERATION_STATE_RUNNING);
                note("other");
                return absl::OkStatus();
              }),
      {"token:bob", ""});
  go_on.set_value();
  EXPECT_EQ(Wait(study.name()).progress().done_tokens(), 30);
  EXPECT_EQ(Wait(other.name()).state(), v1::OPERATION_STATE_SUCCEEDED);
  EXPECT_THAT(order, ElementsAre("part 0", "other", "part 1", "part 2"));
}

TEST_F(OperationManagerTest, ListsNoMoreThanAMessageHolds) {
  for (const char* id : {"1", "2", "3"}) {
    storage::v1::OperationRecord record;
    record.mutable_operation()->set_name(std::string("operations/") + id);
    record.mutable_operation()->set_state(v1::OPERATION_STATE_FAILED);
    record.mutable_operation()->mutable_error()->set_message(std::string(2 << 20, 'x'));
    ASSERT_TRUE(store_->PutOperation(id, record.SerializeAsString()).ok());
  }
  const auto page = manager_->List(100, "");
  ASSERT_TRUE(page.ok()) << page.status();
  ASSERT_EQ(page->operations_size(), 1);
  EXPECT_EQ(manager_->List(100, page->next_page_token())->operations(0).name(), "operations/2");
}

}  // namespace
}  // namespace homolog::operations
