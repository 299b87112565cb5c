#include "server/training/trainer.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "common/error.h"
#include "common/safetensors.h"
#include "server/engine/architecture.h"
#include "server/training/checkpoint.h"
#include "server/training/parameters.h"
#include "temporary_folder.h"
#include "tests/unit/server/engine/golden.h"

namespace homolog::training {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

std::string Text() {
  std::string text;
  for (int i = 0; i < 400; ++i) text += "the quick brown fox " + std::to_string(i % 7) + "\n";
  return text;
}

Recipe Tiny() {
  Recipe recipe;
  recipe.layers = 1;
  recipe.d_model = 16;
  recipe.heads = 2;
  recipe.context = 8;
  recipe.batch = 4;
  recipe.steps = 30;
  recipe.checkpoints = {0, 10};
  recipe.warm_up = 5;
  recipe.learning_rate = 0.02;
  recipe.held_out_windows = 16;
  Resolve(recipe);
  return recipe;
}

class TrainerTest : public ::testing::Test {
 protected:
  Job MakeJob(const Recipe& recipe, int64_t seed, const std::string& model) {
    return {{recipe, seed, corpus_.digest()}, folder_.path() / model, &corpus_};
  }
  std::vector<Report> Train(const Job& job) {
    std::vector<Report> reports;
    const absl::Status status = training::Train(
        job, [&](const Report& report) { reports.push_back(report); }, [] { return false; });
    EXPECT_TRUE(status.ok()) << status;
    return reports;
  }
  std::string Weights(const std::string& model, int64_t step) {
    return Contents(CheckpointFolder(folder_.path() / model, step) / "model.safetensors");
  }

