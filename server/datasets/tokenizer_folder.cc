#include "server/datasets/tokenizer_folder.h"

#include <array>
#include <filesystem>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/digest.h"
#include "common/error.h"
#include "common/git_lfs.h"
#include "server/datasets/bpe_definition.h"
#include "server/datasets/tokenizer_files.h"

namespace homolog::datasets {
namespace {

namespace fs = std::filesystem;

constexpr char kTokenizerJson[] = "tokenizer.json";
constexpr char kVocab[] = "vocab.json";
constexpr char kMerges[] = "merges.txt";
constexpr char kAddedTokens[] = "added_tokens.json";
constexpr char kConfig[] = "tokenizer_config.json";
constexpr const char* kNames[] = {kTokenizerJson, kVocab, kMerges, kAddedTokens, kConfig};
constexpr uintmax_t kMaxFileBytes = 32 << 20;

std::array<fs::path, 2> Places(const std::string& folder) {
  // "a/b/" has the parent "a/b".
  fs::path place(folder);
  if (!place.has_filename()) place = place.parent_path();
  return {place, place.parent_path()};
}

bool Exists(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

// Opens those of `names` that are in `place`; the first is what counts.
absl::StatusOr<TokenizerFolder> Open(const fs::path& place, const std::vector<const char*>& names) {
  TokenizerFolder folder;
  folder.path = (place / names[0]).string();
  for (const char* name : names) {
    if (!Exists(place / name)) continue;
    HOMOLOG_ASSIGN_OR_RETURN(folder.files[name], MappedFile::Open((place / name).string()));
    const absl::Status pointer = RefuseLfsPointer(folder.files[name]->bytes());
    if (!pointer.ok()) return Annotate(pointer, (place / name).string());
    if (const size_t size = folder.files[name]->bytes().size(); size > kMaxFileBytes) {
      return MalformedTokenizer(
          absl::StrCat((place / name).string(), " has ", size, " bytes; at most ", kMaxFileBytes));
    }
  }
  return folder;
}

}  // namespace

std::string_view TokenizerFolder::Bytes(const std::string& name) const {
  const auto found = files.find(name);
  return found == files.end() ? std::string_view() : found->second->bytes();
}

std::string TokenizerFolder::Digest() const {
  Sha256 sha256;
  for (const auto& [name, file] : files) {
    sha256.Update(absl::StrCat(name, ":", file->bytes().size(), ":"));
    sha256.Update(file->bytes());
  }
  return sha256.HexDigest();
}

std::span<const char* const> TokenizerFileNames() { return kNames; }

std::string TokenizerFolderSignature(const std::string& folder) {
  std::string signature;
  for (const fs::path& place : Places(folder)) {
    for (const char* name : kNames) {
      absl::StrAppend(&signature, FileSignature((place / name).string()), "\n");
    }
  }
  return signature;
}

absl::StatusOr<TokenizerFolder> OpenTokenizerFolder(const std::string& folder) {
  for (const fs::path& place : Places(folder)) {
    if (Exists(place / kTokenizerJson)) return Open(place, {kTokenizerJson, kConfig});
    if (Exists(place / kVocab)) return Open(place, {kVocab, kMerges, kAddedTokens, kConfig});
  }
  return TokenizerFolder();
}

absl::StatusOr<std::shared_ptr<const Tokenizer>> ParseTokenizer(const TokenizerFolder& folder) {
  if (folder.files.contains(kTokenizerJson)) {
    return ParseTokenizerJson(folder.Bytes(kTokenizerJson), folder.Bytes(kConfig));
  }
  if (!folder.files.contains(kMerges)) {
    return MalformedTokenizer(
        absl::StrCat("there is no ", kMerges, " beside it; it must be there"));
  }
  return ParseVocabFiles(folder.Bytes(kVocab), folder.Bytes(kMerges), folder.Bytes(kAddedTokens),
                         folder.Bytes(kConfig));
}

}  // namespace homolog::datasets
