// What people read of a study beside its fields: tables of emergence, ablation, families, lineages.
//
// Thread-safety: as the client's.
#ifndef HOMOLOG_CLIENT_CLI_STUDY_SECTIONS_H_
#define HOMOLOG_CLIENT_CLI_STUDY_SECTIONS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cpp/client.h"
#include "homolog/v1/study.pb.h"

namespace homolog::cli {

// Aligned tables. The last step's ablations at the main threshold are fetched.
absl::StatusOr<std::vector<std::string>> StudySections(client::Client& client,
                                                       const v1::Study& study);

}  // namespace homolog::cli

#endif  // HOMOLOG_CLIENT_CLI_STUDY_SECTIONS_H_
