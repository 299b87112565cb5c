// Python's pickle format as torch.save writes it (protocols 2 to 5), read as data: nothing is
// executed. What would be a call in Python becomes a value that says which call; only the few calls
// that a dictionary of tensors needs are known.
//
// Thread-safety: ParsePickle is pure; a Pickle is immutable.
#ifndef HOMOLOG_SERVER_TENSORFILES_PICKLE_H_
#define HOMOLOG_SERVER_TENSORFILES_PICKLE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace homolog::tensorfiles {

// Limits of what is read; a state dict takes some 250 bytes and 25 values a tensor.
inline constexpr size_t kMaxPickleBytes = 16 << 20;
inline constexpr size_t kMaxPickleValues = 1'000'000;
inline constexpr size_t kMaxPickleDepth = 1000;  // containers that are open at once

enum class PickleKind {
  kNone,
  kBool,          // integer: 0 or 1
  kInteger,       // integer
  kFloat,         // not kept: no tensor needs one
  kString,        // text, UTF-8 not checked
  kBytes,         // text
  kTuple,         // items
  kList,          // items
  kDict,          // items: key, value, key, value ...
  kGlobal,        // text: module and name with a blank between them, "torch FloatStorage"
  kCall,          // items: what is called, its tuple of arguments
  kOrderedDict,   // items as of kDict
  kPersistentId,  // items: the id
};

// "a list", "the global torch.FloatStorage".
std::string PickleKindName(PickleKind kind);

// A value by its place in the Pickle. Values refer to values, and may do so in circles.
using PickleIndex = uint32_t;

struct PickleValue {
  PickleKind kind = PickleKind::kNone;
  int64_t integer = 0;
  std::string_view text;
  std::vector<PickleIndex> items;
};

// The values of one pickle. Each was written once, whatever refers to it, so that all of them
// together take memory in proportion to the pickle's bytes.
class Pickle {
 public:
  const PickleValue& root() const { return values_[root_]; }
  // `index`: of an item of one of the values.
  const PickleValue& value(PickleIndex index) const { return values_[index]; }
  // The number of values, whose indices are below it.
  size_t size() const { return values_.size(); }

 private:
  friend class PickleReader;
  std::vector<PickleValue> values_;
  PickleIndex root_ = 0;
};

// Reads `bytes`, which outlive the result: its texts are views into them. INVALID_ARGUMENT with
// what is wrong at which byte: reason UNSUPPORTED_PICKLE for a global, by its full name
// ("os.system"), or an instruction that no dictionary of tensors needs, and for what is beyond the
// limits; MALFORMED_PICKLE where the bytes break off or make no sense.
absl::StatusOr<Pickle> ParsePickle(std::string_view bytes);

}  // namespace homolog::tensorfiles

#endif  // HOMOLOG_SERVER_TENSORFILES_PICKLE_H_
