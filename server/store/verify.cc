// Reading everything against its digests, page by page.
#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "common/text.h"
#include "server/store/blob_keys.h"
#include "server/store/database.h"
#include "server/store/dataset_records.h"
#include "server/store/manifest_record.h"
#include "server/store/sealed.h"
#include "server/store/store.h"

namespace homolog::store {

// What a page has seen so far. A token is "results/{key}" or "datasets/{id}": where to go on.
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
    HOMOLOG_RETURN_IF_ERROR(CheckDatasets(began ? position.substr(kDatasets.size()) : ""));
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
      const absl::Status status = CheckResult(key);
      ++page_.checked_count;
      if (status.ok()) continue;
      if (!absl::IsDataLoss(status)) return status;
      const std::string problem(status.message());
      page_.damaged.push_back({key, problem, store_.Drop(key, problem).ok()});
    }
    return true;
  }

  absl::Status CheckResult(const std::string& key) {
    bool intact = true;
    HOMOLOG_ASSIGN_OR_RETURN(const bool found,
                             database_.Read(Family::kResults, key, [&](std::string_view bytes) {
                               intact = ManifestRecord::Parse(key, bytes).has_value();
                               page_.checked_bytes += static_cast<int64_t>(bytes.size());
                             }));
    if (!found) return absl::OkStatus();  // deleted meanwhile
    if (!intact) return DataLoss(kBlobDamaged, "its manifest is damaged");
    return CheckBlobs(key + "/");
  }

  // Every piece by its digest, and whether the pieces of a blob are as many bytes as it has.
  absl::Status CheckBlobs(const std::string& prefix) {
    std::vector<std::string> blobs;
    std::string damaged;
    HOMOLOG_RETURN_IF_ERROR(database_.ForEach(
        Family::kBlobs, prefix, "", [&](std::string_view key, std::string_view value) {
          page_.checked_bytes += static_cast<int64_t>(value.size());
          const bool sealed = absl::StrContains(std::string(key.substr(prefix.size())), "/sealed/");
          if (sealed && !Unseal(key, value)) damaged = std::string(key);
          if (key.ends_with(kBlobSizeSuffix)) {
            blobs.emplace_back(key.substr(0, key.size() - kBlobSizeSuffix.size()));
          }
          return damaged.empty();
        }));
    if (!damaged.empty()) {
      return DataLoss(kBlobDamaged,
                      absl::StrCat("the digest of ", Quoted(damaged), " does not fit"));
    }
    for (const std::string& blob : blobs) HOMOLOG_RETURN_IF_ERROR(CheckEnd(blob));
    return absl::OkStatus();
  }

  // A lost piece has no digest that could be wrong.
  absl::Status CheckEnd(const std::string& blob) {
    HOMOLOG_ASSIGN_OR_RETURN(const std::optional<int64_t> size, database_.FindBlobSize(blob));
    for (int64_t at = 0; size && at < *size; at += kPieceBytes) {
      char byte = 0;
      HOMOLOG_ASSIGN_OR_RETURN(const bool there, database_.ReadBlob(blob, at, {&byte, 1}));
      if (!there) {
        return DataLoss(kBlobDamaged, absl::StrCat("bytes of ", Quoted(blob), " are missing"));
      }
    }
    return absl::OkStatus();
  }

  absl::Status CheckDatasets(const std::string& from) {
    HOMOLOG_ASSIGN_OR_RETURN(const std::vector<std::string> ids,
                             Keys(Family::kDatasets, kDatasetPrefix, from));
    for (const std::string& id : ids) {
      if (Full()) {
        GoOnAt(kDatasets, id);
        return absl::OkStatus();
      }
      const absl::Status status = CheckDataset(id);
      ++page_.checked_count;
      if (status.ok() || absl::IsNotFound(status)) continue;
      if (!absl::IsDataLoss(status)) return status;
      page_.damaged.push_back(
          {absl::StrCat("datasets/", id), std::string(status.message()), false});
    }
    return absl::OkStatus();
  }

  absl::Status CheckDataset(const std::string& id) {
    HOMOLOG_ASSIGN_OR_RETURN(const ContentRecord content, store_.database_->GetContentOf(id));
    std::vector<int32_t> tokens;
    for (int64_t first = 0; first < content.token_count; first += kChunkTokens) {
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
