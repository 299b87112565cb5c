#include "server/operations/device_worker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/error.h"

namespace homolog::operations {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Holds the worker up until it is opened.
class Gate {
 public:
  DeviceWorker::Task Task() {
    return [this] {
      entered_.set_value();
      opened_.get_future().wait();
    };
  }
  void WaitUntilEntered() { entered_.get_future().wait(); }
  void Open() { opened_.set_value(); }

 private:
  std::promise<void> entered_, opened_;
};

TEST(DeviceWorkerTest, RunsTasksOneAfterAnotherInOrderOnOneThread) {
  std::vector<int> order;
  std::vector<std::thread::id> threads;
  std::promise<void> done;
  DeviceWorker worker(10, [&] { threads.push_back(std::this_thread::get_id()); });
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(worker
                    .Post("",
                          [&, i] {
                            order.push_back(i);
                            threads.push_back(std::this_thread::get_id());
                            if (i == 4) done.set_value();
                          })
                    .ok());
  }
  done.get_future().wait();
  worker.Stop();
  EXPECT_THAT(order, ElementsAre(0, 1, 2, 3, 4));
  EXPECT_EQ(std::count(threads.begin(), threads.end(), threads[0]), 6);
  EXPECT_NE(threads[0], std::this_thread::get_id());
}

TEST(DeviceWorkerTest, RefusesMoreThanTheQueueHoldsUnlessItWasAcceptedBefore) {
  Gate gate;
  DeviceWorker worker(2, [] {});
  ASSERT_TRUE(worker.Post("", gate.Task()).ok());
  gate.WaitUntilEntered();  // runs: does not count
  EXPECT_EQ(worker.queue_depth(), 0u);
  EXPECT_TRUE(worker.Post("", [] {}).ok());
  EXPECT_TRUE(worker.Post("", [] {}).ok());
  const absl::Status refused = worker.Post("", [] {});
  EXPECT_EQ(ErrorReason(refused), "QUEUE_FULL");
  EXPECT_TRUE(absl::IsResourceExhausted(refused));
  EXPECT_THAT(std::string(refused.message()), HasSubstr("2 of 2"));
  std::promise<void> ran;
  EXPECT_TRUE(worker.PostAccepted("", [&] { ran.set_value(); }).ok());
  EXPECT_EQ(worker.queue_depth(), 3u);
  gate.Open();
  ran.get_future().wait();
  EXPECT_TRUE(worker.Post("", [] {}).ok());
}

TEST(DeviceWorkerTest, StopLetsTheRunningTaskFinishAndDestroysThoseThatWait) {
  Gate gate;
  DeviceWorker worker(10, [] {});
  bool finished = false, ran = false;
  ASSERT_TRUE(worker
                  .Post("",
                        [&, enter = gate.Task()] {
                          enter();
                          finished = true;
                        })
                  .ok());
  gate.WaitUntilEntered();
  // As the tasks of a streaming call do, it says in its destructor that it was dropped, and tries
  // to go on.
  absl::Status at_destruction;
  auto token =
      std::shared_ptr<void>(nullptr, [&](void*) { at_destruction = worker.Post("", [] {}); });
  ASSERT_TRUE(worker.Post("", [&ran, token = std::move(token)] { ran = true; }).ok());
  auto stopped = std::async(std::launch::async, [&] { worker.Stop(); });
  while (ErrorReason(worker.PostAccepted("", [] {})) != "SHUTTING_DOWN") std::this_thread::yield();
  EXPECT_FALSE(finished);
  gate.Open();
  stopped.get();
  EXPECT_TRUE(finished);
  EXPECT_FALSE(ran);
  EXPECT_EQ(ErrorReason(at_destruction), "SHUTTING_DOWN");
  EXPECT_EQ(worker.queue_depth(), 0u);
}

TEST(DeviceWorkerTest, RefusesTasksAfterStop) {
  DeviceWorker worker(10, [] {});
  worker.Stop();
  worker.Stop();
  const absl::Status status = worker.Post("", [] { FAIL(); });
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_EQ(ErrorReason(status), "SHUTTING_DOWN");
}

TEST(DeviceWorkerTest, StopsForSeveralWhoAskAtOnce) {
  for (int i = 0; i < 50; ++i) {
    DeviceWorker worker(10, [] {});
    auto one = std::async(std::launch::async, [&] { worker.Stop(); });
    auto other = std::async(std::launch::async, [&] { worker.Stop(); });
    one.get();
    other.get();
  }
}

