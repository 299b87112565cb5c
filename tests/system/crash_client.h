// One of the clients of the crash test.
#ifndef HOMOLOG_TESTS_SYSTEM_CRASH_CLIENT_H_
#define HOMOLOG_TESTS_SYSTEM_CRASH_CLIENT_H_

#include <atomic>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/cpp/client.h"
#include "tests/system/crash_ledger.h"

namespace homolog::testing {

// Models and steps of the repository that the clients ask about.
inline const std::vector<std::string> kCrashModels = {"a", "b", "c"};
inline const std::vector<std::string> kCrashSteps = {"1", "2"};

// Uploads `tokens` bytes of text drawn from `seed` as datasets/`id`, and tells the ledger.
absl::Status UploadText(client::Connection& connection, CrashLedger& ledger, const std::string& id,
                        int64_t tokens, uint64_t seed);

// Asks the server for whatever clients ask for, and tells the ledger what it answers.
//
// Thread-safety: one thread at a time; the ledger is shared.
class CrashClient {
 public:
  // `name` is a part of the names of its data sets. `killed` becomes true before the server is
  // killed: from then on an error means nothing.
  CrashClient(std::shared_ptr<client::Connection> connection, CrashLedger& ledger,
              const std::atomic<bool>& killed, std::string name, uint64_t seed);

  // Until the server is killed.
  void Run();

 private:
  void Act();
  void Compute();
  void Ablate();
  void Study();
  void CreateDataset();
  void Look();
  void Wait();
  void Cancel();
  void Delete();
  void CheckResult();
  void Query();

  // Hears what the server answered to `what`. Returns true where it is OK.
  bool Accept(const std::string& what, const absl::Status& status);
  void AcceptStarted(const std::string& what, const absl::StatusOr<v1::Operation>& operation);
  // Tells the ledger, with the results of one that succeeded.
  void See(const v1::Operation& operation);
  // What the server says of an operation; another client may have deleted it.
  void SeeUnlessDeleted(const std::string& call, const std::string& name,
                        const absl::StatusOr<v1::Operation>& operation);
  // The name of an operation that has ended, or has not; "" where there is none.
  std::string DrawOperation(bool ended);
  std::string DrawResult(const std::string& collection);
  std::string DrawDataset();
  std::string DrawCheckpoint();
  uint64_t Random(uint64_t limit) { return random_() % limit; }

  const std::shared_ptr<client::Connection> connection_;
  client::Client client_;
  CrashLedger& ledger_;
  const std::atomic<bool>& killed_;
  const std::string name_;
  std::mt19937_64 random_;
  int created_ = 0;
};

}  // namespace homolog::testing

#endif  // HOMOLOG_TESTS_SYSTEM_CRASH_CLIENT_H_
