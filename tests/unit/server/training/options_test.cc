#include "server/training/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace homolog::training {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Arguments = std::vector<std::string>;

Arguments With(const Arguments& more) {
  Arguments all = {"--text", "t", "--out", "o", "--model", "seed"};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

Options Parse(const Arguments& more, int64_t cores = 2) {
  const auto options = ParseOptions(With(more), cores);
  EXPECT_TRUE(options.ok()) << options.status();
  return options.ok() ? *options : Options();
}

std::string Refusal(const Arguments& arguments) {
  const auto options = ParseOptions(arguments, 2);
  EXPECT_EQ(options.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(options.status().message());
}

TEST(OptionsTest, HasTheBaselineRecipeByDefault) {
  const Options options = Parse({});
  Recipe recipe;
  Resolve(recipe);
  EXPECT_EQ(options.recipe, recipe);
  EXPECT_THAT(options.seeds, ElementsAre(0));
  EXPECT_EQ(options.ModelId(12), "seed12");
  EXPECT_FALSE(options.overwrite);
}

TEST(OptionsTest, ReadsEveryValue) {
  const Options o = Parse({"--seeds",
                           "3,1,2",
                           "--layers",
                           "4",
                           "--d-model",
                           "32",
                           "--heads",
                           "8",
                           "--d-mlp",
                           "96",
                           "--context",
                           "16",
                           "--activation",
                           "gelu_new",
                           "--untied-output",
                           "--batch",
                           "5",
                           "--steps",
                           "40",
                           "--checkpoints",
                           "10,20",
                           "--warm-up",
                           "7",
                           "--learning-rate",
                           "1e-3",
                           "--beta1",
                           "0.8",
                           "--beta2",
                           "0.95",
                           "--epsilon",
                           "1e-7",
                           "--weight-decay",
                           "0",
                           "--init-std",
                           "0.1",
                           "--final-fraction",
                           "0.5",
                           "--gradient-clip=0",
                           "--eval-interval=9",
                           "--held-out-fraction=0.1",
                           "--held-out-windows=3"});
  EXPECT_THAT(o.seeds, ElementsAre(3, 1, 2));
  const Recipe expected = {.layers = 4,
                           .d_model = 32,
                           .heads = 8,
                           .d_mlp = 96,
                           .context = 16,
                           .vocabulary = 256,
                           .tied_output = false,
                           .activation = "gelu_new",
                           .init_std = 0.1,
                           .steps = 40,
                           .checkpoints = {10, 20, 40},
                           .batch = 5,
                           .learning_rate = 1e-3,
                           .beta1 = 0.8,
                           .beta2 = 0.95,
                           .epsilon = 1e-7,
                           .weight_decay = 0,
                           .warm_up = 7,
                           .final_fraction = 0.5,
                           .gradient_clip = 0,
                           .held_out_fraction = 0.1,
                           .held_out_windows = 3,
                           .eval_interval = 9};
  EXPECT_EQ(o.recipe, expected);
}

TEST(OptionsTest, LetsFlagsOverrideAPresetWhereverTheyStand) {
  for (const Arguments& arguments :
       {Arguments{"--preset", "gpt2-small", "--steps", "0", "--layers", "3"},
        Arguments{"--layers", "3", "--steps", "0", "--preset=gpt2-small"}}) {
    const Options options = Parse(arguments);
    EXPECT_EQ(options.recipe.layers, 3);
    EXPECT_EQ(options.recipe.d_model, 768);
    EXPECT_EQ(options.recipe.d_mlp, 3072);
    EXPECT_THAT(options.recipe.checkpoints, ElementsAre(0));
  }
}

TEST(OptionsTest, NeedsNoTextWithoutSteps) {
  EXPECT_TRUE(ParseOptions({"--out", "o", "--model", "m", "--steps", "0"}, 2).ok());
  EXPECT_THAT(Refusal({"--out", "o", "--model", "m"}), HasSubstr("--text is missing"));
}

TEST(OptionsTest, SharesOutTheCores) {
  EXPECT_EQ(Parse({}, 8).threads, 8);
  EXPECT_EQ(Parse({"--seeds", "0,1,2"}, 8).threads, 2);
  EXPECT_EQ(Parse({"--seeds", "0,1,2"}, 2).threads, 1);
  EXPECT_EQ(Parse({"--seeds", "0,1,2", "--jobs", "1"}, 8).threads, 8);
  EXPECT_EQ(Parse({"--threads", "3"}, 8).threads, 3);
}

TEST(OptionsTest, RunsUpToTwoProcessesPerCoreAtOnce) {
  EXPECT_EQ(Parse({"--seeds", "0,1,2"}, 2).jobs, 3);
  EXPECT_EQ(Parse({"--seeds", "0,1,2,3,4"}, 2).jobs, 4);
  EXPECT_EQ(Parse({"--seeds", "0,1,2", "--jobs", "2"}, 8).jobs, 2);
}

TEST(OptionsTest, RefusesValuesByFlagValueAndWhatWouldBeRight) {
  EXPECT_THAT(Refusal(With({"--layers", "two"})), HasSubstr("--layers is \"two\"; must be an int"));
  EXPECT_THAT(Refusal(With({"--beta1", "x"})), HasSubstr("--beta1 is \"x\"; must be a number"));
  EXPECT_THAT(Refusal(With({"--seeds", "0,,1"})), HasSubstr("--seeds is \"0,,1\""));
  EXPECT_THAT(Refusal(With({"--seeds", "1,1"})), HasSubstr("1 twice"));
  EXPECT_THAT(Refusal(With({"--seeds", "-1"})), HasSubstr("--seeds is -1"));
  EXPECT_THAT(Refusal(With({"--seeds", "4294967296"})), HasSubstr("4294967295"));
  EXPECT_THAT(Refusal(With({"--jobs", "-1"})), HasSubstr("--jobs is -1"));
  EXPECT_THAT(Refusal(With({"--threads", "5000"})), HasSubstr("--threads is 5000"));
  EXPECT_THAT(Refusal(With({"--preset", "huge"})), HasSubstr("--preset is \"huge\""));
  EXPECT_THAT(Refusal(With({"--layers", "0"})), HasSubstr("--layers is 0"));
  EXPECT_THAT(Refusal({"--text", "t", "--out", "o", "--model", "a/b"}), HasSubstr("a/b"));
}

TEST(OptionsTest, RefusesFlagsItDoesNotKnow) {
  EXPECT_THAT(Refusal(With({"--leyers", "2"})), AllOf(HasSubstr("--leyers"), HasSubstr("--help")));
  EXPECT_THAT(Refusal(With({"stray"})), HasSubstr("stray"));
  EXPECT_THAT(Refusal(With({"--layers", "2", "--layers", "3"})), HasSubstr("--layers"));
  EXPECT_THAT(Refusal({"--text", "t", "--out", "o"}), HasSubstr("--model"));
}

TEST(OptionsTest, ExplainsItselfAndItsExitCodes) {
  const auto options = ParseOptions({"--help"}, 2);
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_THAT(options->help, AllOf(HasSubstr("--learning-rate"), HasSubstr("Exit codes")));
}

TEST(OptionsTest, KnowsAWorker) {
  EXPECT_FALSE(Parse({}).worker_seed.has_value());
  Arguments arguments = {"--seeds", "7,8"};
  for (const std::string& more : WorkerArguments(8)) arguments.push_back(more);
  EXPECT_EQ(Parse(arguments).worker_seed, 8);
}

}  // namespace
}  // namespace homolog::training
