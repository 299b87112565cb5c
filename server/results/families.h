// Families of neurons in the store, and questions about them.
//
// families/{id}: a homolog.v1.FamilySet; its blobs, little-endian: "ends" int32 [family], members
// up to and with each family; "members" int32 [member, 2], place of the checkpoint and flat index;
// "mean_excess" float64 [family].
//
// Thread-safety: pure functions and values; the store is thread-safe.
#ifndef HOMOLOG_SERVER_RESULTS_FAMILIES_H_
#define HOMOLOG_SERVER_RESULTS_FAMILIES_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/limits.h"
#include "homolog/v1/analysis_service.pb.h"
#include "homolog/v1/family.pb.h"
#include "server/analysis/families.h"
#include "server/store/store.h"

namespace homolog::results {

struct StoredFamilies {
  v1::FamilySet manifest;
  std::vector<int32_t> ends;
  std::vector<analysis::FamilyNeuron> members;
  std::vector<double> mean_excess;

  int32_t size() const { return static_cast<int32_t>(ends.size()); }
  // Of a family that it has.
  std::span<const analysis::FamilyNeuron> Members(int32_t family) const;
};

// Stores `families` under `manifest`'s name, with their counts filled in.
absl::Status PutFamilies(store::Store& store, v1::FamilySet manifest,
                         const std::vector<analysis::Family>& families);

// The manifest of `name` (families/{families}). NOT_FOUND (reason FAMILIES_NOT_FOUND), DATA_LOSS
// (reason DAMAGED_RESULT).
absl::StatusOr<v1::FamilySet> ReadFamilySet(const store::Store& store, const std::string& name);
// All of it; errors as above.
absl::StatusOr<StoredFamilies> ReadFamilies(const store::Store& store, const std::string& name);

// AnalysisService.ListFamilies.
absl::StatusOr<v1::ListFamiliesResponse> ListFamilies(const store::Store& store,
                                                      const v1::ListFamiliesRequest& request,
                                                      const Limits& limits = {});

}  // namespace homolog::results

#endif  // HOMOLOG_SERVER_RESULTS_FAMILIES_H_
