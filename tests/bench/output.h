// Rows of numbers as people and as programs read them.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_TESTS_BENCH_OUTPUT_H_
#define HOMOLOG_TESTS_BENCH_OUTPUT_H_

#include <ostream>
#include <string>

#include "absl/status/status.h"
#include "tests/bench/benchmark.h"

namespace homolog::bench {

// A table with the first row's keys as its columns; nothing for no rows. Fractions have 4 digits;
// what was not measured (null) is "-".
void PrintTable(const Rows& rows, std::ostream& out);

// A JSON list of the rows. UNAVAILABLE where the file cannot be written.
absl::Status WriteJson(const Rows& rows, const std::string& path);

}  // namespace homolog::bench

#endif  // HOMOLOG_TESTS_BENCH_OUTPUT_H_
