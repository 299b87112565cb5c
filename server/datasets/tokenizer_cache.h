// The tokenizers of many checkpoints. A repository holds hundreds of checkpoints with the same few
// megabytes of tokenizer in each: which tokenizer a folder has is remembered by the signatures of
// its files, and what a tokenizer is by their content, so that equal files are parsed once; the
// tokenizers used last are kept whole.
//
// Thread-safety: may be used from any thread. Files are read and parsed outside the lock.
#ifndef HOMOLOG_SERVER_DATASETS_TOKENIZER_CACHE_H_
#define HOMOLOG_SERVER_DATASETS_TOKENIZER_CACHE_H_

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "server/datasets/checkpoint_tokenizer.h"
#include "server/datasets/tokenizer.h"
#include "server/datasets/tokenizer_folder.h"

namespace homolog::datasets {

class TokenizerCache {
 public:
  // As OpenCheckpointTokenizer.
  absl::StatusOr<CheckpointTokenizer> Open(const std::string& folder, int64_t vocabulary_size);
  // The same without a promise of the tokenizer itself, which may be null for any kind: what a
  // listing asks. Reads no file that it has read before.
  absl::StatusOr<CheckpointTokenizer> Identify(const std::string& folder, int64_t vocabulary_size);

  // Files parsed so far.
  int64_t parse_count() const;

 private:
  // A folder's tokenizer, whatever the model's vocabulary.
  struct Entry {
    bool found = false;  // there are files
    std::string path{};  // of the file that counts
    std::string kind{};  // empty where they cannot be read
    std::string digest{};
    int64_t vocabulary_size = 0;  // of the tokenizer
    std::optional<int32_t> end_of_text{};
    std::string why_none{};
    bool passing = false;  // the files could not be opened, which is tried again
    std::shared_ptr<const Tokenizer> tokenizer{};  // null in what is remembered
    bool IsOf(const Tokenizer& other) const {
      return other.digest() == digest && other.end_of_text() == end_of_text;
    }
  };
  absl::StatusOr<CheckpointTokenizer> Lookup(const std::string& folder, int64_t vocabulary_size,
                                             bool whole);
  Entry Read(const std::string& folder, bool whole);
  Entry ReadContent(const TokenizerFolder& files, bool whole);
  Entry Parse(const TokenizerFolder& files);
  static CheckpointTokenizer Fit(const Entry& entry, int64_t vocabulary_size);

  using Entries = std::map<std::string, Entry>;
  // What is remembered under `key`, with its tokenizer where that is kept.
  std::optional<Entry> Recall(const Entries& entries, const std::string& key)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  static void Remember(const std::string& key, Entry entry, Entries& entries);
  void Keep(const Entry& entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable absl::Mutex mutex_;
  Entries by_signature_ ABSL_GUARDED_BY(mutex_);
  Entries by_content_ ABSL_GUARDED_BY(mutex_);
  // The last ones used, the latest first.
  std::list<std::shared_ptr<const Tokenizer>> kept_ ABSL_GUARDED_BY(mutex_);
  int64_t parse_count_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace homolog::datasets

#endif  // HOMOLOG_SERVER_DATASETS_TOKENIZER_CACHE_H_
