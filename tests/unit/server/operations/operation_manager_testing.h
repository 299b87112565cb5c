// A manager with a store on a disk that fails on demand, and jobs for it.
#ifndef HOMOLOG_TESTS_UNIT_SERVER_OPERATIONS_OPERATION_MANAGER_TESTING_H_
#define HOMOLOG_TESTS_UNIT_SERVER_OPERATIONS_OPERATION_MANAGER_TESTING_H_

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/error.h"
#include "server/operations/operation_manager.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/temporary_folder.h"

namespace homolog::operations {

// The request ids of tests belong to alice.
inline Requester Alice(const std::string& request_id) { return {"token:alice", request_id}; }

class OperationManagerTest : public ::testing::Test {
 protected:
  OperationManagerTest() { Start(/*queue_limit=*/10); }
  ~OperationManagerTest() override { Stop(); }

  void Start(size_t queue_limit, OperationManager::Options options = {}) {
    store::StoreOptions store_options;
    store_options.env = env_.get();
    store_ = *store::Store::Open((folder_ / "store").string(), store_options);
    worker_ = std::make_unique<DeviceWorker>(queue_limit, [] {});
    manager_ = std::make_unique<OperationManager>(
        store_.get(), worker_.get(),
        [this](const v1::Operation& operation) {
          const std::lock_guard lock(mutex_);
          ended_.push_back(operation);
        },
        [this](int64_t tokens) { tokens_ += tokens; }, std::move(options));
  }
  // As the server does it.
  void Stop() {
    manager_->BeginShutdown();
    worker_->Stop();
    manager_.reset();
    worker_.reset();
    store_.reset();
  }

  // After a restart that left nothing to be done.
  void ResumeNothing() {
    ASSERT_TRUE(manager_
                    ->Resume([](std::string_view, const std::string&) -> absl::StatusOr<Job> {
                      ADD_FAILURE() << "nothing is to be resumed";
                      return absl::InternalError("");
                    })
                    .ok());
  }

  // A job whose result is `result`.
  Job MakeJob(const std::string& result, decltype(Job::run) run) {
    return {.kind = "correlation",
            .result = "correlations/" + result,
            .results = {},
            .request = "request of " + result,
            .run = std::move(run),
            .hold = nullptr};
  }
  Job QuickJob(const std::string& result) {
    return MakeJob(result,
                   [](const std::string&, analysis::RunControl&) { return absl::OkStatus(); });
  }
  // A job that runs until it is told to stop, as a long analysis does.
  Job LongJob(const std::string& result) {
    return MakeJob(result, [this](const std::string&, analysis::RunControl& control) {
      ++running_;
      absl::Status status;
      while (status.ok()) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        status = release_ ? absl::OkStatus() : control.Check();
        if (release_) break;
      }
      --running_;
      return status;
    });
  }
  v1::Operation Submit(Job job) {
    auto operation = manager_->Submit(std::move(job));
    EXPECT_TRUE(operation.ok()) << operation.status();
    return operation.ok() ? *std::move(operation) : v1::Operation();
  }
  v1::Operation Wait(const std::string& name) {
    while (true) {
      auto operation = manager_->Get(name);
      if (!operation.ok()) {
        ADD_FAILURE() << operation.status();
        return {};
      }
      if (HasEnded(*operation)) return *std::move(operation);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  void WaitUntilRunning() {
    while (running_ == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  // The observer is told last, a moment after the end can be seen.
  std::vector<v1::Operation> WaitForEnded(size_t count) {
    while (true) {
      {
        const std::lock_guard lock(mutex_);
        if (ended_.size() >= count) return ended_;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  static std::string Reason(const v1::Operation& operation) {
    return ErrorReason(ParseError(operation.error().SerializeAsString()));
  }
  std::vector<std::string> ListedNames() {
    const auto page = manager_->List(100, "");
    std::vector<std::string> names;
    for (const v1::Operation& operation : page->operations()) names.push_back(operation.name());
    return names;
  }

  testing::TemporaryFolder folder_;
  testing::Faults faults_;
  std::unique_ptr<rocksdb::Env> env_ =
      rocksdb::NewCompositeEnv(std::make_shared<testing::FaultyFileSystem>(&faults_));
  std::mutex mutex_;
  std::vector<v1::Operation> ended_;
  std::atomic<int64_t> tokens_ = 0;
  std::atomic<int> running_ = 0;
  std::atomic<bool> release_ = false;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<DeviceWorker> worker_;
  std::unique_ptr<OperationManager> manager_;
};

}  // namespace homolog::operations

#endif  // HOMOLOG_TESTS_UNIT_SERVER_OPERATIONS_OPERATION_MANAGER_TESTING_H_
