// The weight files of one folder, mapped: safetensors or PyTorch's zip, whole or in shards.
//
// Thread-safety: a TensorFiles is immutable; all methods may be called from any thread.
#ifndef HOMOLOG_SERVER_TENSORFILES_TENSOR_FILES_H_
#define HOMOLOG_SERVER_TENSORFILES_TENSOR_FILES_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/mapped_file.h"
#include "server/tensorfiles/tensor_layout.h"

namespace homolog::tensorfiles {

class TensorFiles {
 public:
  // Opens the first that is there of model.safetensors, model.safetensors.index.json,
  // pytorch_model.bin and pytorch_model.bin.index.json, with its shards: the order of transformers.
  //
  // NOT_FOUND (reason WEIGHTS_NOT_FOUND) where there is none of them; UNAVAILABLE
  // (FILE_UNREADABLE); INVALID_ARGUMENT with the file and what is wrong in it where:
  // MALFORMED_SAFETENSORS (common/safetensors.h), the reasons of torch_file.h, GIT_LFS_POINTER,
  // MALFORMED_INDEX also where a shard is missing or holds a tensor that the index does not
  // say to be there. (A tensor that only the index names is left out: converters do so to copies.)
  static absl::StatusOr<TensorFiles> Open(const std::string& folder);

  // A key that changes whenever a file is added to, replaced or written to that Open(folder) would
  // read, or may be one of its shards. Looks at names, sizes and times alone.
  static std::string Signature(const std::string& folder);
  // What Signature said of these very files when they were opened.
  const std::string& signature() const { return signature_; }
  // False where a file was written to since: what was read of them is then no one version.
  bool Unchanged() const;

  // Every tensor, each name once.
  const std::vector<TensorEntry>& entries() const { return entries_; }

  // The bytes of `count` elements from the `first` on, in row-major order: a view into the mapped
  // file where they lie there so, else a copy in `scratch`. Both are within the tensor.
  std::string_view Elements(const TensorEntry& entry, int64_t first, int64_t count,
                            std::string& scratch) const;

  // Gives back the memory that these elements took since they were read, so that loading costs the
  // weights' bytes once: of elements that do not lie one after another, nothing. They can be read
  // again.
  void Release(const TensorEntry& entry, int64_t first, int64_t count) const;
  // The same of the whole tensor, however it lies.
  void Release(const TensorEntry& entry) const;

 private:
  std::vector<std::shared_ptr<const MappedFile>> files_;  // the index, where there is one, is last
  std::vector<TensorEntry> entries_;
  std::string signature_;
};

}  // namespace homolog::tensorfiles

#endif  // HOMOLOG_SERVER_TENSORFILES_TENSOR_FILES_H_
