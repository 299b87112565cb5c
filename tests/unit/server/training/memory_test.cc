#include "server/training/memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/error.h"

namespace homolog::training {
namespace {

TEST(MemoryTest, OfGpt2SmallsWeightsIsHalfAGigabyte) {
  Recipe recipe = *Preset("gpt2-small");
  recipe.steps = 0;
  Resolve(recipe);
  EXPECT_NEAR(MemoryBytes(recipe), 4.0 * 124439808, 1e6);
}

TEST(MemoryTest, RefusesWhatCannotFit) {
  Recipe recipe;
  recipe.d_model = 1 << 20;
  recipe.layers = 1024;
  Resolve(recipe);
  const absl::Status status = CheckMemory(recipe, 3, int64_t{64} << 30);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()),
              ::testing::AllOf(::testing::HasSubstr("64.0 GiB"), ::testing::HasSubstr("--batch")));
}

TEST(MemoryTest, CountsEveryProcess) {
  Recipe recipe;
  Resolve(recipe);
  const int64_t one = static_cast<int64_t>(MemoryBytes(recipe)) + 1;
  EXPECT_TRUE(CheckMemory(recipe, 1, one).ok());
  EXPECT_FALSE(CheckMemory(recipe, 2, one).ok());
}

}  // namespace
}  // namespace homolog::training
