#include "server/datasets/tokenizer_cache.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/digest.h"
#include "common/error.h"

namespace homolog::datasets {
namespace {

constexpr size_t kMaxKept = 8;
// Of a few hundred bytes each; beyond that all are forgotten and read again.
constexpr size_t kMaxRemembered = 1 << 14;

}  // namespace

absl::StatusOr<CheckpointTokenizer> TokenizerCache::Open(const std::string& folder,
                                                         int64_t vocabulary_size) {
  return Lookup(folder, vocabulary_size, /*whole=*/true);
}

absl::StatusOr<CheckpointTokenizer> TokenizerCache::Identify(const std::string& folder,
                                                             int64_t vocabulary_size) {
  return Lookup(folder, vocabulary_size, /*whole=*/false);
}

int64_t TokenizerCache::parse_count() const {
  const absl::MutexLock lock(&mutex_);
  return parse_count_;
}

absl::StatusOr<CheckpointTokenizer> TokenizerCache::Lookup(const std::string& folder,
                                                           int64_t vocabulary_size, bool whole) {
  // Taken before the files are read: what replaces them meanwhile has another signature.
  const std::string signature = TokenizerFolderSignature(folder);
  {
    const absl::MutexLock lock(&mutex_);
    const std::optional<Entry> known = Recall(by_signature_, signature);
    if (known && (!whole || known->kind.empty() || known->tokenizer != nullptr)) {
      return Fit(*known, vocabulary_size);
    }
  }
  const Entry entry = Read(folder, whole);
  const absl::MutexLock lock(&mutex_);
  if (entry.passing) {
    return MakeError(absl::StatusCode::kUnavailable, "FILE_UNREADABLE",
                     absl::StrCat("the tokenizer cannot be read now: ", entry.why_none));
  }
  Remember(signature, entry, by_signature_);
  return Fit(entry, vocabulary_size);
}

TokenizerCache::Entry TokenizerCache::Read(const std::string& folder, bool whole) {
  const absl::StatusOr<TokenizerFolder> files = OpenTokenizerFolder(folder);
  if (!files.ok()) {
    return {.found = true,
            .why_none = std::string(files.status().message()),
            .passing = absl::IsUnavailable(files.status())};
  }
  if (files->path.empty()) return {};
  Entry entry = ReadContent(*files, whole);
  entry.path = files->path;
  if (entry.kind.empty()) entry.why_none = absl::StrCat(entry.path, ": ", entry.why_none);
  return entry;
}

TokenizerCache::Entry TokenizerCache::ReadContent(const TokenizerFolder& files, bool whole) {
  const std::string content = files.Digest();
  {
    const absl::MutexLock lock(&mutex_);
    const std::optional<Entry> known = Recall(by_content_, content);
    if (known && (!whole || known->kind.empty() || known->tokenizer != nullptr)) return *known;
  }
  Entry entry = Parse(files);
  const absl::MutexLock lock(&mutex_);
  ++parse_count_;
  Keep(entry);
  Remember(content, entry, by_content_);
  return entry;
}

TokenizerCache::Entry TokenizerCache::Parse(const TokenizerFolder& files) {
  const absl::StatusOr<std::shared_ptr<const Tokenizer>> tokenizer = ParseTokenizer(files);
  if (!tokenizer.ok()) {
    return {.found = true, .why_none = std::string(tokenizer.status().message())};
  }
  return {.found = true,
          .kind = (*tokenizer)->kind(),
          .digest = (*tokenizer)->digest(),
          .vocabulary_size = (*tokenizer)->vocabulary_size(),
          .end_of_text = (*tokenizer)->end_of_text(),
          .tokenizer = *tokenizer};
}

CheckpointTokenizer TokenizerCache::Fit(const Entry& entry, int64_t vocabulary_size) {
  if (!entry.found && vocabulary_size == 256) {
    const std::shared_ptr<const Tokenizer> bytes = MakeByteTokenizer();
    return {.kind = bytes->kind(), .digest = bytes->digest(), .tokenizer = bytes, .why_none = ""};
  }
  if (!entry.kind.empty() && entry.vocabulary_size <= vocabulary_size) {
    return {
        .kind = entry.kind, .digest = entry.digest, .tokenizer = entry.tokenizer, .why_none = ""};
  }
  CheckpointTokenizer none;
  none.kind = "none";
  none.digest = Sha256Hex(absl::StrCat("token ids below ", vocabulary_size));
  if (!entry.found) {
    none.why_none = absl::StrCat("it has no tokenizer file and a vocabulary of ", vocabulary_size,
                                 " (256 would mean bytes)");
  } else if (entry.kind.empty()) {
    none.why_none = entry.why_none;
  } else {
    none.why_none =
        absl::StrCat(entry.path, " has ids up to ", entry.vocabulary_size - 1,
                     ", the model only a vocabulary of ", vocabulary_size, " (ids up to ",
                     vocabulary_size - 1, "), so that the tokenizer is not the model's");
  }
  return none;
}

std::optional<TokenizerCache::Entry> TokenizerCache::Recall(const Entries& entries,
                                                            const std::string& key) {
  const auto found = entries.find(key);
  if (found == entries.end()) return std::nullopt;
  Entry entry = found->second;
  const auto kept = std::find_if(kept_.begin(), kept_.end(),
                                 [&](const auto& tokenizer) { return entry.IsOf(*tokenizer); });
  if (kept != kept_.end()) {
    kept_.splice(kept_.begin(), kept_, kept);
    entry.tokenizer = kept_.front();
  }
  return entry;
}

void TokenizerCache::Remember(const std::string& key, Entry entry, Entries& entries) {
  if (entries.size() >= kMaxRemembered) entries.clear();
  entry.tokenizer = nullptr;
  entries[key] = std::move(entry);
}

void TokenizerCache::Keep(const Entry& entry) {
  if (entry.tokenizer == nullptr) return;
  kept_.remove_if([&](const auto& other) { return entry.IsOf(*other); });
  kept_.push_front(entry.tokenizer);
  if (kept_.size() > kMaxKept) kept_.pop_back();
}

}  // namespace homolog::datasets
