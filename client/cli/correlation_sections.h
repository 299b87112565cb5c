// What a correlation says besides its fields, for people.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_CLIENT_CLI_CORRELATION_SECTIONS_H_
#define HOMOLOG_CLIENT_CLI_CORRELATION_SECTIONS_H_

#include <string>
#include <vector>

#include "homolog/v1/correlation.pb.h"

namespace homolog::cli {

// A text each, of those that the correlation has: how it was computed, how far each partner's
// correlations are from float64, and how alike the layers are.
std::vector<std::string> CorrelationSections(const v1::Correlation& correlation);

}  // namespace homolog::cli

#endif  // HOMOLOG_CLIENT_CLI_CORRELATION_SECTIONS_H_
