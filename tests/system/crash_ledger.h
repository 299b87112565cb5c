// What the clients of the crash test were told by the server, and may rely on from then on.
#ifndef HOMOLOG_TESTS_SYSTEM_CRASH_LEDGER_H_
#define HOMOLOG_TESTS_SYSTEM_CRASH_LEDGER_H_

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "homolog/v1/dataset.pb.h"
#include "homolog/v1/operation.pb.h"

namespace homolog::testing {

// Compares everything that it is told with what it was told before, and keeps what contradicts.
//
// Thread-safety: all methods may be called from any thread.
class CrashLedger {
 public:
  struct Operation {
    v1::Operation seen;  // as last seen; once ended, it must not change by a bit
    bool cancel_asked = false, deletion_asked = false, deleted = false;
  };

  // The server has shown this operation. Before it ends, a late answer may show an earlier state.
  void See(const v1::Operation& operation);
  void AskToCancel(const std::string& operation);
  void AskToDelete(const std::string& operation);
  void Deleted(const std::string& operation);

  // The server has given the result with this digest.
  void SeeResult(const std::string& name, const std::string& digest);

  // A data set of so many tokens is about to be uploaded; and the server has shown it.
  void Upload(const std::string& name, int64_t tokens);
  void See(const v1::Dataset& dataset);

  // What the server should know is not there; what it shows is not what it was; what it answered
  // while it was alive is no answer that it may give.
  void Lost(const std::string& what);
  void Damaged(const std::string& what);
  void Unexpected(const std::string& what);

  std::map<std::string, Operation> operations() const;
  std::map<std::string, std::string> results() const;  // digest by name
  std::map<std::string, v1::Dataset> datasets() const;
  // True where someone has asked to delete the operation.
  bool MayBeDeleted(const std::string& operation) const;
  // Operations that have not been seen to end.
  size_t unended() const;
  size_t acknowledged() const;
  int64_t lost() const;
  int64_t damaged() const;
  // Everything that must not be, in words.
  std::vector<std::string> complaints() const;

 private:
  void Complain(const std::string& what);

  mutable std::mutex mutex_;
  std::map<std::string, Operation> operations_;
  std::map<std::string, std::string> results_;
  std::map<std::string, int64_t> uploads_;  // tokens by name
  std::map<std::string, v1::Dataset> datasets_;
  int64_t lost_ = 0, damaged_ = 0;
  std::vector<std::string> complaints_;
};

}  // namespace homolog::testing

#endif  // HOMOLOG_TESTS_SYSTEM_CRASH_LEDGER_H_
