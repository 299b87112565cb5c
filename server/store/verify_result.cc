#include "server/store/verify_result.h"

#include <cstring>
#include <optional>
#include <string_view>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "common/text.h"
#include "server/store/blob_keys.h"
#include "server/store/manifest_record.h"
#include "server/store/sealed.h"

namespace homolog::store {
namespace {

// The blobs of one result, whose records come in the order of their keys: the pieces of a blob,
// then its size.
//
// Thread-safety: belongs to one thread.
class BlobCheck {
 public:
  explicit BlobCheck(size_t prefix) : prefix_(prefix) {}

  // False once something is wrong.
  bool Take(std::string_view key, std::string_view value) {
    const absl::string_view name(key.data() + prefix_, key.size() - prefix_);
    if (!absl::StrContains(name, "/sealed/")) return TakeLegacy(key, name, value);
    const std::optional<std::string_view> bytes = Unseal(key, value);
    if (!bytes) return Fail(absl::StrCat("the digest of ", Quoted(key), " does not fit"));
    if (!key.ends_with(kBlobSizeSuffix)) {
      pieces_ += static_cast<int64_t>(bytes->size());
      return true;
    }
    int64_t size = -1;
    if (bytes->size() == sizeof size) std::memcpy(&size, bytes->data(), sizeof size);
    return Settle(key, size);
  }
  absl::Status status() const {
    if (!problem_.empty()) return DataLoss(kBlobDamaged, problem_);
    return pieces_ == 0 ? absl::OkStatus() : DataLoss(kBlobDamaged, "a blob has no size");
  }

 private:
  // Of schema 1 (whole) or 2 (in pieces), without digests.
  bool TakeLegacy(std::string_view key, absl::string_view name, std::string_view value) {
    if (!absl::StrContains(name, "/")) return true;
    if (!absl::EndsWith(name, "/size")) {
      pieces_ += static_cast<int64_t>(value.size());
      return true;
    }
    int64_t size = -1;
    if (!absl::SimpleAtoi(absl::string_view(value.data(), value.size()), &size)) size = -1;
    return Settle(key, size);
  }
  bool Settle(std::string_view key, int64_t size) {
    if (size != pieces_) {
      return Fail(absl::StrCat(Quoted(key), " says ", size, " bytes, and ", pieces_, " are there"));
    }
    pieces_ = 0;
    return true;
  }
  bool Fail(std::string problem) {
    problem_ = std::move(problem);
    return false;
  }
  const size_t prefix_;
  int64_t pieces_ = 0;  // bytes of the blob at hand
  std::string problem_;
};

}  // namespace

absl::StatusOr<bool> VerifyResult(const Store::Database& database, const std::string& key,
                                  int64_t& bytes) {
  bool intact = true;
  HOMOLOG_ASSIGN_OR_RETURN(const bool found,
                           database.Read(Family::kResults, key, [&](std::string_view record) {
                             intact = ManifestRecord::Parse(key, record).has_value();
                             bytes += static_cast<int64_t>(record.size());
                           }));
  if (!found) return false;
  if (!intact) return DataLoss(kBlobDamaged, "its manifest is damaged");
  const std::string prefix = key + "/";
  BlobCheck check(prefix.size());
  HOMOLOG_RETURN_IF_ERROR(database.ForEach(Family::kBlobs, prefix, "",
                                           [&](std::string_view blob, std::string_view value) {
                                             bytes += static_cast<int64_t>(value.size());
                                             return check.Take(blob, value);
                                           }));
  HOMOLOG_RETURN_IF_ERROR(check.status());
  return true;
}

}  // namespace homolog::store
