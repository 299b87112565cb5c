#include "server/engine/gpt2.h"

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

// A buffer of the causal mask, "h.{layer}.attn.bias" or "h.{layer}.attn.masked_bias".
bool IsMaskBuffer(std::string_view name) {
  const absl::string_view view(name.data(), name.size());
  return absl::StartsWith(view, "h.") &&
         (absl::EndsWith(view, ".attn.bias") || absl::EndsWith(view, ".attn.masked_bias"));
}

class Gpt2Architecture : public Architecture {
 public:
  Gpt2Architecture(DecoderConfig config, double epsilon, bool tied_output)
      : config_(std::move(config)), epsilon_(epsilon), tied_output_(tied_output) {}

  const ModelDescription& description() const override { return config_.description; }

  std::vector<WeightSpec> weight_specs() const override {
    const ModelShape& s = config_.description.shape;
    std::vector<WeightSpec> specs = {{"wte.weight", {s.vocabulary_size, s.d_model}},
                                     {"wpe.weight", {s.context_length, s.d_model}}};
    auto linear = [&](const std::string& name, int64_t in, int64_t out) {
      specs.push_back({name + ".weight", {in, out}});
      specs.push_back({name + ".bias", {out}});
    };
    auto norm = [&](const std::string& name) {
      specs.push_back({name + ".weight", {s.d_model}});
      specs.push_back({name + ".bias", {s.d_model}});
    };
    for (int64_t layer = 0; layer < s.layers; ++layer) {
      const std::string h = absl::StrCat("h.", layer, ".");
      norm(h + "ln_1");
      linear(h + "attn.c_attn", s.d_model, 3 * s.d_model);
      linear(h + "attn.c_proj", s.d_model, s.d_model);
      norm(h + "ln_2");
      linear(h + "mlp.c_fc", s.d_model, s.d_mlp);
      linear(h + "mlp.c_proj", s.d_mlp, s.d_model);
    }
    norm("ln_f");
    if (!tied_output_) specs.push_back({"lm_head.weight", {s.vocabulary_size, s.d_model}});
    return specs;
  }

  std::optional<std::string> CanonicalName(std::string_view file_name) const override {
    constexpr std::string_view kPrefix = "transformer.";
    if (file_name.substr(0, kPrefix.size()) == kPrefix) file_name.remove_prefix(kPrefix.size());
    if (IsMaskBuffer(file_name)) return std::nullopt;
    if (tied_output_ && file_name == "lm_head.weight") return std::nullopt;
    return std::string(file_name);
  }

  std::unique_ptr<Model> Build(Weights weights) const override {
    DecoderWeights decoder;
    decoder.token_embedding = weights.at("wte.weight");
    decoder.position_embedding = weights.at("wpe.weight");
    decoder.unembedding = tied_output_ ? decoder.token_embedding : weights.at("lm_head.weight");
    decoder.final_norm = TakeNorm(weights, "ln_f", epsilon_);
    for (int64_t layer = 0; layer < config_.description.shape.layers; ++layer) {
      const std::string h = absl::StrCat("h.", layer, ".");
      auto norm = [&](const char* name) { return TakeNorm(weights, h + name, epsilon_); };
      auto linear = [&](const char* name) {
        return TakeLinear(weights, h + name, LinearLayout::kInputFirst);
      };
      decoder.blocks.push_back({norm("ln_1"), norm("ln_2"), linear("attn.c_attn"),
                                linear("attn.c_proj"), linear("mlp.c_fc"), linear("mlp.c_proj")});
    }
    return MakeDecoder(config_, std::move(decoder));
  }

 private:
  const DecoderConfig config_;
  const double epsilon_;  // of the norms
  const bool tied_output_;
};

// By 1 / sqrt(d_head), and by 1 / (layer + 1), as asked. reorder_and_upcast_attn scales in another
// order and precision: in float32 the same function.
std::vector<double> AttentionScale(const ModelShape& shape, ConfigReader& reader) {
  const bool by_width = reader.Bool("scale_attn_weights", true);
  const bool by_layer = reader.Bool("scale_attn_by_inverse_layer_idx", false);
  reader.Bool("reorder_and_upcast_attn", false);
  const auto d_head = static_cast<double>(shape.d_model / shape.heads);
  std::vector<double> scale;
  for (int64_t layer = 0; layer < shape.layers; ++layer) {
    scale.push_back((by_width ? 1.0 / std::sqrt(d_head) : 1.0) /
                    (by_layer ? static_cast<double>(layer + 1) : 1.0));
  }
  return scale;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Architecture>> ParseGpt2(const nlohmann::json& json) {
  ConfigReader reader(json);
  RefuseWhatNoDecoderHas(reader);
  DecoderConfig config;
  config.description.family = "gpt2";
  ModelShape& shape = config.description.shape;
  shape.layers = reader.Size("n_layer", kLayerLimit);
  shape.d_model = reader.Size("n_embd", kWidthLimit);
  shape.heads = reader.Size("n_head", kWidthLimit);
  shape.d_mlp = reader.Size("n_inner", kWidthLimit, 4 * shape.d_model);
  shape.vocabulary_size = reader.Size("vocab_size", kTableLimit);
  shape.context_length = reader.Size("n_positions", kTableLimit);
  if (shape.d_model % shape.heads != 0) {
    reader.Refuse("n_head", absl::StrCat("it must divide n_embd, which is ", shape.d_model));
  }
  config.attention_scale = AttentionScale(shape, reader);
  const double epsilon = reader.Positive("layer_norm_epsilon", 1e-5);
  const bool tied_output = reader.Bool("tie_word_embeddings", true);
  ReadNonlinearity("activation_function", "gelu_new", reader, config);
  if (!reader.status().ok()) return reader.status();
  return std::make_unique<Gpt2Architecture>(std::move(config), epsilon, tied_output);
}

}  // namespace homolog::engine
