// model.safetensors.index.json and pytorch_model.bin.index.json: which shard holds which tensor.
//
// Thread-safety: a pure function.
#ifndef HOMOLOG_SERVER_TENSORFILES_SHARD_INDEX_H_
#define HOMOLOG_SERVER_TENSORFILES_SHARD_INDEX_H_

#include <cstddef>
#include <map>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace homolog::tensorfiles {

// Every shard stays open while the weights are, and a process has some thousand open files.
inline constexpr size_t kMaxShards = 256;

struct ShardIndex {
  std::map<std::string, std::string> files;  // tensor's name to shard's file name
};

// Reads {"weight_map": {tensor: file}}, at most 8 MiB. Other keys ("metadata") are left alone.
// INVALID_ARGUMENT (reason MALFORMED_INDEX) with what is wrong: not JSON, no weight_map or an empty
// one, more than kMaxShards shards, a file that is no plain name ending in `suffix`
// (".safetensors") and so might lead out of the folder.
absl::StatusOr<ShardIndex> ParseShardIndex(std::string_view text, std::string_view suffix);

}  // namespace homolog::tensorfiles

#endif  // HOMOLOG_SERVER_TENSORFILES_SHARD_INDEX_H_
