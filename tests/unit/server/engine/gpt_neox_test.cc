// The GPT-NeoX settings that the golden case does not have, against a naive model in float64 that
// the golden case itself vouches for.
#include "server/engine/gpt_neox.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "tests/unit/server/engine/golden.h"
#include "tests/unit/server/engine/measures.h"

namespace homolog::engine {
namespace {

using Json = nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;

Json TinyConfig() {
  return {{"model_type", "gpt_neox"},     {"num_hidden_layers", 2},  {"hidden_size", 24},
          {"num_attention_heads", 3},     {"intermediate_size", 40}, {"vocab_size", 50},
          {"max_position_embeddings", 16}};
}

Json With(Json config, const std::string& key, const Json& value) {
  config[key] = value;
  return config;
}

// GPTNeoXForCausalLM, one sequence, position by position in float64.
class NaiveGptNeox {
 public:
  NaiveGptNeox(Json config, const Weights& weights) : config_(std::move(config)) {
    for (const auto& [name, value] : weights) weights_[name] = value.to(at::kDouble);
  }

  at::Tensor Logits(const at::Tensor& tokens) {  // [position] to [position, vocabulary]
    std::vector<at::Tensor> x;
    for (int64_t i = 0; i < tokens.size(0); ++i) {
      x.push_back(weights_.at("embed_in.weight")[tokens[i].item<int64_t>()]);
    }
    for (int64_t layer = 0; layer < config_["num_hidden_layers"]; ++layer) Block(layer, x);
    std::vector<at::Tensor> logits;
    for (const at::Tensor& position : x) {
      const bool tied = config_.value("tie_word_embeddings", false);
      logits.push_back(weights_.at(tied ? "embed_in.weight" : "embed_out.weight")
                           .mv(Norm("final_layer_norm", position)));
    }
    return at::stack(logits);
  }

 private:
  at::Tensor Norm(const std::string& name, const at::Tensor& x) {
    const at::Tensor centred = x - x.mean();
    const at::Tensor deviation =
        (centred.square().mean() + config_.value("layer_norm_eps", 1e-5)).sqrt();
    return centred / deviation * weights_.at(name + ".weight") + weights_.at(name + ".bias");
  }

  at::Tensor Dense(const std::string& name, const at::Tensor& x) {
    const at::Tensor y = weights_.at(name + ".weight").mv(x);
    return weights_.contains(name + ".bias") ? y + weights_.at(name + ".bias") : y;
  }

  // Each pair of the first n dimensions is a complex number that turns; an odd n is rounded up for
  // the pairs, and only for them.
  void Turn(double* head, int64_t d_head, int64_t position) {
    const auto n = static_cast<int64_t>(config_.value("rotary_pct", 0.25) * d_head);
    const int64_t pairs = (n + 1) / 2;
    for (int64_t i = 0; i < pairs; ++i) {
      const double base = config_.value("rotary_emb_base", 10000.0);
      const double angle = position / std::pow(base, 2.0 * i / n);
      const double a = head[i], b = head[i + pairs];
      head[i] = a * std::cos(angle) - b * std::sin(angle);
      head[i + pairs] = a * std::sin(angle) + b * std::cos(angle);
    }
  }

  std::vector<at::Tensor> Attention(const std::string& h, const std::vector<at::Tensor>& x) {
    const int64_t d = config_["hidden_size"], heads = config_["num_attention_heads"];
    const int64_t d_head = d / heads;
    std::vector<at::Tensor> qkv, out;
    for (size_t i = 0; i < x.size(); ++i) {
      qkv.push_back(Dense(h + "attention.query_key_value", Norm(h + "input_layernorm", x[i]))
                        .view({heads, 3, d_head})
                        .contiguous());
      for (int64_t head = 0; head < heads; ++head) {
        for (int64_t kind : {0, 1}) Turn(qkv[i][head][kind].data_ptr<double>(), d_head, i);
      }
    }
    for (size_t i = 0; i < x.size(); ++i) {
      at::Tensor mixed = at::zeros({heads, d_head}, at::kDouble);
      for (int64_t head = 0; head < heads; ++head) {
        double sum = 0;
        for (size_t j = 0; j <= i; ++j) {
          const double weight =
              std::exp(qkv[i][head][0].dot(qkv[j][head][1]).item<double>() / std::sqrt(d_head));
          mixed[head] += weight * qkv[j][head][2];
          sum += weight;
        }
        mixed[head] /= sum;
      }
      out.push_back(Dense(h + "attention.dense", mixed.flatten()));
    }
    return out;
  }

