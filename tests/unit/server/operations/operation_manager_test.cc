#include "server/operations/operation_manager.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <future>
#include <memory>
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

TEST_F(OperationManagerTest, SharesOneOperationAmongEqualRequestsInFlight) {
  const v1::Operation first = Submit(LongJob("a"));
  const v1::Operation queued = Submit(LongJob("b"));
  EXPECT_EQ(Submit(LongJob("a")).name(), first.name());
  EXPECT_EQ(Submit(LongJob("b")).name(), queued.name());
  WaitUntilRunning();
  EXPECT_EQ(Submit(LongJob("a")).name(), first.name());
  EXPECT_THAT(ListedNames(), ElementsAre(first.name(), queued.name()));
  release_ = true;
  Wait(queued.name());
  EXPECT_NE(Submit(QuickJob("a")).name(), first.name());
}

TEST_F(OperationManagerTest, SubmitsEqualRequestsOfManyThreadsOnce) {
  const v1::Operation blocker = Submit(LongJob("blocker"));
  std::vector<std::future<std::string>> threads;
  for (int i = 0; i < 8; ++i) {
    threads.push_back(std::async(std::launch::async, [&] { return Submit(QuickJob("a")).name(); }));
  }
  std::vector<std::string> names;
  for (auto& thread : threads) names.push_back(thread.get());
  EXPECT_EQ(std::count(names.begin(), names.end(), names[0]), 8);
  release_ = true;
  Wait(names[0]);
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

TEST_F(OperationManagerTest, StartsAnewForWhoAsksAgainAfterACancel) {
  std::promise<void> entered, go_on;
  const v1::Operation first =
      Submit(MakeJob("a", [&](const std::string&, analysis::RunControl& control) {
        entered.set_value();
        go_on.get_future().wait();  // a long batch
        return control.Check();
      }));
  entered.get_future().wait();
  ASSERT_EQ(manager_->Cancel(first.name())->state(), v1::OPERATION_STATE_RUNNING);
  const v1::Operation second = Submit(QuickJob("a"));
  EXPECT_NE(second.name(), first.name());
  go_on.set_value();
  EXPECT_EQ(Wait(second.name()).state(), v1::OPERATION_STATE_SUCCEEDED);
  EXPECT_EQ(Wait(first.name()).state(), v1::OPERATION_STATE_CANCELLED);
}

TEST_F(OperationManagerTest, LeavesNothingOfWhatTheQueueHasNoRoomFor) {
  Stop();
  Start(/*queue_limit=*/1);
  const v1::Operation running = Submit(LongJob("a"));
  WaitUntilRunning();
  const v1::Operation queued = Submit(LongJob("b"));
  EXPECT_EQ(ErrorReason(manager_->Submit(LongJob("c")).status()), "QUEUE_FULL");
  EXPECT_THAT(ListedNames(), ElementsAre(running.name(), queued.name()));
  release_ = true;
  Wait(queued.name());
  EXPECT_EQ(Wait(Submit(QuickJob("c")).name()).state(), v1::OPERATION_STATE_SUCCEEDED);
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

TEST_F(OperationManagerTest, ResumesWhatAShutdownInterruptedAndWhatWaited) {
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

TEST_F(OperationManagerTest, FailsWhatCannotBePreparedAfterARestartWithTheReason) {
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

TEST_F(OperationManagerTest, ResumesMoreThanTheQueueHoldsNow) {
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

TEST_F(OperationManagerTest, DoesNotPromiseOneResultAndComputeAnother) {
  const v1::Operation operation = Submit(LongJob("a"));
  Stop();
  Start(10);
  // The inputs were replaced while the server was away: the same request means another result.
  ASSERT_TRUE(manager_
                  ->Resume([&](std::string_view, const std::string&) -> absl::StatusOr<Job> {
                    return LongJob("b");
                  })
                  .ok());
  const v1::Operation ended = Wait(operation.name());
  EXPECT_EQ(ended.state(), v1::OPERATION_STATE_FAILED);
  EXPECT_EQ(Reason(ended), "INPUTS_CHANGED");
}

TEST_F(OperationManagerTest, CancelsWhatWasResumed) {
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

TEST_F(OperationManagerTest, SkipsAStoredOperationThatCannotBeRead) {
  ASSERT_TRUE(store_->PutOperation("damaged", "\xff\xff").ok());
  EXPECT_EQ(ErrorReason(manager_->Get("operations/damaged").status()), "DAMAGED_OPERATION");
  ResumeNothing();
  EXPECT_EQ(Wait(Submit(QuickJob("a")).name()).state(), v1::OPERATION_STATE_SUCCEEDED);
}

TEST_F(OperationManagerTest, DeletesAStoredOperationThatCannotBeRead) {
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

TEST_F(OperationManagerTest, RefusesWorkOnceTheWorkerHasStopped) {
  manager_->BeginShutdown();
  worker_->Stop();
  EXPECT_EQ(ErrorReason(manager_->Submit(QuickJob("a")).status()), "SHUTTING_DOWN");
  EXPECT_THAT(ListedNames(), IsEmpty());
}

TEST_F(OperationManagerTest, AnswersAStoredResultWithTheOperationThatComputedIt) {
  const v1::Operation computed = Wait(Submit(QuickJob("a")).name());
  const auto known = manager_->Finished(QuickJob("a"));
  ASSERT_TRUE(known.ok()) << known.status();
  EXPECT_EQ(known->name(), computed.name());
  ASSERT_TRUE(manager_->Delete(computed.name()).ok());
  const auto made = manager_->Finished(QuickJob("a"));
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_NE(made->name(), computed.name());
  EXPECT_EQ(made->state(), v1::OPERATION_STATE_SUCCEEDED);
  EXPECT_EQ(made->result(), "correlations/a");
  EXPECT_EQ(manager_->Get(made->name())->state(), v1::OPERATION_STATE_SUCCEEDED);
}

TEST_F(OperationManagerTest, KeepsOneOperationForAStoredResultHoweverOftenItIsAskedFor) {
  const std::string name = manager_->Finished(QuickJob("a"))->name();
  EXPECT_EQ(manager_->Finished(QuickJob("a"))->name(), name);
  EXPECT_EQ(manager_->Finished(QuickJob("a"), Alice("one"))->name(), name);
  EXPECT_EQ(manager_->Finished(QuickJob("a"), Alice("two"))->name(), name);
  Stop();
  Start(10);
  ResumeNothing();
  EXPECT_EQ(manager_->Finished(QuickJob("a"))->name(), name);
  for (const char* id : {"one", "two"}) {
    const auto found = manager_->FindRequest(Alice(id), "correlation", "request of a");
    ASSERT_TRUE(found.ok() && found->has_value()) << found.status();
    EXPECT_EQ((*found)->name(), name);
  }
  EXPECT_THAT(ListedNames(), ElementsAre(name));
}

TEST_F(OperationManagerTest, SeveralResultsAreAnotherQuestionThanTheFirstOfThem) {
  Job several = QuickJob("a");
  several.results = {"correlations/a", "correlations/b"};
  const v1::Operation one = Wait(Submit(QuickJob("a")).name());
  EXPECT_TRUE(one.results().empty());
  // The operation that computed the first alone does not stand for both.
  const auto both = manager_->Finished(several);
  ASSERT_TRUE(both.ok()) << both.status();
  EXPECT_NE(both->name(), one.name());
  EXPECT_THAT(both->results(), ::testing::ElementsAre("correlations/a", "correlations/b"));
  const v1::Operation computed = Wait(Submit(several).name());
  EXPECT_THAT(computed.results(), ::testing::ElementsAre("correlations/a", "correlations/b"));
  EXPECT_EQ(manager_->Finished(several)->name(), computed.name());
}

TEST_F(OperationManagerTest, GivesARetryTheOperationOfItsFirstRequestWhateverBecameOfThat) {
  const Requester requester = Alice("1f0c");
  const v1::Operation first = *manager_->Submit(LongJob("a"), requester);
  EXPECT_EQ(first.client(), "token:alice");
  WaitUntilRunning();
  EXPECT_TRUE(manager_->Cancel(first.name()).ok());
  Wait(first.name());
  auto again = manager_->FindRequest(requester, "correlation", "request of a");
  ASSERT_TRUE(again.ok() && again->has_value()) << again.status();
  EXPECT_EQ((*again)->name(), first.name());
  EXPECT_EQ((*again)->state(), v1::OPERATION_STATE_CANCELLED);
  // Also after a restart, until the operation is forgotten.
  Stop();
  Start(10);
  ResumeNothing();
  again = manager_->FindRequest(requester, "correlation", "request of a");
  ASSERT_TRUE(again.ok() && again->has_value());
  EXPECT_EQ((*again)->name(), first.name());
  ASSERT_TRUE(manager_->Delete(first.name()).ok());
  EXPECT_FALSE(manager_->FindRequest(requester, "correlation", "request of a")->has_value());
}

TEST_F(OperationManagerTest, TellsRequestIdsOfClientsAndRequestsApart) {
  const v1::Operation first = *manager_->Submit(QuickJob("a"), Alice("id"));
  EXPECT_FALSE(manager_->FindRequest({"token:bob", "id"}, "correlation", "x")->has_value());
  const absl::Status reused =
      manager_->FindRequest(Alice("id"), "correlation", "request of b").status();
  EXPECT_EQ(ErrorReason(reused), "REQUEST_ID_REUSED");
  EXPECT_THAT(reused.ToString(), HasSubstr(first.name()));
  EXPECT_EQ(ErrorReason(manager_->FindRequest(Alice("../x"), "correlation", "x").status()),
            "INVALID_REQUEST_ID");
  EXPECT_EQ(
      ErrorReason(manager_->FindRequest(Alice(std::string(65, 'a')), "correlation", "x").status()),
      "INVALID_REQUEST_ID");
}

TEST_F(OperationManagerTest, RemembersTheRequestIdsOfAllWhoShareAnOperation) {
  const v1::Operation first = *manager_->Submit(LongJob("a"), Alice("one"));
  const v1::Operation joined = *manager_->Submit(LongJob("a"), {"token:bob", "two"});
  EXPECT_EQ(joined.name(), first.name());
  const auto found = manager_->FindRequest({"token:bob", "two"}, "correlation", "request of a");
  ASSERT_TRUE(found.ok() && found->has_value());
  EXPECT_EQ((*found)->name(), first.name());
  release_ = true;
}

TEST_F(OperationManagerTest, TwoRequestsWithOneIdLeadToOneOperationHoweverCloseTheyAre) {
  // As of two that were both looked for in vain before either was submitted.
  const std::string first = manager_->Submit(LongJob("a"), Alice("one"))->name();
  WaitUntilRunning();
  ASSERT_TRUE(manager_->Cancel(first).ok());
  Wait(first);
  EXPECT_EQ(manager_->Submit(LongJob("a"), Alice("one"))->name(), first);
  EXPECT_EQ(ErrorReason(manager_->Submit(LongJob("b"), Alice("one")).status()),
            "REQUEST_ID_REUSED");
  // Of results that are stored.
  const std::string stored = manager_->Finished(QuickJob("c"), Alice("two"))->name();
  EXPECT_EQ(manager_->Finished(QuickJob("c"), Alice("two"))->name(), stored);
  EXPECT_EQ(ErrorReason(manager_->Finished(QuickJob("d"), Alice("two")).status()),
            "REQUEST_ID_REUSED");
}

TEST_F(OperationManagerTest, KnowsEachRequestOfASharedOperationByItsOwnWords) {
  Job spelled = LongJob("a");
  spelled.request = "the same request, spelled otherwise";
  const v1::Operation first = *manager_->Submit(LongJob("a"), Alice("one"));
  EXPECT_EQ(manager_->Submit(spelled, Alice("two"))->name(), first.name());
  EXPECT_EQ(ErrorReason(manager_->Submit(spelled, Alice("one")).status()), "REQUEST_ID_REUSED");
  release_ = true;
  Wait(first.name());
  for (int restart = 0; restart < 2; ++restart) {
    EXPECT_TRUE(manager_->FindRequest(Alice("one"), "correlation", "request of a")->has_value());
    EXPECT_TRUE(manager_->FindRequest(Alice("two"), "correlation", spelled.request)->has_value());
    EXPECT_EQ(
        ErrorReason(manager_->FindRequest(Alice("two"), "correlation", "request of a").status()),
        "REQUEST_ID_REUSED");
    Stop();
    Start(10);
    ResumeNothing();
  }
}

TEST_F(OperationManagerTest, KnowsTheRequestIdsOfRecordsOfAFormerVersion) {
  storage::v1::OperationRecord record;
  record.mutable_operation()->set_name("operations/0a");
  record.mutable_operation()->set_kind("correlation");
  record.mutable_operation()->set_state(v1::OPERATION_STATE_SUCCEEDED);
  record.set_request("request of a");
  record.add_request_ids("token:alice/one");
  ASSERT_TRUE(store_->PutOperation("0a", record.SerializeAsString()).ok());
  ResumeNothing();
  EXPECT_TRUE(manager_->FindRequest(Alice("one"), "correlation", "request of a")->has_value());
  EXPECT_FALSE(manager_->FindRequest(Alice("one"), "correlation", "another").ok());
}

TEST_F(OperationManagerTest, RefusesOneClientMoreThanItsShareAndTakesAnothers) {
  Stop();
  OperationManager::Options options;
  options.operations_per_client = 2;
  Start(10, options);
  ASSERT_TRUE(manager_->Submit(LongJob("a"), Alice("")).ok());
  ASSERT_TRUE(manager_->Submit(LongJob("b"), Alice("")).ok());
  const absl::Status refused = manager_->Submit(LongJob("c"), Alice("")).status();
  EXPECT_EQ(ErrorReason(refused), "CLIENT_QUEUE_FULL");
  EXPECT_TRUE(RetryDelay(refused).has_value());
  EXPECT_TRUE(manager_->Submit(LongJob("a"), Alice("")).ok()) << "the same one is no new one";
  EXPECT_TRUE(manager_->Submit(LongJob("c"), {"token:bob", ""}).ok());
  WaitUntilRunning();
  EXPECT_EQ(manager_->counts().running, 1);
  EXPECT_EQ(manager_->counts().queued, 2);
  release_ = true;
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

TEST_F(OperationManagerTest, GivesUpWhatEndsTheServerAgainAndAgain) {
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

TEST_F(OperationManagerTest, WhatWasMetByAKillLetsOthersGoFirst) {
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

TEST_F(OperationManagerTest, CountsNoShutdownAndNoLastingProgressAsAnAttempt) {
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

TEST_F(OperationManagerTest, ACancellationThatWasAcknowledgedHoldsAfterACrash) {
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

TEST_F(OperationManagerTest, LeavesAnOperationAsItIsWhereTheDeviceIsLost) {
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

TEST_F(OperationManagerTest, WhatIsResumedWaitsAsIfItHadNotBegun) {
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
