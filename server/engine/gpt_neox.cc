#include "server/engine/gpt_neox.h"

#include <cmath>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/engine/config_reader.h"
#include "server/engine/decoder.h"
#include "server/engine/decoder_config.h"
#include "server/engine/layers.h"

namespace homolog::engine {
namespace {

struct GptNeoxOptions {
  double epsilon = 1e-5;  // of the norms
  bool tied_output = false;
  bool attention_bias = true;
};

// "layers.{layer}.attention." of "bias" and "masked_bias", buffers of the causal mask, and of
// "rotary_emb.inv_freq", whose values config.json gives.
bool IsBuffer(std::string_view name) {
  const absl::string_view view(name.data(), name.size());
  if (!absl::StartsWith(view, "layers.")) return false;
  return absl::EndsWith(view, ".attention.bias") ||
         absl::EndsWith(view, ".attention.masked_bias") ||
         absl::EndsWith(view, ".rotary_emb.inv_freq");
}

class GptNeoxArchitecture : public Architecture {
 public:
  GptNeoxArchitecture(DecoderConfig config, GptNeoxOptions options)
      : config_(std::move(config)), options_(options) {}

  const ModelDescription& description() const override { return config_.description; }

  std::vector<WeightSpec> weight_specs() const override {
    const ModelShape& s = config_.description.shape;
    std::vector<WeightSpec> specs = {{"embed_in.weight", {s.vocabulary_size, s.d_model}}};
    auto linear = [&](const std::string& name, int64_t in, int64_t out, bool bias = true) {
      specs.push_back({name + ".weight", {out, in}});
      if (bias) specs.push_back({name + ".bias", {out}});
    };
    auto norm = [&](const std::string& name) {
      specs.push_back({name + ".weight", {s.d_model}});
      specs.push_back({name + ".bias", {s.d_model}});
    };
    for (int64_t layer = 0; layer < s.layers; ++layer) {
      const std::string h = absl::StrCat("layers.", layer, ".");
      norm(h + "input_layernorm");
      linear(h + "attention.query_key_value", s.d_model, 3 * s.d_model, options_.attention_bias);
      linear(h + "attention.dense", s.d_model, s.d_model, options_.attention_bias);
      norm(h + "post_attention_layernorm");
      linear(h + "mlp.dense_h_to_4h", s.d_model, s.d_mlp);
      linear(h + "mlp.dense_4h_to_h", s.d_mlp, s.d_model);
    }
    norm("final_layer_norm");
    if (!options_.tied_output)
      specs.push_back({"embed_out.weight", {s.vocabulary_size, s.d_model}});
    return specs;
  }

  std::optional<std::string> CanonicalName(std::string_view file_name) const override {
    constexpr std::string_view kPrefix = "gpt_neox.";
    if (file_name.substr(0, kPrefix.size()) == kPrefix) file_name.remove_prefix(kPrefix.size());
    if (IsBuffer(file_name)) return std::nullopt;
    if (options_.tied_output && file_name == "embed_out.weight") return std::nullopt;
    return std::string(file_name);
  }

  std::unique_ptr<Model> Build(Weights weights) const override {
    DecoderWeights decoder;
    decoder.token_embedding = weights.at("embed_in.weight");
    decoder.unembedding =
        options_.tied_output ? decoder.token_embedding : weights.at("embed_out.weight");
    decoder.final_norm = TakeNorm(weights, "final_layer_norm", options_.epsilon);
    for (int64_t layer = 0; layer < config_.description.shape.layers; ++layer) {
      const std::string h = absl::StrCat("layers.", layer, ".");
      auto norm = [&](const char* name) { return TakeNorm(weights, h + name, options_.epsilon); };
      auto linear = [&](const char* name) {
        return TakeLinear(weights, h + name, LinearLayout::kOutputFirst);
      };
      decoder.blocks.push_back({norm("input_layernorm"), norm("post_attention_layernorm"),
                                linear("attention.query_key_value"), linear("attention.dense"),
                                linear("mlp.dense_h_to_4h"), linear("mlp.dense_4h_to_h")});
    }
    return MakeDecoder(config_, std::move(decoder));
  }