TEST(DeviceWorkerTest, LetsClientsTakeTurns) {
  DeviceWorker worker(100, [] {});
  std::promise<void> began, go_on;
  ASSERT_TRUE(worker
                  .Post("first",
                        [&] {
                          began.set_value();
                          go_on.get_future().wait();
                        })
                  .ok());
  began.get_future().wait();
  std::vector<std::string> order;
  std::promise<void> done;
  for (int i = 0; i < 100 - 3; ++i) {
    ASSERT_TRUE(worker.Post("greedy", [&] { order.push_back("greedy"); }).ok());
  }
  for (const std::string client : {"a", "b"}) {
    ASSERT_TRUE(worker.Post(client, [&order, client] { order.push_back(client); }).ok());
  }
  ASSERT_TRUE(worker.Post("greedy", [&] { done.set_value(); }).ok());
  EXPECT_TRUE(worker.OthersWait("greedy"));
  EXPECT_TRUE(worker.OthersWait("a"));
  go_on.set_value();
  done.get_future().wait();
  ASSERT_GE(order.size(), 4U);
  EXPECT_THAT(std::vector(order.begin(), order.begin() + 4),
              ::testing::ElementsAre("greedy", "a", "b", "greedy"));
  EXPECT_FALSE(worker.OthersWait("greedy"));
}

TEST(DeviceWorkerTest, RunsShortTasksInTheMidstOfALongOneThatLetsThem) {
  DeviceWorker worker(100, [] {});
  std::promise<void> began, go_on, done;
  std::vector<std::string> order;
  ASSERT_TRUE(worker
                  .Post("long",
                        [&] {
                          began.set_value();
                          go_on.get_future().wait();
                          order.push_back("batch 1");
                          worker.RunShort();
                          order.push_back("batch 2");
                          worker.RunShort();
                          worker.RunShort();
                          order.push_back("end");
                        })
                  .ok());
  began.get_future().wait();
  ASSERT_TRUE(worker.Post("other", [&] { done.set_value(); }).ok());
  for (const std::string client : {"a", "a", "b"}) {
    ASSERT_TRUE(worker.PostShort(client, [&order, client] { order.push_back(client); }).ok());
  }
  EXPECT_EQ(worker.queue_depth(), 4U);
  go_on.set_value();
  done.get_future().wait();
  EXPECT_THAT(order, ::testing::ElementsAre("batch 1", "a", "batch 2", "b", "a", "end"));
}

TEST(DeviceWorkerTest, LetsShortAndLongTasksTakeTurns) {
  Gate gate;
  std::string order;
  std::promise<void> done;
  DeviceWorker worker(20, [] {});
  ASSERT_TRUE(worker.Post("", gate.Task()).ok());
  gate.WaitUntilEntered();
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(worker.PostShort("a", [&] { order += 's'; }).ok());
    ASSERT_TRUE(worker.Post("b", [&] { order += 'l'; }).ok());
  }
  ASSERT_TRUE(worker.Post("b", [&] { done.set_value(); }).ok());
  gate.Open();
  done.get_future().wait();
  EXPECT_EQ(order, "slslsl");
}

TEST(DeviceWorkerTest, DropsTheTasksOfANameThatWait) {
  Gate gate;
  std::string order;
  std::promise<void> done;
  const auto alive = std::make_shared<int>(0);
  DeviceWorker worker(3, [] {});
  ASSERT_TRUE(worker.Post("", gate.Task()).ok());
  gate.WaitUntilEntered();
  ASSERT_TRUE(worker
                  .Post(
                      "a", [&, alive] { order += 'x'; }, "x")
                  .ok());
  ASSERT_TRUE(worker
                  .Post(
                      "a", [&] { order += 'y'; }, "y")
                  .ok());
  ASSERT_TRUE(worker
                  .Post(
                      "b", [&] { order += 'x'; }, "x")
                  .ok());
  EXPECT_FALSE(worker.Post("a", [] {}).ok());
  worker.Drop("a", "x");
  worker.Drop("a", "none");
  worker.Drop("nobody", "x");
  EXPECT_EQ(alive.use_count(), 1);
  EXPECT_EQ(worker.queue_depth(), 2u);
  ASSERT_TRUE(worker.Post("a", [&] { done.set_value(); }).ok());
  gate.Open();
  done.get_future().wait();
  EXPECT_EQ(order, "yx");
}

TEST(DeviceWorkerTest, SaysWhenToTryAgainWhereTheQueueIsFull) {
  DeviceWorker worker(1, [] {});
  std::promise<void> go_on;
  absl::Status status;
  const std::shared_future<void> released = go_on.get_future().share();
  while (status.ok()) status = worker.Post("", [released] { released.wait(); });
  EXPECT_EQ(ErrorReason(status), "QUEUE_FULL");
  EXPECT_EQ(RetryDelay(status), std::chrono::seconds(10));
  go_on.set_value();
}

TEST(DeviceWorkerTest, TakesTasksFromManyThreads) {
  int ran = 0;  // one thread counts
  {
    DeviceWorker worker(1000, [] {});
    std::vector<std::future<void>> threads;
    for (int t = 0; t < 4; ++t) {
      threads.push_back(std::async(std::launch::async, [&] {
        for (int i = 0; i < 100; ++i) EXPECT_TRUE(worker.Post("", [&] { ++ran; }).ok());
      }));
    }
    for (auto& thread : threads) thread.get();
    std::promise<void> last;
    ASSERT_TRUE(worker.Post("", [&] { last.set_value(); }).ok());
    last.get_future().wait();
  }
  EXPECT_EQ(ran, 400);
}

}  // namespace
}  // namespace homolog::operations
