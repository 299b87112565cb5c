// What the families read alike from a config.json.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_SERVER_ENGINE_DECODER_CONFIG_H_
#define HOMOLOG_SERVER_ENGINE_DECODER_CONFIG_H_

#include <cstdint>
#include <string>

#include "server/engine/config_reader.h"
#include "server/engine/decoder.h"

namespace homolog::engine {

// Sizes beyond these are a mistake, and their products would overflow.
constexpr int64_t kLayerLimit = 1024;
constexpr int64_t kWidthLimit = 1 << 20;
constexpr int64_t kTableLimit = 1 << 24;  // rows of an embedding

// Refuses the settings that transformers honours in every family and that change what a model
// computes: pruned heads, quantisation, an encoder, cross attention.
void RefuseWhatNoDecoderHas(ConfigReader& reader);

// Fills in the nonlinearity that `key` names.
void ReadNonlinearity(const std::string& key, const std::string& fallback, ConfigReader& reader,
                      DecoderConfig& config);

}  // namespace homolog::engine

#endif  // HOMOLOG_SERVER_ENGINE_DECODER_CONFIG_H_
