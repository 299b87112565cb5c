// What a config.json says: a model family with its sizes, before any weight is read.
//
// Thread-safety: an Architecture is immutable.
#ifndef HOMOLOG_SERVER_ENGINE_ARCHITECTURE_H_
#define HOMOLOG_SERVER_ENGINE_ARCHITECTURE_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/engine/model.h"

namespace homolog::engine {

// Weights by canonical name.
using Weights = std::map<std::string, at::Tensor>;

struct WeightSpec {
  std::string name;  // canonical
  std::vector<int64_t> shape;
};

class Architecture {
 public:
  virtual ~Architecture() = default;
  virtual const ModelDescription& description() const = 0;
  // Every weight the model needs, tied ones once.
  virtual std::vector<WeightSpec> weight_specs() const = 0;
  // The canonical name of a tensor in a file of this family (with or without the family's prefix);
  // nothing for buffers that old checkpoints carry and for a copy of a tied weight. Names that the
  // family does not know are returned as they are.
  virtual std::optional<std::string> CanonicalName(std::string_view file_name) const = 0;
  // The model of `weights`, one tensor per weight_specs() of just that shape, all on one device.
  virtual std::unique_ptr<Model> Build(Weights weights) const = 0;
};

// INVALID_ARGUMENT (reason UNSUPPORTED_CONFIG) for an unknown model_type, a missing, non-numeric or
// absurd size, or a setting that changes the result and is not supported: named with its value.
absl::StatusOr<std::unique_ptr<Architecture>> ParseArchitecture(const nlohmann::json& config);

// Parameters of the architecture: the product of the shapes, summed.
int64_t ParameterCount(const Architecture& architecture);

}  // namespace homolog::engine

#endif  // HOMOLOG_SERVER_ENGINE_ARCHITECTURE_H_
