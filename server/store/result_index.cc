#include "server/store/result_index.h"

#include <chrono>
#include <utility>

namespace homolog::store {
namespace {

int64_t NowSeconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

void ResultIndex::Load(const std::string& key, int64_t bytes, int64_t used_seconds) {
  const std::lock_guard lock(mutex_);
  entries_[key] = {bytes, 0, used_seconds, false};
  loaded_.emplace(used_seconds, key);
  bytes_ += bytes;
}

void ResultIndex::Use(const std::string& key, Entry& entry) {
  if (entry.tick == 0) {
    loaded_.erase({entry.used_seconds, key});
  } else {
    by_tick_.erase(entry.tick);
  }
  entry.tick = ++last_tick_;
  entry.used_seconds = NowSeconds();
  entry.unsaved = true;
  by_tick_.emplace(entry.tick, key);
}

void ResultIndex::Put(const std::string& key, int64_t bytes) {
  const std::lock_guard lock(mutex_);
  Entry& entry = entries_[key];
  bytes_ += bytes - entry.bytes;
  entry.bytes = bytes;
  Use(key, entry);
}

bool ResultIndex::Touch(const std::string& key) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(key);
  if (found == entries_.end()) return false;
  Use(key, found->second);
  return true;
}

bool ResultIndex::Has(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  return entries_.count(key) > 0;
}

void ResultIndex::Remove(const std::string& key) {
  const std::lock_guard lock(mutex_);
  RemoveLocked(key);
}

void ResultIndex::RemoveLocked(const std::string& key) {
  const auto found = entries_.find(key);
  if (found == entries_.end()) return;
  bytes_ -= found->second.bytes;
  by_tick_.erase(found->second.tick);
  loaded_.erase({found->second.used_seconds, key});
  entries_.erase(found);
}

uint64_t ResultIndex::BeginHold() {
  const std::lock_guard lock(mutex_);
  holds_.insert(last_tick_ + 1);
  return last_tick_ + 1;
}

void ResultIndex::EndHold(uint64_t hold) {
  const std::lock_guard lock(mutex_);
  holds_.erase(holds_.find(hold));
}

const std::string* ResultIndex::OldestFree() const {
  if (!loaded_.empty()) return &loaded_.begin()->second;
  if (by_tick_.empty()) return nullptr;
  const auto& [tick, key] = *by_tick_.begin();
  // The newest one stays, however large it is: it was just asked for.
  const bool held = !holds_.empty() && tick >= *holds_.begin();
  return held || tick == last_tick_ ? nullptr : &key;
}

std::optional<ResultIndex::Usage> ResultIndex::ClaimBeyondBudget(int64_t budget) {
  const std::lock_guard lock(mutex_);
  if (budget <= 0 || bytes_ <= budget) return std::nullopt;
  const std::string* const oldest = OldestFree();
  if (oldest == nullptr) return std::nullopt;
  const Entry& entry = entries_.at(*oldest);
  Usage claimed{*oldest, entry.used_seconds, entry.bytes};
  RemoveLocked(claimed.key);
  return claimed;
}

std::map<std::string, ResultIndex::Total> ResultIndex::TotalsByKind() const {
  const std::lock_guard lock(mutex_);
  std::map<std::string, Total> totals;
  for (const auto& [key, entry] : entries_) {
    Total& total = totals[key.substr(0, key.find('/'))];
    ++total.count;
    total.bytes += entry.bytes;
  }
  return totals;
}

int64_t ResultIndex::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

std::vector<ResultIndex::Usage> ResultIndex::TakeUnsaved() {
  const std::lock_guard lock(mutex_);
  std::vector<Usage> usages;
  // The most recently used are last; those before were saved, unless they were used meanwhile.
  for (const auto& [tick, key] : by_tick_) {
    Entry& entry = entries_.at(key);
    if (std::exchange(entry.unsaved, false))
      usages.push_back({key, entry.used_seconds, entry.bytes});
  }
  return usages;
}

}  // namespace homolog::store
