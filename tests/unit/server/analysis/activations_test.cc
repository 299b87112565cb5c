#include "server/analysis/activations.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_model.h"

namespace homolog::analysis {
namespace {

TEST(ActivationsTest, NothingExcludedIsEveryPosition) {
  EXPECT_FALSE(KeptPositions(at::tensor({1, 2, 3}, at::kLong).view({1, 3}), {}).defined());
}

TEST(ActivationsTest, KeepsThePositionsOfOtherTokens) {
  const at::Tensor tokens = at::tensor({5, 1, 5, 2, 9, 1}, at::kLong).view({2, 3});
  EXPECT_TRUE(at::equal(KeptPositions(tokens, {1, 9}), at::tensor({0, 2, 3}, at::kLong)));
  EXPECT_TRUE(at::equal(KeptPositions(tokens.t(), {1, 9}), at::tensor({0, 1, 4}, at::kLong)));
  EXPECT_EQ(KeptPositions(tokens, {1, 2, 5, 9}).numel(), 0);
  EXPECT_EQ(KeptPositions(tokens, {7}).numel(), 6);
}

void ExpectRows(const FakeModel& model, const at::Tensor& wide, const std::vector<int64_t>& ids) {
  ASSERT_EQ(wide.dim(), 2);
  ASSERT_EQ(wide.size(0), ids.size() + 3);
  ASSERT_EQ(wide.size(1), 10);
  for (size_t row = 0; row < ids.size(); ++row) {
    for (int64_t k = 0; k < 10; ++k) {
      EXPECT_EQ(wide[static_cast<int64_t>(row)][k].item<float>(),
                static_cast<float>(model.Activation(engine::Site::kMlpPost, ids[row], 0, k)));
    }
  }
}

TEST(ActivationsTest, ReadsBatchesOfAnySizeOneAfterAnother) {
  const FakeModel model = RandomModel(Shape(2, 5, 20), 3);
  ActivationReader reader(model, engine::Site::kMlpPost);
  const at::Tensor small = at::tensor({3, 4, 5, 6}, at::kLong).view({2, 2});
  const at::Tensor large = at::tensor({9, 8, 7, 6, 5, 4, 3, 2, 1, 0}, at::kLong).view({2, 5});
  ExpectRows(model, reader.Read(small, at::tensor(std::vector<int64_t>{}, at::kLong), 3), {});
  ExpectRows(model, reader.Read(small, {}, 3), {3, 4, 5, 6});
  ExpectRows(model, reader.Read(large, {}, 3), {9, 8, 7, 6, 5, 4, 3, 2, 1, 0});
  ExpectRows(model, reader.Read(large, at::tensor({0, 3, 9}, at::kLong), 3), {9, 6, 0});
  ExpectRows(model, reader.Read(small, {}, 3), {3, 4, 5, 6});
}

}  // namespace
}  // namespace homolog::analysis
