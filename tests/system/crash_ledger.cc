#include "tests/system/crash_ledger.h"

#include <algorithm>

#include "client/cpp/client.h"

namespace homolog::testing {

using client::HasEnded;

void CrashLedger::See(const v1::Operation& operation) {
  const std::lock_guard lock(mutex_);
  Operation& known = operations_[operation.name()];
  if (HasEnded(known.seen)) {
    if (HasEnded(operation) && operation.SerializeAsString() != known.seen.SerializeAsString()) {
      ++damaged_;
      Complain("an operation that had ended has changed: it was\n" + known.seen.DebugString() +
               "and is\n" + operation.DebugString());
    }
    return;
  }
  known.seen = operation;
  const bool may_be_cancelled = known.cancel_asked;
  if (operation.state() == v1::OPERATION_STATE_FAILED ||
      (operation.state() == v1::OPERATION_STATE_CANCELLED && !may_be_cancelled)) {
    Complain("an operation has ended as it should not:\n" + operation.DebugString());
  }
}

void CrashLedger::AskToCancel(const std::string& operation) {
  const std::lock_guard lock(mutex_);
  operations_[operation].cancel_asked = true;
}

void CrashLedger::AskToDelete(const std::string& operation) {
  const std::lock_guard lock(mutex_);
  operations_[operation].deletion_asked = true;
}

void CrashLedger::Deleted(const std::string& operation) {
  const std::lock_guard lock(mutex_);
  operations_[operation].deleted = true;
}

void CrashLedger::SeeResult(const std::string& name, const std::string& digest) {
  const std::lock_guard lock(mutex_);
  const auto [known, is_new] = results_.emplace(name, digest);
  if (is_new || known->second == digest) return;
  ++damaged_;
  Complain(name + " has changed: its digest was " + known->second + " and is " + digest);
}

void CrashLedger::Upload(const std::string& name, int64_t tokens) {
  const std::lock_guard lock(mutex_);
  uploads_[name] = tokens;
}

void CrashLedger::See(const v1::Dataset& dataset) {
  const std::lock_guard lock(mutex_);
  const auto upload = uploads_.find(dataset.name());
  if (upload == uploads_.end() || upload->second != dataset.token_count()) {
    ++damaged_;
    Complain("a data set that nobody uploaded so:\n" + dataset.DebugString());
  }
  const auto [known, is_new] = datasets_.emplace(dataset.name(), dataset);
  if (is_new || known->second.SerializeAsString() == dataset.SerializeAsString()) return;
  ++damaged_;
  Complain("a data set has changed: it was\n" + known->second.DebugString() + "and is\n" +
           dataset.DebugString());
}

void CrashLedger::Lost(const std::string& what) {
  const std::lock_guard lock(mutex_);
  ++lost_;
  Complain("lost: " + what);
}

void CrashLedger::Damaged(const std::string& what) {
  const std::lock_guard lock(mutex_);
  ++damaged_;
  Complain("damaged: " + what);
}

void CrashLedger::Unexpected(const std::string& what) {
  const std::lock_guard lock(mutex_);
  Complain("unexpected: " + what);
}

// With the lock held.
void CrashLedger::Complain(const std::string& what) { complaints_.push_back(what); }

std::map<std::string, CrashLedger::Operation> CrashLedger::operations() const {
  const std::lock_guard lock(mutex_);
  return operations_;
}

std::map<std::string, std::string> CrashLedger::results() const {
  const std::lock_guard lock(mutex_);
  return results_;
}

std::map<std::string, v1::Dataset> CrashLedger::datasets() const {
  const std::lock_guard lock(mutex_);
  return datasets_;
}

bool CrashLedger::MayBeDeleted(const std::string& operation) const {
  const std::lock_guard lock(mutex_);
  const auto known = operations_.find(operation);
  return known != operations_.end() && known->second.deletion_asked;
}

size_t CrashLedger::unended() const {
  const std::lock_guard lock(mutex_);
  return static_cast<size_t>(
      std::count_if(operations_.begin(), operations_.end(),
                    [](const auto& entry) { return !HasEnded(entry.second.seen); }));
}

size_t CrashLedger::acknowledged() const {
  const std::lock_guard lock(mutex_);
  return operations_.size();
}

int64_t CrashLedger::lost() const {
  const std::lock_guard lock(mutex_);
  return lost_;
}

int64_t CrashLedger::damaged() const {
  const std::lock_guard lock(mutex_);
  return damaged_;
}

std::vector<std::string> CrashLedger::complaints() const {
  const std::lock_guard lock(mutex_);
  return complaints_;
}

}  // namespace homolog::testing
