// How requests become operations: shared ones, repeated ones, refused ones.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <future>
#include <string>
#include <vector>

#include "operation_manager_testing.h"

namespace homolog::operations {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class OperationRequestsTest : public OperationManagerTest {};

TEST_F(OperationRequestsTest, SharesOneOperationAmongEqualRequestsInFlight) {
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

TEST_F(OperationRequestsTest, SubmitsEqualRequestsOfManyThreadsOnce) {
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

TEST_F(OperationRequestsTest, StartsAnewForWhoAsksAgainAfterACancel) {
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

TEST_F(OperationRequestsTest, LeavesNothingOfWhatTheQueueHasNoRoomFor) {
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

TEST_F(OperationRequestsTest, DoesNotPromiseOneResultAndComputeAnother) {
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

TEST_F(OperationRequestsTest, RefusesWorkOnceTheWorkerHasStopped) {
  manager_->BeginShutdown();
  worker_->Stop();
  EXPECT_EQ(ErrorReason(manager_->Submit(QuickJob("a")).status()), "SHUTTING_DOWN");
  EXPECT_THAT(ListedNames(), IsEmpty());
}

TEST_F(OperationRequestsTest, AnswersAStoredResultWithTheOperationThatComputedIt) {
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

TEST_F(OperationRequestsTest, KeepsOneOperationForAStoredResultHoweverOftenItIsAskedFor) {
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

TEST_F(OperationRequestsTest, SeveralResultsAreAnotherQuestionThanTheFirstOfThem) {
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

TEST_F(OperationRequestsTest, GivesARetryTheOperationOfItsFirstRequestWhateverBecameOfThat) {
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

TEST_F(OperationRequestsTest, TellsRequestIdsOfClientsAndRequestsApart) {
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

TEST_F(OperationRequestsTest, RemembersTheRequestIdsOfAllWhoShareAnOperation) {
  const v1::Operation first = *manager_->Submit(LongJob("a"), Alice("one"));
  const v1::Operation joined = *manager_->Submit(LongJob("a"), {"token:bob", "two"});
  EXPECT_EQ(joined.name(), first.name());
  const auto found = manager_->FindRequest({"token:bob", "two"}, "correlation", "request of a");
  ASSERT_TRUE(found.ok() && found->has_value());
  EXPECT_EQ((*found)->name(), first.name());
  release_ = true;
}

TEST_F(OperationRequestsTest, TwoRequestsWithOneIdLeadToOneOperationHoweverCloseTheyAre) {
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

TEST_F(OperationRequestsTest, KnowsEachRequestOfASharedOperationByItsOwnWords) {
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

TEST_F(OperationRequestsTest, KnowsTheRequestIdsOfRecordsOfAFormerVersion) {
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

TEST_F(OperationRequestsTest, RefusesOneClientMoreThanItsShareAndTakesAnothers) {
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

}  // namespace
}  // namespace homolog::operations
