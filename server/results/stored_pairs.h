// Where the store has the correlations of a reference with one partner, among which other partners
// whatever: a pair that some stored correlation has need not be computed again.
//
// Every pair has a record of its own, the result "pairs/{pair}" (a storage.v1.PairRecord without
// blobs), written after the correlation. A record that is lost, damaged, or names a correlation
// that is not there in whole any more, means no more than that the pair is not known.
//
// Thread-safety: the functions are pure, a StoredPairs belongs to one thread at a time; the store
// is thread-safe.
#ifndef HOMOLOG_SERVER_RESULTS_STORED_PAIRS_H_
#define HOMOLOG_SERVER_RESULTS_STORED_PAIRS_H_

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "homolog/v1/correlation.pb.h"
#include "server/store/store.h"

namespace homolog::results {

// The kind of the records in the store.
inline constexpr std::string_view kPairs = "pairs";

// A reference and a partner under given parameters on a given data set.
struct PairKey {
  std::string id;  // RequestDigest of everything that determines the pair's numbers
  // What a correlation that has the pair says of itself, SHA-256 each.
  std::string reference_weights, partner_weights, dataset;
};

// A pair in a correlation that the store has in whole.
struct StoredPair {
  std::string correlation;                          // its id
  std::shared_ptr<const v1::Correlation> manifest;  // its
  int partner = 0;                                  // the place of the pair's partner there
};

// Records where the pairs of correlation `id` are, which the store has: `pairs` are their ids in
// the order of its partners. Replaces what was recorded of them. Errors of the store.
absl::Status RecordPairs(store::Store& store, const std::string& id,
                         const std::vector<std::string>& pairs);

// Whether the pair has a record, of whatever use.
bool IsRecorded(const store::Store& store, const std::string& pair);

// Looks up what the store has. It looks at each correlation once and remembers what it saw, so it
// serves one question at one time.
class StoredPairs {
 public:
  // `store` outlives it.
  explicit StoredPairs(const store::Store& store) : store_(store) {}

  // The manifest of correlations/{id}, or null where ReadComplete says that it is not whole.
  std::shared_ptr<const v1::Correlation> Complete(const std::string& id);
  // Nothing where the pair is not known.
  std::optional<StoredPair> Find(const PairKey& key);
  // Whether ReadPair and ReadReference can read every column of it, which they do: a number within
  // a column can be damaged, too.
  bool IsReadable(const StoredPair& pair);

 private:
  const store::Store& store_;
  std::map<std::string, std::shared_ptr<const v1::Correlation>> manifests_;  // by id; null: none
  std::map<std::string, bool> readable_references_;                          // by id
};

}  // namespace homolog::results

#endif  // HOMOLOG_SERVER_RESULTS_STORED_PAIRS_H_
