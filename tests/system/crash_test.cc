// homologd under load, killed (SIGKILL) again and again: nothing that it acknowledged may be lost,
// and nothing that it has shown may change. HOMOLOG_CRASH_KILLS says how often (5),
// HOMOLOG_CRASH_SEED draws what the clients do and when it is killed (1).

#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <set>
#include <thread>

#include "client/cpp/connect.h"
#include "common/enum_text.h"
#include "tests/support/tiny_model.h"
#include "tests/system/binaries.h"
#include "tests/system/crash_client.h"
#include "tests/system/crash_ledger.h"
#include "tests/system/crash_results.h"

namespace homolog::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr int kClients = 4;
constexpr uint64_t kShortestLifeMs = 200, kLongestLifeMs = 4000;
// One of so many times it is killed once more while it starts.
constexpr uint64_t kKillStartingEvery = 4;
// A machine that builds beside this test is slow; one that does not move for so long is stuck.
constexpr auto kStuck = std::chrono::minutes(10);
constexpr size_t kShownComplaints = 20;

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

double Seconds(steady_clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

class CrashTest : public ::testing::Test {
 protected:
  CrashTest() {
    for (size_t model = 0; model < kCrashModels.size(); ++model) {
      for (size_t step = 0; step < kCrashSteps.size(); ++step) {
        WriteTinyModel(
            folder_ / "models" / kCrashModels[model] / kCrashSteps[step],
            {.layers = 2, .d_model = 32, .d_mlp = 128, .context = 64, .seed = 10 * model + step});
      }
    }
  }

  // Starts the server, perhaps kills it while it starts, and connects.
  void Start();
  // Lets clients work until the server is killed.
  void LoadAndKill(int round);
  // Compares all that the server shows with the ledger.
  void Check();
  void CheckOperations(client::Client& client);
  void CheckDatasets(client::Client& client);
  void CheckResults(client::Client& client);
  // Until every operation has ended by itself.
  void Finish();
  void Report(steady_clock::duration duration) const;

  std::shared_ptr<client::Connection> Connect() const {
    return client::Connect("127.0.0.1:" + std::to_string(server_->port())).value();
  }

  const uint64_t kills_ = FromEnvironment("HOMOLOG_CRASH_KILLS", 5);
  const uint64_t seed_ = FromEnvironment("HOMOLOG_CRASH_SEED", 1);
  std::mt19937_64 random_{seed_};
  TemporaryFolder folder_;
  CrashLedger ledger_;
  std::unique_ptr<ServerProcess> server_;
  std::vector<double> restarts_;  // seconds from the start of the process to its first answer
  uint64_t killed_ = 0, killed_starting_ = 0;
  int64_t results_checked_ = 0;
};

void CrashTest::Start() {
  if (killed_ > 0 && random_() % kKillStartingEvery == 0) {
    server_ = std::make_unique<ServerProcess>(folder_);
    // Before, while and shortly after it resumes what it found.
    const double share = static_cast<double>(random_() % 150) / 100;
    std::this_thread::sleep_for(std::chrono::duration<double>(share * restarts_.back()));
    server_->process().Signal(SIGKILL);
    server_->process().Wait();
    ++killed_starting_;
  }
  const auto start = steady_clock::now();
  server_ = std::make_unique<ServerProcess>(folder_);
  server_->WaitUntilReady();
  const auto first = client::Client(Connect()).ListDatasets();
  ASSERT_TRUE(first.ok()) << first.status() << server_->Log();
  restarts_.push_back(Seconds(steady_clock::now() - start));
}

void CrashTest::LoadAndKill(int round) {
  std::atomic<bool> killed = false;
  std::vector<std::thread> threads;
  for (int i = 0; i < kClients; ++i) {
    const std::string name = "r" + std::to_string(round) + "-c" + std::to_string(i);
    threads.emplace_back([this, &killed, name, seed = random_()] {
      CrashClient(Connect(), ledger_, killed, name, seed).Run();
    });
  }
  std::this_thread::sleep_for(
      milliseconds(kShortestLifeMs + random_() % (kLongestLifeMs - kShortestLifeMs)));
  EXPECT_TRUE(server_->process().Running()) << server_->Log();
  killed = true;
  server_->process().Signal(SIGKILL);
  server_->process().Wait();
  ++killed_;
  for (std::thread& thread : threads) thread.join();
}

void CrashTest::CheckOperations(client::Client& client) {
  const auto list = client.ListOperations();
  ASSERT_TRUE(list.ok()) << list.status();
  std::map<std::string, v1::Operation> shown;
  for (const v1::Operation& operation : list->operations()) shown[operation.name()] = operation;
  for (const auto& [name, known] : ledger_.operations()) {
    const auto found = shown.find(name);
    if (found == shown.end()) {
      // A deletion that was under way may have happened.
      known.deletion_asked ? ledger_.Deleted(name) : ledger_.Lost(name);
      continue;
    }
    if (known.deleted) ledger_.Damaged(name + " was deleted and is there again");
    if (client::HasEnded(known.seen) && !client::HasEnded(found->second)) {
      ledger_.Damaged(name + " had ended and has not:\n" + found->second.DebugString());
    }
  }
  // With those whose acknowledgement never reached a client: they, too, must end well.
  for (const auto& [name, operation] : shown) ledger_.See(operation);
}

void CrashTest::CheckDatasets(client::Client& client) {
  const auto list = client.ListDatasets();
  ASSERT_TRUE(list.ok()) << list.status();
  std::map<std::string, v1::Dataset> shown;
  for (const v1::Dataset& dataset : list->datasets()) shown[dataset.name()] = dataset;
  for (const auto& [name, known] : ledger_.datasets()) {
    if (!shown.contains(name)) ledger_.Lost(name);
  }
  for (const auto& [name, dataset] : shown) ledger_.See(dataset);
}

void CrashTest::CheckResults(client::Client& client) {
  std::set<std::string> results;  // of deleted operations, too
  for (const auto& [name, digest] : ledger_.results()) results.insert(name);
  for (const auto& [name, operation] : ledger_.operations()) {
    for (const std::string& result : ResultsOf(operation.seen)) results.insert(result);
  }
  for (const std::string& result : results) {
    const absl::StatusOr<std::string> digest = DigestOfResult(client, result);
    digest.ok() ? ledger_.SeeResult(result, *digest)
                : ledger_.Lost(result + ": " + digest.status().ToString());
    ++results_checked_;
  }
}

void CrashTest::Check() {
  client::Client client(Connect());
  CheckOperations(client);
  CheckDatasets(client);
  CheckResults(client);
  ASSERT_TRUE(ledger_.complaints().empty()) << server_->Log();
}

void CrashTest::Finish() {
  client::Client client(Connect());
  size_t left = ledger_.unended();
  auto moved = steady_clock::now();
  while (left > 0) {
    std::this_thread::sleep_for(milliseconds(200));
    CheckOperations(client);
    if (ledger_.unended() < left) moved = steady_clock::now();
    left = ledger_.unended();
    ASSERT_LT(steady_clock::now() - moved, kStuck)
        << left << " operations do not end; " << server_->Log();
  }
}

void CrashTest::Report(steady_clock::duration duration) const {
  std::map<std::string, int> ended;
  for (const auto& [name, operation] : ledger_.operations()) {
    const bool undone =
        operation.cancel_asked && operation.seen.state() == v1::OPERATION_STATE_SUCCEEDED;
    ++ended[operation.deleted ? "deleted"
            : undone          ? "succeeded though cancelled"
                              : EnumText(operation.seen.state())];
  }
  std::vector<double> restarts = restarts_;
  std::sort(restarts.begin(), restarts.end());
  std::cout << "kills " << killed_ << " (and " << killed_starting_ << " while starting), seed "
            << seed_ << ", " << Seconds(duration) << " s\noperations acknowledged "
            << ledger_.acknowledged() << ":";
  for (const auto& [state, count] : ended) std::cout << " " << count << " " << state << ",";
  std::cout << " data sets " << ledger_.datasets().size() << ", results "
            << ledger_.results().size() << ", checked " << results_checked_ << " times\nlost "
            << ledger_.lost() << ", damaged " << ledger_.damaged() << "\nrestart p50 "
            << restarts[restarts.size() / 2] << " s, max " << restarts.back() << " s" << std::endl;
  const std::vector<std::string> complaints = ledger_.complaints();
  for (size_t i = 0; i < std::min(kShownComplaints, complaints.size()); ++i) {
    std::cout << complaints[i] << std::endl;
  }
}

TEST_F(CrashTest, LosesNothingThatItAcknowledged) {
  const auto start = steady_clock::now();
  ASSERT_NO_FATAL_FAILURE(Start());
  for (const int64_t tokens : {2'000, 8'000, 30'000}) {
    const absl::Status status = UploadText(*Connect(), ledger_, "base" + std::to_string(tokens),
                                           tokens, static_cast<uint64_t>(tokens));
    ASSERT_TRUE(status.ok()) << status;
  }
  while (killed_ < kills_ && !HasFatalFailure()) {
    LoadAndKill(static_cast<int>(killed_));
    const auto dead = steady_clock::now();
    ASSERT_NO_FATAL_FAILURE(Start());
    Check();
    std::cout << "kill " << killed_ << ": restarted in " << restarts_.back() << " s, checked after "
              << Seconds(steady_clock::now() - dead) << " s, " << ledger_.acknowledged()
              << " operations, " << ledger_.unended() << " of them not ended, "
              << ledger_.results().size() << " results" << std::endl;
  }
  if (!HasFatalFailure()) Finish();
  if (!HasFatalFailure()) Check();
  Report(steady_clock::now() - start);
  EXPECT_TRUE(ledger_.complaints().empty());
}

}  // namespace
}  // namespace homolog::testing
