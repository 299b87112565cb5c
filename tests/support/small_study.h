// A study as `homolog studies report` hands it to the report, small enough to be read.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_TESTS_SUPPORT_SMALL_STUDY_H_
#define HOMOLOG_TESTS_SUPPORT_SMALL_STUDY_H_

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace homolog::testing {

// Two layers of 8 neurons in each of `models`, at the steps 0, 100 and 200, with thresholds 0.4 and
// 0.5. At step 0 nothing is universal, so that persistence from there and ablations there are
// absent. Every figure of the report has something to draw.
nlohmann::json SmallStudy(const std::vector<std::string>& models = {"seed0", "seed1"});

// The same with every list empty, as far as they may be.
nlohmann::json EmptyStudy();

}  // namespace homolog::testing

#endif  // HOMOLOG_TESTS_SUPPORT_SMALL_STUDY_H_
