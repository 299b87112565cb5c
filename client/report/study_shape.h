// What a study holds (format homolog-study/1).
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_CLIENT_REPORT_STUDY_SHAPE_H_
#define HOMOLOG_CLIENT_REPORT_STUDY_SHAPE_H_

#include <nlohmann/json_fwd.hpp>

#include "absl/status/status.h"

namespace homolog::report {

// INVALID_ARGUMENT (reason MALFORMED_STUDY) with the name of the first field that is absent or of
// another type than it must be, for example emergence[3].share. Fields beyond these are let
// through.
absl::Status CheckStudy(const nlohmann::json& study);

}  // namespace homolog::report

#endif  // HOMOLOG_CLIENT_REPORT_STUDY_SHAPE_H_
