// NumPy's file format, version 1.0.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_CLIENT_CLI_NPY_FILE_H_
#define HOMOLOG_CLIENT_CLI_NPY_FILE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "homolog/v1/neuron.pb.h"

namespace homolog::cli {

// What stands before the numbers of an array of `shape`, row by row, in a .npy file. `type` is one
// that a column has.
std::string NpyHeader(v1::ColumnType type, const std::vector<int64_t>& shape);

// Bytes of one number; 0 for a type that no column has.
int64_t NumberSize(v1::ColumnType type);

}  // namespace homolog::cli

#endif  // HOMOLOG_CLIENT_CLI_NPY_FILE_H_
