#include "server/results/stored_pairs.h"

#include <utility>

#include "absl/status/statusor.h"
#include "common/error.h"
#include "homolog/storage/v1/records.pb.h"
#include "server/results/result_codec.h"

namespace homolog::results {
namespace {

bool HasPair(const v1::Correlation& manifest, int partner, const PairKey& key) {
  return partner >= 0 && partner < manifest.partners_size() &&
         manifest.reference().weights_sha256() == key.reference_weights &&
         manifest.partners(partner).weights_sha256() == key.partner_weights &&
         manifest.dataset_sha256() == key.dataset;
}

}  // namespace

absl::Status RecordPairs(store::Store& store, const std::string& id,
                         const std::vector<std::string>& pairs) {
  storage::v1::PairRecord record;
  record.set_correlation(id);
  for (size_t i = 0; i < pairs.size(); ++i) {
    record.set_partner(static_cast<int32_t>(i));
    HOMOLOG_RETURN_IF_ERROR(store.PutResult(kPairs, pairs[i], record.SerializeAsString(), {}));
  }
  return absl::OkStatus();
}

bool IsRecorded(const store::Store& store, const std::string& pair) {
  return store.GetResult(kPairs, pair).ok();
}

std::shared_ptr<const v1::Correlation> StoredPairs::Complete(const std::string& id) {
  const auto [entry, is_new] = manifests_.try_emplace(id);
  if (!is_new) return entry->second;
  absl::StatusOr<v1::Correlation> manifest = ReadComplete(store_, id);
  if (manifest.ok()) {
    entry->second = std::make_shared<const v1::Correlation>(*std::move(manifest));
  }
  return entry->second;
}

std::optional<StoredPair> StoredPairs::Find(const PairKey& key) {
  const absl::StatusOr<std::string> bytes = store_.GetResult(kPairs, key.id);
  storage::v1::PairRecord record;
  if (!bytes.ok() || !record.ParseFromString(*bytes)) return std::nullopt;
  StoredPair pair{record.correlation(), Complete(record.correlation()), record.partner()};
  if (pair.manifest == nullptr || !HasPair(*pair.manifest, pair.partner, key)) return std::nullopt;
  return pair;
}

bool StoredPairs::IsReadable(const StoredPair& pair) {
  const auto [reference, is_new] = readable_references_.try_emplace(pair.correlation);
  if (is_new) {
    reference->second = ReadReference(store_, pair.correlation, *pair.manifest).ok();
  }
  return reference->second && ReadPair(store_, pair.correlation, *pair.manifest, pair.partner).ok();
}

}  // namespace homolog::results
