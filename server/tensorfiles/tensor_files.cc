#include "server/tensorfiles/tensor_files.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "common/git_lfs.h"
#include "common/safetensors.h"
#include "common/text.h"
#include "server/tensorfiles/shard_index.h"
#include "server/tensorfiles/torch_file.h"

namespace homolog::tensorfiles {
namespace {

namespace fs = std::filesystem;

// A form in which a folder may hold its weights.
struct Form {
  const char* file;
  const char* suffix;  // of the file, or of the shards
  bool sharded;
};

constexpr Form kForms[] = {{"model.safetensors", ".safetensors", false},
                           {"model.safetensors.index.json", ".safetensors", true},
                           {"pytorch_model.bin", ".bin", false},
                           {"pytorch_model.bin.index.json", ".bin", true}};

std::string Path(const std::string& folder, const std::string& file) {
  return absl::StrCat(folder, "/", file);
}

// The form that `folder` has; null where it has none.
const Form* FormOf(const std::string& folder) {
  for (const Form& form : kForms) {
    std::error_code error;
    // What cannot be looked at is there as well: opening it says why not.
    if (fs::exists(Path(folder, form.file), error) || error) return &form;
  }
  return nullptr;
}

// Names of the files in `folder` that may be shards, in order.
std::set<std::string> PossibleShards(const std::string& folder, std::string_view suffix) {
  std::set<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::string name = it->path().filename().string();
    if (name.ends_with(suffix)) names.insert(std::move(name));
  }
  return names;
}

// Signatures by file name, as one.
std::string Join(const std::map<std::string, std::string>& signatures) {
  std::string all;
  for (const auto& [name, signature] : signatures) absl::StrAppend(&all, signature, "\n");
  return all;
}

// The signatures of all files that may have to do with weights in `form`, as they are now.
std::map<std::string, std::string> SignaturesNow(const std::string& folder, const Form& form) {
  std::map<std::string, std::string> signatures;
  signatures[form.file] = FileSignature(Path(folder, form.file));
  if (!form.sharded) return signatures;
  for (const std::string& name : PossibleShards(folder, form.suffix)) {
    signatures[name] = FileSignature(Path(folder, name));
  }
  return signatures;
}

absl::StatusOr<std::vector<TensorEntry>> ParseSafetensorsFile(std::string_view file) {
  HOMOLOG_ASSIGN_OR_RETURN(SafetensorsHeader header, ParseSafetensors(file));
  std::vector<TensorEntry> entries;
  entries.reserve(header.entries.size());
  for (SafetensorsEntry& entry : header.entries) {
    std::vector<int64_t> strides = RowMajorStrides(entry.shape);
    entries.push_back({.name = std::move(entry.name),
                       .dtype = entry.dtype,
                       .shape = std::move(entry.shape),
                       .strides = std::move(strides),
                       .file = 0,
                       .begin = entry.begin,
                       .extent = entry.size});
  }
  return entries;
}

absl::StatusOr<std::vector<TensorEntry>> ParseFile(std::string_view file, const Form& form) {
  HOMOLOG_RETURN_IF_ERROR(RefuseLfsPointer(file));
  return std::string_view(form.suffix) == ".bin" ? ParseTorchFile(file)
                                                 : ParseSafetensorsFile(file);
}

absl::Status MalformedIndex(const Form& form, std::string_view problem) {
  return InvalidArgument(
      "MALFORMED_INDEX",
      absl::StrCat(form.file, ": ", absl::string_view(problem.data(), problem.size())));
}

// The tensors of one shard, each of which the index must have just there.
absl::StatusOr<std::vector<TensorEntry>> ReadShard(const MappedFile& file, const std::string& name,
                                                   const Form& form, const ShardIndex& index) {
  absl::StatusOr<std::vector<TensorEntry>> entries = ParseFile(file.bytes(), form);
  if (!entries.ok()) return Annotate(entries.status(), name);
  for (const TensorEntry& entry : *entries) {
    const auto found = index.files.find(entry.name);
    if (found != index.files.end() && found->second == name) continue;
    return MalformedIndex(
        form, absl::StrCat("the shard ", Quoted(name), " holds the tensor ", Quoted(entry.name),
                           ", which the index ",
                           found == index.files.end()
                               ? std::string("does not name")
                               : absl::StrCat("says to be in ", Quoted(found->second))));
  }
  return entries;
}

struct OpenedFiles {
  std::vector<std::shared_ptr<const MappedFile>> files;
  std::vector<TensorEntry> entries;
};

absl::StatusOr<OpenedFiles> OpenOne(const std::string& folder, const Form& form) {
  OpenedFiles opened;
  HOMOLOG_ASSIGN_OR_RETURN(std::shared_ptr<const MappedFile> file,
                           MappedFile::Open(Path(folder, form.file)));
  absl::StatusOr<std::vector<TensorEntry>> entries = ParseFile(file->bytes(), form);
  if (!entries.ok()) return Annotate(entries.status(), form.file);
  opened.files.push_back(std::move(file));
  opened.entries = *std::move(entries);
  return opened;
}

absl::StatusOr<OpenedFiles> OpenShards(const std::string& folder, const Form& form) {
  OpenedFiles opened;
  HOMOLOG_ASSIGN_OR_RETURN(std::shared_ptr<const MappedFile> index_file,
                           MappedFile::Open(Path(folder, form.file)));
  absl::Status pointer = RefuseLfsPointer(index_file->bytes());
  if (!pointer.ok()) return Annotate(pointer, form.file);
  const absl::StatusOr<ShardIndex> index = ParseShardIndex(index_file->bytes(), form.suffix);
  if (!index.ok()) return Annotate(index.status(), form.file);
  std::set<std::string> shards;
  for (const auto& [tensor, shard] : index->files) shards.insert(shard);
  for (const std::string& shard : shards) {
    absl::StatusOr<std::shared_ptr<const MappedFile>> file = MappedFile::Open(Path(folder, shard));
    if (absl::IsNotFound(file.status())) {
      return MalformedIndex(form, absl::StrCat("the shard ", Quoted(shard), " is not in ", folder));
    }
    HOMOLOG_RETURN_IF_ERROR(file.status());
    HOMOLOG_ASSIGN_OR_RETURN(std::vector<TensorEntry> entries,
                             ReadShard(**file, shard, form, *index));
    for (TensorEntry& entry : entries) {
      entry.file = opened.files.size();
      opened.entries.push_back(std::move(entry));
    }
    opened.files.push_back(*std::move(file));
  }
  opened.files.push_back(std::move(index_file));
  return opened;
}

}  // namespace

