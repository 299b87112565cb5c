#include "server/engine/decoder_config.h"

#include <utility>

namespace homolog::engine {

void RefuseWhatNoDecoderHas(ConfigReader& reader) {
  constexpr std::pair<const char*, const char*> kRefused[] = {
      {"add_cross_attention", "only decoders without cross attention are supported"},
      {"is_encoder_decoder", "only decoders are supported"},
      {"pruned_heads", "only models with all their heads are supported"},
      {"quantization_config", "only weights that are not quantised are supported"},
  };
  for (const auto& [key, right] : kRefused) {
    if (reader.Has(key)) reader.Refuse(key, right);
  }
}

void ReadNonlinearity(const std::string& key, const std::string& fallback, ConfigReader& reader,
                      DecoderConfig& config) {
  config.description.nonlinearity = reader.String(key, fallback);
  config.nonlinearity = FindNonlinearity(config.description.nonlinearity);
  if (config.nonlinearity == nullptr) {
    reader.Refuse(key, "supported: " + SupportedNonlinearities());
  }
}

}  // namespace homolog::engine
