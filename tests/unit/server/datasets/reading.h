// Reading bytes to ids in tests.
#ifndef HOMOLOG_TESTS_UNIT_SERVER_DATASETS_READING_H_
#define HOMOLOG_TESTS_UNIT_SERVER_DATASETS_READING_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "server/datasets/token_reader.h"

namespace homolog::datasets {

struct Outcome {
  absl::Status status;
  std::vector<int32_t> ids;
};

// Feeds all of `bytes`, `piece` at a time, and finishes; stops at the first error.
inline Outcome ReadPieces(TokenReader& reader, std::string_view bytes, size_t piece) {
  Outcome outcome;
  const auto collect = [&](std::span<const int32_t> ids) {
    outcome.ids.insert(outcome.ids.end(), ids.begin(), ids.end());
    return absl::OkStatus();
  };
  for (size_t at = 0; at < bytes.size() && outcome.status.ok(); at += piece) {
    outcome.status = reader.Feed(bytes.substr(at, piece), collect);
  }
  if (outcome.status.ok()) outcome.status = reader.Finish(collect);
  return outcome;
}

// A sink where no ids may come.
inline absl::Status NoIds(std::span<const int32_t> ids) {
  if (!ids.empty()) ADD_FAILURE() << ids.size() << " ids came";
  return absl::OkStatus();
}

}  // namespace homolog::datasets

#endif  // HOMOLOG_TESTS_UNIT_SERVER_DATASETS_READING_H_