absl::StatusOr<TensorFiles> TensorFiles::Open(const std::string& folder) {
  const Form* form = FormOf(folder);
  if (form == nullptr) {
    return NotFound(
        "WEIGHTS_NOT_FOUND",
        absl::StrCat("there are no weights in ", folder, "; it must hold ", kForms[0].file, ", ",
                     kForms[1].file, ", ", kForms[2].file, " or ", kForms[3].file));
  }
  // Before the files are opened: what is replaced from here on has another signature later.
  std::map<std::string, std::string> signatures = SignaturesNow(folder, *form);
  HOMOLOG_ASSIGN_OR_RETURN(OpenedFiles opened,
                           form->sharded ? OpenShards(folder, *form) : OpenOne(folder, *form));
  for (const auto& file : opened.files) {
    signatures[fs::path(file->path()).filename().string()] = file->signature();
  }
  TensorFiles files;
  files.files_ = std::move(opened.files);
  files.entries_ = std::move(opened.entries);
  files.signature_ = Join(signatures);
  return files;
}

std::string TensorFiles::Signature(const std::string& folder) {
  const Form* form = FormOf(folder);
  return form == nullptr ? folder : Join(SignaturesNow(folder, *form));
}

bool TensorFiles::Unchanged() const {
  return std::all_of(files_.begin(), files_.end(),
                     [](const auto& file) { return file->Unchanged(); });
}

std::string_view TensorFiles::Elements(const TensorEntry& entry, int64_t first, int64_t count,
                                       std::string& scratch) const {
  const int64_t element = SafetensorsDtypeSize(entry.dtype);
  const std::string_view file = files_[entry.file]->bytes();
  const auto size = static_cast<size_t>(count * element);
  if (IsRowMajor(entry)) {
    return file.substr(static_cast<size_t>(entry.begin + first * element), size);
  }
  scratch.resize(size);
  CopyRowMajor(file, entry, first, count, scratch.data());
  return scratch;
}

void TensorFiles::Release(const TensorEntry& entry, int64_t first, int64_t count) const {
  if (!IsRowMajor(entry)) return;
  const int64_t element = SafetensorsDtypeSize(entry.dtype);
  files_[entry.file]->Release(static_cast<size_t>(entry.begin + first * element),
                              static_cast<size_t>(count * element));
}

void TensorFiles::Release(const TensorEntry& entry) const {
  files_[entry.file]->Release(static_cast<size_t>(entry.begin), static_cast<size_t>(entry.extent));
}

}  // namespace homolog::tensorfiles
