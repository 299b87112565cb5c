#include "server/tensorfiles/shard_index.h"

#include <nlohmann/json.hpp>
#include <set>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "common/json.h"
#include "common/text.h"

namespace homolog::tensorfiles {
namespace {

constexpr size_t kMaxBytes = 8 << 20;

absl::Status Malformed(std::string_view message) {
  return InvalidArgument("MALFORMED_INDEX", message);
}

// A file of the folder itself that is seen in a listing.
bool IsPlainName(std::string_view file, std::string_view suffix) {
  return file.size() > suffix.size() && file.ends_with(suffix) && file.front() != '.' &&
         file.find_first_of(std::string_view("/\\\0", 3)) == file.npos;
}

}  // namespace

absl::StatusOr<ShardIndex> ParseShardIndex(std::string_view text, std::string_view suffix) {
  const absl::StatusOr<nlohmann::json> json = ParseJson(text, kMaxBytes);
  if (!json.ok()) return Malformed(std::string(json.status().message()));
  const bool has_map = json->is_object() && json->contains("weight_map") &&
                       (*json)["weight_map"].is_object() && !(*json)["weight_map"].empty();
  if (!has_map) {
    return Malformed("it must be a JSON object whose \"weight_map\" says the file of each tensor");
  }
  ShardIndex index;
  std::set<std::string> shards;
  for (const auto& [tensor, file] : (*json)["weight_map"].items()) {
    const std::string* name = file.get_ptr<const std::string*>();
    if (name == nullptr || !IsPlainName(*name, suffix)) {
      return Malformed(absl::StrCat("the file of the tensor ", Quoted(tensor), " is ",
                                    name == nullptr ? std::string("no string") : Quoted(*name),
                                    "; it must be the name of a file *", std::string(suffix),
                                    " in the same folder"));
    }
    shards.insert(*name);
    if (shards.size() > kMaxShards) {
      return Malformed(absl::StrCat("it names more than ", kMaxShards, " shards"));
    }
    index.files.emplace(tensor, *name);
  }
  return index;
}

}  // namespace homolog::tensorfiles
