#include "server/engine/gpt2.h"

#include <ATen/ATen.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "server/engine/config_reader.h"
#include "server/engine/nonlinearity.h"

namespace homolog::engine {
namespace {

struct Gpt2Config {
  ModelDescription description;
  Nonlinearity nonlinearity = nullptr;
  double layer_norm_epsilon = 1e-5;
  bool scale_attention = true;                    // by 1 / sqrt(d_head)
  bool scale_attention_by_inverse_layer = false;  // and by 1 / (layer + 1)
  bool tied_output = true;
};

struct Linear {  // y = x weight + bias, weight [in, out]
  at::Tensor weight, bias;
};

struct Norm {
  at::Tensor weight, bias;
};

struct Block {
  Norm attention_norm, mlp_norm;
  Linear qkv, attention_output, mlp_input, mlp_output;
};

at::Tensor Apply(const Linear& linear, const at::Tensor& x) {
  // One matrix product over all positions of the batch.
  std::vector<int64_t> shape = x.sizes().vec();
  shape.back() = linear.weight.size(1);
  return at::addmm(linear.bias, x.reshape({-1, x.size(-1)}), linear.weight).view(shape);
}

class Gpt2 : public Model {
 public:
  Gpt2(Gpt2Config config, Weights weights) : config_(std::move(config)) {
    auto take = [&](const std::string& name) { return weights.at(name); };
    token_embedding_ = take("wte.weight");
    position_embedding_ = take("wpe.weight");
    final_norm_ = {take("ln_f.weight"), take("ln_f.bias")};
    unembedding_ = config_.tied_output ? token_embedding_ : take("lm_head.weight");
    for (int64_t layer = 0; layer < config_.description.shape.layers; ++layer) {
      const std::string h = absl::StrCat("h.", layer, ".");
      auto linear = [&](const char* name) {
        return Linear{take(absl::StrCat(h, name, ".weight")), take(absl::StrCat(h, name, ".bias"))};
      };
      auto norm = [&](const char* name) {
        return Norm{take(absl::StrCat(h, name, ".weight")), take(absl::StrCat(h, name, ".bias"))};
      };
      blocks_.push_back({norm("ln_1"), norm("ln_2"), linear("attn.c_attn"), linear("attn.c_proj"),
                         linear("mlp.c_fc"), linear("mlp.c_proj")});
    }
  }

  const ModelDescription& description() const override { return config_.description; }
  at::Device device() const override { return token_embedding_.device(); }

  at::Tensor Hidden(const at::Tensor& tokens, const ForwardOptions& options) const override {
    const int64_t positions = tokens.size(1);
    at::Tensor residual = at::embedding(token_embedding_, tokens) +
                          position_embedding_.narrow(0, 0, positions).unsqueeze(0);
    const at::Tensor mask = CausalMask(positions, residual);
    for (int64_t layer = 0; layer < config_.description.shape.layers; ++layer) {
      const Block& block = blocks_[layer];
      residual =
          residual + Attention(block, layer, Normalise(block.attention_norm, residual), mask);
      at::Tensor post = Neurons(block, layer, Normalise(block.mlp_norm, residual), options);
      if (layer == options.last_layer) return {};
      residual = residual + Apply(block.mlp_output, post);
    }
    return Normalise(final_norm_, residual);
  }

  at::Tensor Logits(const at::Tensor& hidden) const override {
    return at::matmul(hidden, unembedding_.t());
  }

 private:
  at::Tensor Normalise(const Norm& norm, const at::Tensor& x) const {
    return at::layer_norm(x, {x.size(-1)}, norm.weight, norm.bias, config_.layer_norm_epsilon);
  }

  // [position, position]: 0 where a position may look, -inf where it would see the future.
  static at::Tensor CausalMask(int64_t positions, const at::Tensor& like) {
    return at::full({positions, positions}, -std::numeric_limits<double>::infinity(),
                    like.options().requires_grad(false))
        .triu(1);
  }

  at::Tensor Attention(const Block& block, int64_t layer, const at::Tensor& x,
                       const at::Tensor& mask) const {
    const int64_t batch = x.size(0), positions = x.size(1), d_model = x.size(2);
    const int64_t heads = config_.description.shape.heads, d_head = d_model / heads;
    const std::vector<at::Tensor> qkv = Apply(block.qkv, x).split(d_model, 2);
    auto by_head = [&](const at::Tensor& t) {  // [batch * head, position, d_head]
      return t.view({batch, positions, heads, d_head})
          .transpose(1, 2)
          .reshape({batch * heads, positions, d_head});
    };
    double scale = config_.scale_attention ? 1.0 / std::sqrt(static_cast<double>(d_head)) : 1.0;
    if (config_.scale_attention_by_inverse_layer) scale /= static_cast<double>(layer + 1);
    // Product, scale and mask in one pass. reorder_and_upcast_attn scales the product, too: it is a
    // setting of precision, and the same function.
    const at::Tensor scores =
        at::baddbmm(mask, by_head(qkv[0]), by_head(qkv[1]).transpose(1, 2), 1.0, scale);
    const at::Tensor mixed = at::bmm(at::softmax(scores, -1), by_head(qkv[2]));
    return Apply(block.attention_output, mixed.view({batch, heads, positions, d_head})
                                             .transpose(1, 2)
                                             .reshape({batch, positions, d_model}));
  }

