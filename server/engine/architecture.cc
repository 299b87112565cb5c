#include "server/engine/architecture.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "server/engine/config_reader.h"
#include "server/engine/gpt2.h"
#include "server/engine/gpt_neox.h"

namespace homolog::engine {
namespace {

using Parser = absl::StatusOr<std::unique_ptr<Architecture>> (*)(const nlohmann::json&);

// The families, by Hugging Face's model_type: one line each.
constexpr std::pair<std::string_view, Parser> kFamilies[] = {
    {"gpt2", ParseGpt2},
    {"gpt_neox", ParseGptNeox},
};

}  // namespace

absl::StatusOr<std::unique_ptr<Architecture>> ParseArchitecture(const nlohmann::json& config) {
  if (!config.is_object()) {
    return InvalidArgument("UNSUPPORTED_CONFIG", "config.json must be a JSON object");
  }
  ConfigReader reader(config);
  const std::string model_type = reader.String("model_type", "");
  std::string supported;
  for (const auto& [name, parse] : kFamilies) {
    if (name == model_type) return parse(config);
    absl::StrAppend(&supported, supported.empty() ? "" : ", ",
                    absl::string_view(name.data(), name.size()));
  }
  reader.Refuse("model_type", absl::StrCat("supported: ", supported));
  return reader.status();
}

int64_t ParameterCount(const Architecture& architecture) {
  int64_t count = 0;
  for (const WeightSpec& spec : architecture.weight_specs()) {
    int64_t elements = 1;
    for (const int64_t size : spec.shape) elements *= size;
    count += elements;
  }
  return count;
}

}  // namespace homolog::engine
