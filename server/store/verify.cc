// Reading everything against its digests, page by page.
#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/error.h"
#include "common/text.h"
#include "server/store/database.h"
#include "server/store/dataset_records.h"
#include "server/store/store.h"
#include "server/store/verify_result.h"

namespace homolog::store {

// What a page has seen so far. A token is where to go on: "results/{key}", or
// "datasets/{first token} {id}".
//
// Thread-safety: belongs to one thread.
class Verification {
 public:
  explicit Verification(const Store& store) : store_(store), database_(*store.database_) {}

  absl::StatusOr<VerifiedPage> Run(std::string_view page_token) {
    std::string position;
    HOMOLOG_RETURN_IF_ERROR(Parse(page_token, &position));
    if (position.starts_with(kResults)) {
      HOMOLOG_ASSIGN_OR_RETURN(const bool finished, CheckResults(position.substr(kResults.size())));
      if (!finished) return std::move(page_);
    }
    const bool began = position.starts_with(kDatasets);
    int64_t first = 0;
    std::string id;
    if (began) {
      const std::pair<absl::string_view, absl::string_view> place = absl::StrSplit(
          absl::string_view(position).substr(kDatasets.size()), absl::MaxSplits(' ', 1));
      if (!absl::SimpleAtoi(place.first, &first) || first < 0) return InvalidToken(page_token);
      id = std::string(place.second);
    }
    HOMOLOG_RETURN_IF_ERROR(CheckDatasets(id, first));
    return std::move(page_);
  }

 private:
  static constexpr std::string_view kResults = "results/", kDatasets = "datasets/";
  static constexpr int64_t kPageBytes = int64_t{256} << 20;
  static constexpr int64_t kPageRecords = 1000;

  // Where to go on, out of a token.
  static absl::Status Parse(std::string_view token, std::string* position) {
    *position = kResults;
    if (token.empty()) return absl::OkStatus();
    if (absl::WebSafeBase64Unescape(std::string(token), position) &&
        (position->starts_with(kResults) || position->starts_with(kDatasets))) {
      return absl::OkStatus();
    }
    return InvalidToken(token);
  }
  static absl::Status InvalidToken(std::string_view token) {
    return InvalidArgument("INVALID_PAGE_TOKEN",
                           absl::StrCat("page_token ", Quoted(token),
                                        " was not given by a verification; send next_page_token of "
                                        "the page before, or nothing for the first page"));
  }

  bool Full() const {
    return page_.checked_bytes >= kPageBytes || page_.checked_count >= kPageRecords;
  }
  void GoOnAt(std::string_view kind, std::string_view key) {
    page_.next_page_token = absl::WebSafeBase64Escape(std::string(kind).append(key));
  }

  // Up to a page's keys of `family` from `from` on.
  absl::StatusOr<std::vector<std::string>> Keys(Family family, std::string_view prefix,
                                                const std::string& from) {
    std::vector<std::string> keys;
    HOMOLOG_RETURN_IF_ERROR(database_.ForEach(family, prefix, std::string(prefix) + from,
                                              [&](std::string_view key, std::string_view) {
                                                keys.emplace_back(key.substr(prefix.size()));
                                                return keys.size() <= kPageRecords;
                                              }));
    return keys;
  }

  // False where the page is full before the last result.
  absl::StatusOr<bool> CheckResults(const std::string& from) {
    HOMOLOG_ASSIGN_OR_RETURN(const std::vector<std::string> keys, Keys(Family::kResults, "", from));
    for (const std::string& key : keys) {
      if (Full()) {
        GoOnAt(kResults, key);
        return false;
      }
      const absl::StatusOr<bool> there = VerifyResult(database_, key, page_.checked_bytes);
      ++page_.checked_count;
      if (there.ok()) continue;  // or deleted meanwhile
      if (!absl::IsDataLoss(there.status())) return there.status();
      const absl::StatusOr<bool> dropped = store_.DropDamaged(key);
      if (dropped.ok() && !*dropped) continue;  // it was replaced while it was read
      page_.damaged.push_back({key, std::string(there.status().message()), dropped.ok()});
    }
    return true;
  }

  // From token `first` of data set `from` on.
  absl::Status CheckDatasets(const std::string& from, int64_t first) {
    HOMOLOG_ASSIGN_OR_RETURN(const std::vector<std::string> ids,
                             Keys(Family::kDatasets, kDatasetPrefix, from));
    for (const std::string& id : ids) {
      const int64_t begin = id == from ? first : 0;
      if (Full()) {
        GoOnAt(kDatasets, absl::StrCat(begin, " ", id));
        return absl::OkStatus();
      }
      const absl::Status status = CheckDataset(id, begin);
      if (!page_.next_page_token.empty()) return absl::OkStatus();  // in the midst of it
      ++page_.checked_count;
      if (status.ok() || absl::IsNotFound(status)) continue;
      if (!absl::IsDataLoss(status)) return status;
      page_.damaged.push_back(
          {absl::StrCat("datasets/", id), std::string(status.message()), false});
    }
    return absl::OkStatus();
  }

  // Where the page is full before its end, the token says where to go on.
  absl::Status CheckDataset(const std::string& id, int64_t first) {
    HOMOLOG_ASSIGN_OR_RETURN(const ContentRecord content, store_.database_->GetContentOf(id));
    std::vector<int32_t> tokens;
    for (; first < content.token_count; first += kChunkTokens) {
      if (Full()) {
        GoOnAt(kDatasets, absl::StrCat(first, " ", id));
        return absl::OkStatus();
      }
      const int64_t count = std::min(kChunkTokens, content.token_count - first);
      HOMOLOG_ASSIGN_OR_RETURN(tokens, store_.ReadTokens(id, first, count));
      page_.checked_bytes += count * static_cast<int64_t>(sizeof(int32_t));
    }
    return absl::OkStatus();
  }

  const Store& store_;
  const Store::Database& database_;
  VerifiedPage page_;
};

absl::StatusOr<VerifiedPage> Store::Verify(std::string_view page_token) {
  return Verification(*this).Run(page_token);
}

}  // namespace homolog::store
