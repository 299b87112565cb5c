// Which results there are, how large they are and when they were last used: what decides which go
// first where space is short.
//
// Thread-safety: all methods may be called from any thread.
#ifndef HOMOLOG_SERVER_STORE_RESULT_INDEX_H_
#define HOMOLOG_SERVER_STORE_RESULT_INDEX_H_

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace homolog::store {

// "{kind}/{id}" is a result's key here.
class ResultIndex {
 public:
  struct Usage {
    std::string key;
    int64_t used_seconds = 0;  // since 1970
    int64_t bytes = 0;
  };
  struct Total {
    int64_t count = 0, bytes = 0;
  };

  // A result that is there when the store opens; call in any order.
  void Load(const std::string& key, int64_t bytes, int64_t used_seconds);
  // A result that was written now, perhaps in place of another.
  void Put(const std::string& key, int64_t bytes);
  // False where it does not know the result.
  bool Touch(const std::string& key);
  bool Has(const std::string& key) const;
  void Remove(const std::string& key);

  // What is used from now on until EndHold is not evicted. Returns the hold's number.
  uint64_t BeginHold();
  void EndHold(uint64_t hold);

  // Where results take more than `budget` bytes (0: no budget), takes the least recently used one
  // that no hold protects out of the index, for the caller to delete; nothing where there is none.
  std::optional<Usage> ClaimBeyondBudget(int64_t budget);

  std::map<std::string, Total> TotalsByKind() const;
  int64_t bytes() const;
  // The uses since the last call, to be stored.
  std::vector<Usage> TakeUnsaved();

 private:
  struct Entry {
    int64_t bytes = 0;
    uint64_t tick = 0;  // of the last use; ascends with every use of any result
    int64_t used_seconds = 0;
    bool unsaved = false;
  };
  void Use(const std::string& key, Entry& entry);
  void RemoveLocked(const std::string& key);
  const std::string* OldestFree() const;

  mutable std::mutex mutex_;
  std::map<std::string, Entry> entries_;
  std::map<uint64_t, std::string> by_tick_;
  // Of results whose use is of a former process: below every tick of this one, ordered by time.
  std::set<std::pair<int64_t, std::string>> loaded_;
  std::multiset<uint64_t> holds_;
  uint64_t last_tick_ = 0;
  int64_t bytes_ = 0;
};

}  // namespace homolog::store

#endif  // HOMOLOG_SERVER_STORE_RESULT_INDEX_H_
