// Comma-separated values (RFC 4180), with lines that end in "\n" as other Unix tools expect.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_COMMON_CSV_H_
#define HOMOLOG_COMMON_CSV_H_

#include <string>
#include <vector>

namespace homolog {

// One record with its line end. Fields with a comma, a double quote or a line break are quoted.
std::string CsvLine(const std::vector<std::string>& fields);

}  // namespace homolog

#endif  // HOMOLOG_COMMON_CSV_H_
