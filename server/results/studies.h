// Studies in the store, and questions about them.
//
// studies/{id}: a homolog.v1.Study; blobs "kept.{model}.{threshold}", numbers of model and
// threshold: analysis::KeptCounts as little-endian int32.
//
// Thread-safety: pure functions; the store is thread-safe.
#ifndef HOMOLOG_SERVER_RESULTS_STUDIES_H_
#define HOMOLOG_SERVER_RESULTS_STUDIES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "homolog/v1/analysis_service.pb.h"
#include "homolog/v1/study.pb.h"
#include "server/store/store.h"

namespace homolog::results {

// kept: [model][threshold], each analysis::KeptCounts.
absl::Status PutStudy(store::Store& store, const v1::Study& study,
                      const std::vector<std::vector<std::vector<int32_t>>>& kept);

// `name` (studies/{study}). NOT_FOUND (reason STUDY_NOT_FOUND), DATA_LOSS (reason DAMAGED_RESULT).
absl::StatusOr<v1::Study> ReadStudy(const store::Store& store, const std::string& name);

// The same of a study whose parts are all there; DATA_LOSS else, too.
absl::StatusOr<v1::Study> ReadCompleteStudy(const store::Store& store, const std::string& name);

// The study as a listing shows it: without what grows with models and steps.
void Abridge(v1::Study& study);

// AnalysisService.GetPersistence and GetLineage.
absl::StatusOr<v1::Persistence> GetPersistence(const store::Store& store,
                                               const v1::GetPersistenceRequest& request);
absl::StatusOr<v1::Lineage> GetLineage(const store::Store& store,
                                       const v1::GetLineageRequest& request);

}  // namespace homolog::results

#endif  // HOMOLOG_SERVER_RESULTS_STUDIES_H_
