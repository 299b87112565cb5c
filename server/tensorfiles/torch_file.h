// pytorch_model.bin: what torch.save makes of a dictionary of tensors. A zip file whose data.pkl is
// a pickle that names every tensor with the storage it views, and whose data/<key> are the
// storages' bytes. Nothing of the pickle is executed (pickle.h).
//
// Thread-safety: a pure function.
#ifndef HOMOLOG_SERVER_TENSORFILES_TORCH_FILE_H_
#define HOMOLOG_SERVER_TENSORFILES_TORCH_FILE_H_

#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/tensorfiles/tensor_layout.h"

namespace homolog::tensorfiles {

// The tensors of a whole file's bytes, in the order of the dictionary; a dictionary whose only item
// is "state_dict" stands for that one. Every element of every tensor is within the file. Their
// elements together have at most four times the file's bytes: tied weights share a storage, and an
// expanded tensor repeats elements.
//
// INVALID_ARGUMENT with what is wrong where: reason MALFORMED_ZIP (zip_directory.h),
// UNSUPPORTED_PICKLE and MALFORMED_PICKLE (pickle.h); UNSUPPORTED_TORCH_FILE for the layouts from
// before PyTorch 1.6, with how to convert them, and for big-endian bytes; MALFORMED_TORCH_FILE for
// a dictionary that is not of tensors and for a tensor that does not fit its storage.
absl::StatusOr<std::vector<TensorEntry>> ParseTorchFile(std::string_view file);

}  // namespace homolog::tensorfiles

#endif  // HOMOLOG_SERVER_TENSORFILES_TORCH_FILE_H_
