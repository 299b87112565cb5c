// The report of a study: what people read, cite and compute with further.
//
// Thread-safety: pure functions, but for the files; one call per folder at a time.
#ifndef HOMOLOG_CLIENT_REPORT_REPORT_H_
#define HOMOLOG_CLIENT_REPORT_REPORT_H_

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "absl/status/statusor.h"

namespace homolog::report {

// Writes into `folder`, which is made if need be:
//   study.json    the study itself
//   tables/*.csv  one table per list of the study (tables.h)
//   report.html   tables and figures over them; one file, which opens without a network
// and returns the path of report.html. Files of these names are replaced one by one, each as a
// whole, report.html last; what else is in the folder stays. INVALID_ARGUMENT (reason
// MALFORMED_STUDY) as CheckStudy says; the status of the system's error (reason
// REPORT_NOT_WRITTEN), with the path, where a folder or file cannot be written.
absl::StatusOr<std::string> WriteReport(const nlohmann::json& study, const std::string& folder);

}  // namespace homolog::report

#endif  // HOMOLOG_CLIENT_REPORT_REPORT_H_
