// The tokenizer files of a checkpoint: beside its weights, or one level up; private to this room.
//
// Thread-safety: pure functions and values.
#ifndef HOMOLOG_SERVER_DATASETS_TOKENIZER_FOLDER_H_
#define HOMOLOG_SERVER_DATASETS_TOKENIZER_FOLDER_H_

#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "common/mapped_file.h"
#include "server/datasets/tokenizer.h"

namespace homolog::datasets {

struct TokenizerFolder {
  std::string path;  // of the file that counts: tokenizer.json or vocab.json; empty: there is none
  // The files beside it that are there, by their names without the folder.
  std::map<std::string, std::shared_ptr<const MappedFile>> files;

  // The bytes of the file `name`; empty where it is not there.
  std::string_view Bytes(const std::string& name) const;
  // SHA-256 over names and bytes.
  std::string Digest() const;
};

// Every name that OpenTokenizerFolder may read. server/checkpoints, which may not use this room,
// refuses links of these names that lead out of the repository; a test of it holds the two
// together.
std::span<const char* const> TokenizerFileNames();

// Changes whenever a file of these names appears, changes or goes.
std::string TokenizerFolderSignature(const std::string& folder);

// Finds tokenizer.json, or vocab.json with merges.txt, in `folder`, then in its parent. Errors of
// MappedFile::Open; INVALID_ARGUMENT (reason MALFORMED_TOKENIZER) for a file beyond 32 MiB.
absl::StatusOr<TokenizerFolder> OpenTokenizerFolder(const std::string& folder);

// The tokenizer of a folder that has one. Errors as tokenizer_files.h says.
absl::StatusOr<std::shared_ptr<const Tokenizer>> ParseTokenizer(const TokenizerFolder& folder);

}  // namespace homolog::datasets

#endif  // HOMOLOG_SERVER_DATASETS_TOKENIZER_FOLDER_H_
