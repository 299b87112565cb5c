// How the state of a computation goes into a file and comes back: each class names its parts once,
// in one order, for both ways.
//
// Thread-safety: belongs to one thread at a time.
#ifndef HOMOLOG_SERVER_ANALYSIS_STATE_ARCHIVE_H_
#define HOMOLOG_SERVER_ANALYSIS_STATE_ARCHIVE_H_

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"

namespace homolog::analysis {

class StateArchive {
 public:
  virtual ~StateArchive() = default;

  // Writes the tensor, or replaces it by the one that was written, on `device`. It may be
  // undefined.
  virtual void Part(at::Tensor& tensor, at::Device device) = 0;
  // The same for bytes of a length that both sides know, and for bytes of any length.
  virtual void Part(std::span<std::byte> bytes) = 0;
  virtual void Part(std::string& bytes) = 0;

  // Numbers and plain structs.
  template <typename Value>
  void Part(Value& value) {
    static_assert(std::is_trivially_copyable_v<Value>);
    Part(std::as_writable_bytes(std::span(&value, 1)));
  }
  template <typename Value>
  void Part(std::vector<Value>& values) {
    static_assert(std::is_trivially_copyable_v<Value>);
    uint64_t size = values.size();
    Part(size);
    values.resize(size);
    Part(std::as_writable_bytes(std::span(values)));
  }
};

// Keeps states of computations, so that they need not begin anew when the process ends before
// their results are stored. Whoever stores those deletes the states.
//
// Thread-safety: called from the computation's thread.
class Snapshots {
 public:
  virtual ~Snapshots() = default;
  // Whether the last one is long enough ago.
  virtual bool IsDue() = 0;
  // Keeps what `write` writes in place of older ones of `key`, which says all that determines the
  // state's shape and meaning. That it could not be kept is no reason to end the computation.
  virtual void Save(const std::string& key,
                    absl::FunctionRef<void(StateArchive& archive)> write) = 0;
  // Calls `read` on the latest intact state of `key`; false where there is none.
  virtual bool Load(const std::string& key,
                    absl::FunctionRef<void(StateArchive& archive)> read) = 0;
};

}  // namespace homolog::analysis

#endif  // HOMOLOG_SERVER_ANALYSIS_STATE_ARCHIVE_H_
