#include "server/datasets/checkpoint_tokenizer.h"

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "common/digest.h"

namespace homolog::datasets {
namespace {

namespace fs = std::filesystem;

// A tokenizer file beside the weights or one level up; empty where there is none.
std::string FindTokenizerFile(const fs::path& folder) {
  for (const fs::path& place : {folder, folder.parent_path()}) {
    for (const char* name : {"tokenizer.json", "vocab.json"}) {
      std::error_code ignored;
      if (fs::exists(place / name, ignored)) return (place / name).string();
    }
  }
  return "";
}

}  // namespace

absl::StatusOr<CheckpointTokenizer> OpenCheckpointTokenizer(const std::string& folder,
                                                            int64_t vocabulary_size) {
  CheckpointTokenizer result;
  const std::string file = FindTokenizerFile(folder);
  if (file.empty() && vocabulary_size == 256) {
    result.tokenizer = MakeByteTokenizer();
    result.kind = result.tokenizer->kind();
    result.digest = result.tokenizer->digest();
    return result;
  }
  result.kind = "none";
  result.digest = Sha256Hex(absl::StrCat("token ids below ", vocabulary_size));
  result.why_none = file.empty()
                        ? absl::StrCat("it has no tokenizer file and a vocabulary of ",
                                       vocabulary_size, " (256 would mean bytes)")
                        : absl::StrCat(file, " is of a kind that this version cannot read");
  return result;
}

}  // namespace homolog::datasets