  // mlp_post of one layer, read and edited as the options say.
  at::Tensor Neurons(const Block& block, int64_t layer, const at::Tensor& x,
                     const ForwardOptions& options) const {
    const at::Tensor pre = Apply(block.mlp_input, x);
    if (options.tap && options.tap_site == Site::kMlpPre) options.tap(layer, pre);
    at::Tensor post = config_.nonlinearity(pre);
    if (options.edit) post = options.edit(layer, post);
    if (options.tap && options.tap_site == Site::kMlpPost) options.tap(layer, post);
    return post;
  }

  const Gpt2Config config_;
  at::Tensor token_embedding_, position_embedding_, unembedding_;
  Norm final_norm_;
  std::vector<Block> blocks_;
};

// A buffer of the causal mask, "h.{layer}.attn.bias" or "h.{layer}.attn.masked_bias".
bool IsMaskBuffer(std::string_view name) {
  const absl::string_view view(name.data(), name.size());
  return absl::StartsWith(view, "h.") &&
         (absl::EndsWith(view, ".attn.bias") || absl::EndsWith(view, ".attn.masked_bias"));
}

class Gpt2Architecture : public Architecture {
 public:
  explicit Gpt2Architecture(Gpt2Config config) : config_(std::move(config)) {}

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
    if (!config_.tied_output) specs.push_back({"lm_head.weight", {s.vocabulary_size, s.d_model}});
    return specs;
  }

  std::optional<std::string> CanonicalName(std::string_view file_name) const override {
    constexpr std::string_view kPrefix = "transformer.";
    if (file_name.substr(0, kPrefix.size()) == kPrefix) file_name.remove_prefix(kPrefix.size());
    if (IsMaskBuffer(file_name)) return std::nullopt;
    if (config_.tied_output && file_name == "lm_head.weight") return std::nullopt;
    return std::string(file_name);
  }

  std::unique_ptr<Model> Build(Weights weights) const override {
    return std::make_unique<Gpt2>(config_, std::move(weights));
  }

 private:
  const Gpt2Config config_;
};

void RefuseUnsupported(ConfigReader& reader) {
  if (reader.Bool("add_cross_attention", false)) {
    reader.Refuse("add_cross_attention", "only decoders without cross attention are supported");
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Architecture>> ParseGpt2(const nlohmann::json& json) {
  constexpr int64_t kWidthLimit = 1 << 20;
  ConfigReader reader(json);
  Gpt2Config config;
  config.description.family = "gpt2";
  ModelShape& shape = config.description.shape;
  shape.layers = reader.Size("n_layer", 1024);
  shape.d_model = reader.Size("n_embd", kWidthLimit);
  shape.heads = reader.Size("n_head", kWidthLimit);
  shape.d_mlp = reader.Size("n_inner", kWidthLimit, 4 * shape.d_model);
  shape.vocabulary_size = reader.Size("vocab_size", 1 << 24);
  shape.context_length = reader.Size("n_positions", 1 << 24);
  if (shape.d_model % shape.heads != 0) {
    reader.Refuse("n_head", absl::StrCat("it must divide n_embd, which is ", shape.d_model));
  }
  config.layer_norm_epsilon = reader.Positive("layer_norm_epsilon", 1e-5);
  config.scale_attention = reader.Bool("scale_attn_weights", true);
  config.scale_attention_by_inverse_layer = reader.Bool("scale_attn_by_inverse_layer_idx", false);
  config.tied_output = reader.Bool("tie_word_embeddings", true);
  config.description.nonlinearity = reader.String("activation_function", "gelu_new");
  config.nonlinearity = FindNonlinearity(config.description.nonlinearity);
  if (config.nonlinearity == nullptr) {
    reader.Refuse("activation_function", "supported: " + SupportedNonlinearities());
  }
  RefuseUnsupported(reader);
  if (!reader.status().ok()) return reader.status();
  return std::make_unique<Gpt2Architecture>(std::move(config));
}

}  // namespace homolog::engine