  void Block(int64_t layer, std::vector<at::Tensor>& x) {
    const std::string h = absl::StrCat("layers.", layer, ".");
    const std::vector<at::Tensor> attention = Attention(h, x);
    for (size_t i = 0; i < x.size(); ++i) {
      const at::Tensor attended = x[i] + attention[i];
      const bool parallel = config_.value("use_parallel_residual", true);
      const at::Tensor pre = Dense(h + "mlp.dense_h_to_4h", Norm(h + "post_attention_layernorm",
                                                                 parallel ? x[i] : attended));
      const at::Tensor post = 0.5 * pre * (1 + at::erf(pre / std::sqrt(2.0)));
      x[i] = attended + Dense(h + "mlp.dense_4h_to_h", post);
    }
  }

  const Json config_;
  Weights weights_;
};

Weights RandomWeights(const Architecture& architecture) {
  Weights weights;
  for (const WeightSpec& spec : architecture.weight_specs()) {
    weights[spec.name] = at::randn(spec.shape) * (spec.shape.size() > 1 ? 0.3 : 0.2);
    if (spec.name.ends_with("norm.weight")) weights[spec.name].add_(1);
  }
  return weights;
}

TEST(GptNeoxTest, ItsOracleGivesTheGoldenLogits) {
  const std::string folder = homolog::testing::GoldenFolder() + "/gpt_neox";
  const auto architecture = homolog::testing::ReadArchitecture(folder);
  Weights weights;
  for (const auto& [name, tensor] : homolog::testing::ReadTensors(folder + "/model.safetensors")) {
    if (const auto canonical = architecture->CanonicalName(name)) weights[*canonical] = tensor;
  }
  const auto expected = homolog::testing::ReadTensors(folder + "/expected.safetensors");
  NaiveGptNeox oracle(Json::parse(homolog::testing::ReadWholeFile(folder + "/config.json")),
                      weights);
  EXPECT_LT(LargestDifference(oracle.Logits(expected.at("tokens")[0]), expected.at("logits")[0]),
            1e-5);
}

struct Setting {
  const char* name;
  Json changes;
};

class GptNeoxSettingTest : public ::testing::TestWithParam<Setting> {};

TEST_P(GptNeoxSettingTest, IsWhatTheOracleComputes) {
  Json config = TinyConfig();
  config.update(GetParam().changes);
  const auto architecture = ParseArchitecture(config);
  ASSERT_TRUE(architecture.ok()) << architecture.status();
  const Weights weights = RandomWeights(**architecture);
  const std::unique_ptr<Model> model = (*architecture)->Build(weights);
  const at::Tensor tokens = at::randint(50, {3, 16}, at::kLong);
  const at::Tensor logits = model->Logits(model->Hidden(tokens, {}));
  NaiveGptNeox oracle(config, weights);
  for (int64_t i = 0; i < tokens.size(0); ++i) {
    EXPECT_LT(LargestDifference(logits[i], oracle.Logits(tokens[i])), 5e-5);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Settings, GptNeoxSettingTest,
    ::testing::Values(Setting{"Defaults", Json::object()},
                      Setting{"SequentialResidual", {{"use_parallel_residual", false}}},
                      Setting{"AllDimensionsTurn", {{"rotary_pct", 1.0}}},
                      Setting{"HalfOfThemTurn", {{"rotary_pct", 0.5}}},
                      Setting{"AnOddNumberTurns", {{"rotary_pct", 0.4}}},
                      Setting{"AnotherBase", {{"rotary_emb_base", 77.0}, {"rotary_pct", 0.5}}},
                      Setting{"TiedOutput", {{"tie_word_embeddings", true}}},
                      Setting{"NoAttentionBias", {{"attention_bias", false}}},
                      Setting{"LargeEpsilon", {{"layer_norm_eps", 0.5}}}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(GptNeoxTest, CountsThePublishedParametersOfPythia160m) {
  const auto architecture = ParseArchitecture({{"model_type", "gpt_neox"},
                                               {"num_hidden_layers", 12},
                                               {"hidden_size", 768},
                                               {"num_attention_heads", 12},
                                               {"intermediate_size", 3072},
                                               {"vocab_size", 50304},
                                               {"max_position_embeddings", 2048}});
  ASSERT_TRUE(architecture.ok()) << architecture.status();
  EXPECT_EQ(ParameterCount(**architecture), 162322944);
}

TEST(GptNeoxTest, KnowsTheNamesInFiles) {
  const auto parsed = ParseArchitecture(TinyConfig());
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  const Architecture& architecture = **parsed;
  EXPECT_EQ(architecture.CanonicalName("gpt_neox.embed_in.weight"), "embed_in.weight");
  EXPECT_EQ(architecture.CanonicalName("embed_out.weight"), "embed_out.weight");
  EXPECT_EQ(architecture.CanonicalName("layers.1.mlp.dense_h_to_4h.bias"),
            "layers.1.mlp.dense_h_to_4h.bias");
  for (const char* buffer : {"bias", "masked_bias", "rotary_emb.inv_freq"}) {
    EXPECT_EQ(architecture.CanonicalName(absl::StrCat("gpt_neox.layers.0.attention.", buffer)),
              std::nullopt);
  }
}

TEST(GptNeoxTest, ReadsRotarySettingsWhereverAReleaseOfTransformersPutThem) {
  const Json places[] = {
      {{"rotary_pct", 0.5}, {"rotary_emb_base", 500}},
      {{"partial_rotary_factor", 0.5}, {"rope_theta", 500.0}},
      {{"rope_parameters",
        {{"rope_type", "default"}, {"partial_rotary_factor", 0.5}, {"rope_theta", 500.0}}}},
      {{"rotary_pct", 0.5},
       {"rope_theta", 500},
       {"rotary_emb_base", 500},
       {"rope_scaling", nullptr}}};
  Weights weights;
  at::Tensor first;
  const at::Tensor tokens = at::randint(50, {1, 16}, at::kLong);
  for (const Json& place : places) {
    Json config = TinyConfig();
    config.update(place);
    const auto architecture = ParseArchitecture(config);
    ASSERT_TRUE(architecture.ok()) << architecture.status();
    if (weights.empty()) weights = RandomWeights(**architecture);
    const at::Tensor hidden = (*architecture)->Build(weights)->Hidden(tokens, {});
    if (!first.defined()) first = hidden;
    EXPECT_TRUE(at::equal(hidden, first)) << place;
  }
}

void ExpectRefused(const Json& config, const std::string& key, const std::string& right) {
  const auto architecture = ParseArchitecture(config);
  ASSERT_FALSE(architecture.ok()) << config;
  EXPECT_EQ(ErrorReason(architecture.status()), "UNSUPPORTED_CONFIG");
  EXPECT_THAT(std::string(architecture.status().message()),
              AllOf(HasSubstr(key), HasSubstr(right)));
}

TEST(GptNeoxTest, RefusesWhatItDoesNotSupportByName) {
  const Json tiny = TinyConfig();
  ExpectRefused(With(tiny, "rope_scaling", {{"type", "linear"}, {"factor", 2.0}}),
                "\"rope_scaling.type\" is \"linear\"", "default");
  ExpectRefused(With(tiny, "rope_parameters", {{"rope_type", "yarn"}}),
                "\"rope_parameters.rope_type\" is \"yarn\"", "default");
  ExpectRefused(With(tiny, "rope_parameters", 3), "rope_parameters", "object");
  ExpectRefused(With(With(tiny, "rotary_emb_base", 10000), "rope_theta", 20000), "rope_theta",
                "must agree");
  ExpectRefused(With(tiny, "rotary_pct", 0.1), "it turns 0 of the 8", "pairs, from 1 to 4");
  ExpectRefused(With(tiny, "rotary_pct", 1e300), "rotary_pct", "pairs");
  ExpectRefused(With(tiny, "partial_rotary_factor", 2), "\"partial_rotary_factor\" is 2", "pairs");
  ExpectRefused(With(tiny, "rotary_pct", -1), "rotary_pct", "above 0");
  ExpectRefused(With(tiny, "num_attention_heads", 5), "5", "divide hidden_size, which is 24");
  ExpectRefused(With(tiny, "hidden_act", "laplace"), "\"laplace\"", "gelu");
  ExpectRefused(With(tiny, "quantization_config", {{"bits", 4}}), "quantization_config",
                "quantised");
  Json without = tiny;
  without.erase("intermediate_size");
  ExpectRefused(without, "intermediate_size", "from 1 to");
}

// Tables for every position of this context would take 70 gigabytes.
TEST(GptNeoxTest, MakesNoTablesForPositionsThatNobodyUses) {
  Json config = With(TinyConfig(), "max_position_embeddings", 1 << 24);
  config.update({{"hidden_size", 1024}, {"num_attention_heads", 1}, {"rotary_pct", 1.0}});
  const auto architecture = ParseArchitecture(config);
  ASSERT_TRUE(architecture.ok()) << architecture.status();
  const auto model = (*architecture)->Build(RandomWeights(**architecture));
  EXPECT_EQ(model->Hidden(at::zeros({1, 4}, at::kLong), {}).sizes(), at::IntArrayRef({1, 4, 1024}));
}

TEST(GptNeoxTest, AcceptsWhatADownloadCarries) {
  Json config = TinyConfig();
  config.update({{"architectures", {"GPTNeoXForCausalLM"}},
                 {"torch_dtype", "float16"},
                 {"classifier_dropout", 0.1},
                 {"attention_dropout", 0.0},
                 {"hidden_dropout", 0.0},
                 {"use_cache", true},
                 {"bos_token_id", 0},
                 {"eos_token_id", 0},
                 {"initializer_range", 0.02},
                 {"transformers_version", "4.24.0"},
                 {"id2label", {{"0", "LABEL_0"}}},
                 {"pruned_heads", Json::object()},
                 {"quantization_config", nullptr},
                 {"is_encoder_decoder", false}});
  EXPECT_TRUE(ParseArchitecture(config).ok()) << ParseArchitecture(config).status();
}

}  // namespace
}  // namespace homolog::engine