 private:
  const DecoderConfig config_;
  const GptNeoxOptions options_;
};

// A setting that releases of transformers kept in different places; what two of them say must
// agree.
double ReadMoved(const std::vector<std::pair<ConfigReader*, const char*>>& places,
                 double fallback) {
  std::optional<double> value;
  for (const auto& [reader, key] : places) {
    const std::optional<double> found = reader->Positive(key);
    if (found && value && *found != *value) {
      reader->Refuse(key, absl::StrCat("another key says ", *value, "; they must agree"));
    }
    if (found) value = found;
  }
  return value.value_or(fallback);
}

// Refuses every way of stretching positions beyond those that the model was trained on.
void RefuseScaledPositions(ConfigReader& rope) {
  for (const char* key : {"rope_type", "type"}) {
    const std::string type = rope.String(key, "default");
    if (type != "default") rope.Refuse(key, "it must be \"default\" or absent");
  }
}

// Where the share of dimensions that turn was found.
const char* SharesKey(const ConfigReader& reader) {
  for (const char* key : {"rotary_pct", "partial_rotary_factor", "rope_parameters"}) {
    if (reader.Has(key)) return key;
  }
  return "rope_scaling";
}

RotaryConfig ReadRotary(const ModelShape& shape, ConfigReader& reader) {
  ConfigReader parameters = reader.Section("rope_parameters");
  ConfigReader scaling = reader.Section("rope_scaling");
  RefuseScaledPositions(parameters);
  RefuseScaledPositions(scaling);
  RotaryConfig rotary;
  rotary.base = ReadMoved({{&reader, "rotary_emb_base"},
                           {&reader, "rope_theta"},
                           {&parameters, "rope_theta"},
                           {&scaling, "rope_theta"}},
                          10000);
  const double share = ReadMoved({{&reader, "rotary_pct"},
                                  {&reader, "partial_rotary_factor"},
                                  {&parameters, "partial_rotary_factor"},
                                  {&scaling, "partial_rotary_factor"}},
                                 0.25);
  const int64_t d_head = shape.d_model / shape.heads;
  rotary.dimensions = static_cast<int64_t>(std::min(share, 2.0) * static_cast<double>(d_head));
  // An odd number of dimensions is rounded up: see Rotary.
  if (rotary.dimensions < 1 || rotary.dimensions + rotary.dimensions % 2 > d_head) {
    reader.Refuse(SharesKey(reader),
                  absl::StrCat("it turns ", rotary.dimensions, " of the ", d_head,
                               " dimensions of a head; must be pairs, from 1 to ", d_head / 2));
  }
  reader.MergeStatus(parameters);
  reader.MergeStatus(scaling);
  return rotary;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Architecture>> ParseGptNeox(const nlohmann::json& json) {
  ConfigReader reader(json);
  RefuseWhatNoDecoderHas(reader);
  DecoderConfig config;
  config.description.family = "gpt_neox";
  config.qkv_order = QkvOrder::kByHead;
  ModelShape& shape = config.description.shape;
  shape.layers = reader.Size("num_hidden_layers", kLayerLimit);
  shape.d_model = reader.Size("hidden_size", kWidthLimit);
  shape.heads = reader.Size("num_attention_heads", kWidthLimit);
  shape.d_mlp = reader.Size("intermediate_size", kWidthLimit);
  shape.vocabulary_size = reader.Size("vocab_size", kTableLimit);
  shape.context_length = reader.Size("max_position_embeddings", kTableLimit);
  if (shape.d_model % shape.heads != 0) {
    reader.Refuse("num_attention_heads",
                  absl::StrCat("it must divide hidden_size, which is ", shape.d_model));
  }
  config.rotary = ReadRotary(shape, reader);
  config.parallel_residual = reader.Bool("use_parallel_residual", true);
  const auto d_head = static_cast<double>(shape.d_model / shape.heads);
  config.attention_scale.assign(shape.layers, 1.0 / std::sqrt(d_head));
  GptNeoxOptions options;
  options.epsilon = reader.Positive("layer_norm_eps", 1e-5);
  options.tied_output = reader.Bool("tie_word_embeddings", false);
  options.attention_bias = reader.Bool("attention_bias", true);
  ReadNonlinearity("hidden_act", "gelu", reader, config);
  if (!reader.status().ok()) return reader.status();
  return std::make_unique<GptNeoxArchitecture>(std::move(config), options);
}

}  // namespace homolog::engine