  TemporaryFolder folder_;
  const Corpus corpus_ = *Corpus::Read(folder_.Write("text", Text()), 0.1, 8);
};

TEST_F(TrainerTest, GivesTheSameWeightsForTheSameSeed) {
  Train(MakeJob(Tiny(), 5, "a"));
  Train(MakeJob(Tiny(), 5, "b"));
  for (const int64_t step : {0, 10, 30}) {
    ASSERT_FALSE(Weights("a", step).empty());
    EXPECT_EQ(Weights("a", step), Weights("b", step)) << step;
  }
}

TEST_F(TrainerTest, GivesOtherInitialWeightsAndSamplesForAnotherSeed) {
  const std::vector<Report> first = Train(MakeJob(Tiny(), 5, "a"));
  const std::vector<Report> second = Train(MakeJob(Tiny(), 6, "b"));
  EXPECT_NE(Weights("a", 0), Weights("b", 0));
  EXPECT_NE(Weights("a", 30), Weights("b", 30));
  EXPECT_NE(first[1].training_loss, second[1].training_loss);
}

TEST_F(TrainerTest, Learns) {
  const std::vector<Report> reports = Train(MakeJob(Tiny(), 5, "a"));
  ASSERT_EQ(reports.size(), 31u);
  EXPECT_NEAR(*reports.front().held_out_loss, std::log(256.0), 0.1);
  EXPECT_LT(*reports.back().held_out_loss, 3.5);
}

TEST_F(TrainerTest, ReportsEveryStepAndEvaluatesWhereAsked) {
  Recipe recipe = Tiny();
  recipe.eval_interval = 15;
  std::vector<int64_t> evaluated, saved;
  for (const Report& report : Train(MakeJob(recipe, 5, "a"))) {
    if (report.held_out_loss) evaluated.push_back(report.step);
    if (report.checkpoint) saved.push_back(report.step);
  }
  EXPECT_THAT(evaluated, ElementsAre(0, 10, 15, 30));
  EXPECT_THAT(saved, ElementsAre(0, 10, 30));
}

TEST_F(TrainerTest, RecordsRecipeAndLosses) {
  const std::vector<Report> reports = Train(MakeJob(Tiny(), 5, "a"));
  const auto record = nlohmann::json::parse(Contents(folder_.path() / "a" / "training.json"));
  EXPECT_EQ(record["source"]["recipe"], ToJson(Tiny()));
  EXPECT_EQ(record["source"]["seed"], 5);
  EXPECT_EQ(record["source"]["text_sha256"], corpus_.digest());
  EXPECT_EQ(record["complete"], true);
  ASSERT_EQ(record["evaluations"].size(), 3u);
  EXPECT_EQ(record["evaluations"][2]["step"], 30);
  EXPECT_EQ(record["evaluations"][2]["held_out_loss"], *reports.back().held_out_loss);
}

// The checkpoint as another program sees it: names and shapes of GPT2LMHeadModel's state, the
// held-out loss computed anew from the files.
TEST_F(TrainerTest, WritesWhatHuggingFaceReads) {
  Recipe recipe = Tiny();
  recipe.tied_output = false;
  const std::vector<Report> reports = Train(MakeJob(recipe, 5, "a"));
  const std::string step = (folder_.path() / "a" / "30").string();
  std::string bytes = Contents(step + "/model.safetensors");
  const auto header = ParseSafetensors(bytes);
  ASSERT_TRUE(header.ok()) << header.status();
  EXPECT_EQ(header->metadata.at("format"), "pt");
  std::vector<std::string> names;
  for (const SafetensorsEntry& entry : header->entries) names.push_back(entry.name);
  const std::string h = "transformer.h.0.";
  EXPECT_THAT(names, UnorderedElementsAre(
                         "transformer.wte.weight", "transformer.wpe.weight", h + "ln_1.weight",
                         h + "ln_1.bias", h + "attn.c_attn.weight", h + "attn.c_attn.bias",
                         h + "attn.c_proj.weight", h + "attn.c_proj.bias", h + "ln_2.weight",
                         h + "ln_2.bias", h + "mlp.c_fc.weight", h + "mlp.c_fc.bias",
                         h + "mlp.c_proj.weight", h + "mlp.c_proj.bias", "transformer.ln_f.weight",
                         "transformer.ln_f.bias", "lm_head.weight"));
  const auto model = homolog::testing::ReadModel(step);
  const at::Tensor tokens = corpus_.HeldOut(recipe.held_out_windows);
  const at::Tensor logits = model->Logits(model->Hidden(tokens.narrow(1, 0, 8), {}));
  const at::Tensor loss = -at::log_softmax(logits.to(at::kDouble), -1)
                               .gather(-1, tokens.narrow(1, 1, 8).unsqueeze(-1))
                               .mean();
  EXPECT_NEAR(loss.item<double>(), *reports.back().held_out_loss, 1e-5);
}

TEST_F(TrainerTest, LeavesOutTheOutputMatrixWhereItIsTied) {
  Train(MakeJob(Tiny(), 5, "a"));
  EXPECT_EQ(Weights("a", 30).find("lm_head"), std::string::npos);
}

TEST_F(TrainerTest, WritesTheInitialWeightsWithoutAText) {
  Recipe recipe = Tiny();
  recipe.steps = 0;
  recipe.checkpoints = {0};
  recipe.vocabulary = 1000;
  const Job job = {{recipe, 5, ""}, folder_.path() / "a", nullptr};
  const std::vector<Report> reports = Train(job);
  EXPECT_THAT(reports, ElementsAre(Report{5, 0, std::nullopt, std::nullopt, true}));
  EXPECT_EQ(homolog::testing::ReadModel((folder_.path() / "a" / "0").string())
                ->description()
                .shape.vocabulary_size,
            1000);
}

TEST_F(TrainerTest, StopsBetweenStepsAndKeepsFinishedCheckpoints) {
  int64_t steps = 0;
  const absl::Status status = training::Train(
      MakeJob(Tiny(), 5, "a"), [&](const Report& report) { steps = report.step; },
      [&] { return steps == 12; });
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(CheckpointExists(folder_.path() / "a", 10));
  EXPECT_FALSE(CheckpointExists(folder_.path() / "a", 30));
  const auto record = nlohmann::json::parse(Contents(folder_.path() / "a" / "training.json"));
  EXPECT_EQ(record["complete"], false);
}

TEST_F(TrainerTest, SaysWhenTheLossDiverges) {
  Recipe recipe = Tiny();
  recipe.learning_rate = 10;
  recipe.weight_decay = 100;
  recipe.gradient_clip = 0;
  recipe.warm_up = 0;
  const absl::Status status = training::Train(
      MakeJob(recipe, 5, "a"), [](const Report&) {}, [] { return false; });
  EXPECT_EQ(ErrorReason(status), "DIVERGED") << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("--learning-rate"));
}

}  // namespace
}  // namespace homolog::training
