// Remembers the digests of files that have not changed, so that a checkpoint of many gigabytes is
// hashed once, not at every request.
#ifndef HOMOLOG_SERVER_CHECKPOINTS_DIGEST_MEMO_H_
#define HOMOLOG_SERVER_CHECKPOINTS_DIGEST_MEMO_H_

#include <map>
#include <mutex>
#include <optional>
#include <string>

namespace homolog::checkpoints {

// Thread-safety: all methods may be called from any thread. A key names a file with its size and
// times.
class DigestMemo {
 public:
  virtual ~DigestMemo() = default;
  virtual std::optional<std::string> Get(const std::string& key) = 0;
  virtual void Put(const std::string& key, const std::string& digest) = 0;
};

// Forgets when the process ends.
class MemoryDigestMemo : public DigestMemo {
 public:
  std::optional<std::string> Get(const std::string& key) override {
    const std::lock_guard lock(mutex_);
    const auto found = digests_.find(key);
    return found == digests_.end() ? std::nullopt : std::optional(found->second);
  }
  void Put(const std::string& key, const std::string& digest) override {
    const std::lock_guard lock(mutex_);
    digests_[key] = digest;
  }

 private:
  std::mutex mutex_;
  std::map<std::string, std::string> digests_;
};

}  // namespace homolog::checkpoints

#endif  // HOMOLOG_SERVER_CHECKPOINTS_DIGEST_MEMO_H_
