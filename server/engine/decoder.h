// A pre-norm decoder: the blocks that the model families have in common. A family turns its
// config.json into a DecoderConfig and its weights into DecoderWeights.
#ifndef HOMOLOG_SERVER_ENGINE_DECODER_H_
#define HOMOLOG_SERVER_ENGINE_DECODER_H_

#include <memory>
#include <optional>
#include <vector>

#include "server/engine/layers.h"
#include "server/engine/model.h"
#include "server/engine/nonlinearity.h"

namespace homolog::engine {

// How the columns of the joint query-key-value product are ordered.
enum class QkvOrder {
  kByKind,  // [q, k, v] x [head, d_head]: GPT-2
  kByHead,  // [head] x [q, k, v, d_head]: GPT-NeoX
};

struct RotaryConfig {
  int64_t dimensions = 0;  // of a head that turn; see Rotary
  double base = 10000;
};

struct DecoderConfig {
  ModelDescription description;
  Nonlinearity nonlinearity = nullptr;
  QkvOrder qkv_order = QkvOrder::kByKind;
  std::vector<double> attention_scale;  // by layer
  std::optional<RotaryConfig> rotary;   // absent: positions are embedded
  // Attention and MLP both read the block's input (Wang and Komatsuzaki 2021, GPT-J); otherwise the
  // MLP reads what attention made of it.
  bool parallel_residual = false;
};

struct DecoderBlock {
  Norm attention_norm, mlp_norm;
  Linear qkv, attention_output, mlp_input, mlp_output;
};

struct DecoderWeights {
  at::Tensor token_embedding;     // [vocabulary, d_model]
  at::Tensor position_embedding;  // [context, d_model]; undefined with rotary positions
  at::Tensor unembedding;         // [vocabulary, d_model]; may be token_embedding
  Norm final_norm;
  std::vector<DecoderBlock> blocks;
};

// All weights on one device, of one floating type.
std::unique_ptr<Model> MakeDecoder(DecoderConfig config, DecoderWeights weights);

}  // namespace homolog::engine

#endif  // HOMOLOG_SERVER_ENGINE_DECODER_H_
