// The baseline against activations that are rotated position by position.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_model.h"
#include "oracle.h"

namespace homolog::analysis {
namespace {

using ::testing::Each;
using ::testing::Gt;

struct Case {
  Pairing pairing;
  BaselineKind baseline;
  int64_t rotations;
};

class BaselineTest : public ::testing::TestWithParam<Case> {
 protected:
  CorrelationOptions Options() const {
    return {.pairing = GetParam().pairing,
            .baseline = GetParam().baseline,
            .rotations = GetParam().rotations,
            .seed = 42};
  }
  const engine::ModelShape shape_ = Shape(3, 20, 400);
  const FakeTokens tokens_ = RandomTokens(2500, 25, 400);
};

TEST_P(BaselineTest, EqualsRotatingEveryPosition) {
  const FakeModel reference = RandomModel(shape_, 1), partner = RandomModel(shape_, 2);
  const CorrelationResult result =
      ExpectCorrelationsMatchTheOracle(reference, {&partner}, tokens_, Options());
  if (GetParam().rotations == 1) {
    EXPECT_THAT(result.partners[0].baseline_std, Each(0));
  } else {
    EXPECT_THAT(result.partners[0].baseline_std, Each(Gt(0)));
  }
}

TEST_P(BaselineTest, WeighsNeuronsByTheirScale) {
  // Scales from 1e-3 to 1e3 within a layer: the loud neurons decide what a rotated neuron does.
  const FakeModel quiet = RandomModel(shape_, 1), partner = RandomModel(shape_, 2);
  auto loud = [](const FakeModel& model) {
    return [&model](int64_t token, int64_t neuron) {
      return model.Activation(engine::Site::kMlpPost, token, 0, neuron) *
             std::pow(10.0, static_cast<double>(neuron % 7 - 3));
    };
  };
  const FakeModel reference(shape_, loud(quiet)), loud_partner(shape_, loud(partner));
  ExpectCorrelationsMatchTheOracle(reference, {&loud_partner}, tokens_, Options());
}

TEST_P(BaselineTest, DoesNotChangeWithTheUnitOfTheActivations) {
  const FakeModel reference = RandomModel(shape_, 1), partner = RandomModel(shape_, 2);
  for (const double unit : {1e-28, 1e-12, 1e12, 1e28}) {
    auto in_unit = [&](const FakeModel& model) {
      return FakeModel(shape_, [&](int64_t token, int64_t neuron) {
        return model.Activation(engine::Site::kMlpPost, token, 0, neuron) * unit;
      });
    };
    const FakeModel a = in_unit(reference), b = in_unit(partner);
    SCOPED_TRACE(unit);
    ExpectCorrelationsMatchTheOracle(a, {&b}, tokens_, Options());
  }
}

INSTANTIATE_TEST_SUITE_P(All, BaselineTest,
                         ::testing::Values(Case{Pairing::kBest, BaselineKind::kGaussian, 1},
                                           Case{Pairing::kBest, BaselineKind::kGaussian, 3},
                                           Case{Pairing::kBest, BaselineKind::kGaussian, 9},
                                           Case{Pairing::kBest, BaselineKind::kOrthogonal, 4},
                                           Case{Pairing::kBest, BaselineKind::kOrthogonal, 1},
                                           Case{Pairing::kBest, BaselineKind::kOrthogonal, 2},
                                           Case{Pairing::kSameIndex, BaselineKind::kGaussian, 3},
                                           Case{Pairing::kSameIndex, BaselineKind::kOrthogonal,
                                                2}));

TEST(BaselineSeedTest, AloneDecidesTheBaseline) {
  const engine::ModelShape shape = Shape(2, 16, 400);
  const FakeModel reference = RandomModel(shape, 1), partner = RandomModel(shape, 2);
  const FakeTokens tokens = RandomTokens(1000, 25, 400);
  auto baseline = [&](uint64_t seed) {
    RunControl control;
    return ComputeCorrelations({&reference, &partner}, tokens, {.seed = seed}, control)
        ->results[0]
        .partners[0]
        .baseline;
  };
  EXPECT_EQ(baseline(1), baseline(1));
  EXPECT_NE(baseline(1), baseline(2));
}

}  // namespace
}  // namespace homolog::analysis
