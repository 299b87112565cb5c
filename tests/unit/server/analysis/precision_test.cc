// Data that float32 sums find hard. The bound is definitions.md's: 1e-5 of the float64 definition.
#include <gtest/gtest.h>

#include <cmath>

#include "fake_model.h"
#include "oracle.h"

namespace homolog::analysis {
namespace {

constexpr engine::Site kPost = engine::Site::kMlpPost;

// Models over positions with token ids of their own; `change` says what becomes of an activation.
using Change = std::function<double(double activation, int64_t position, int64_t neuron)>;

void ExpectPrecise(int64_t positions, const engine::ModelShape& size, const Change& change,
                   const CorrelationOptions& options = {}) {
  engine::ModelShape shape = size;
  shape.vocabulary_size = positions;
  const FakeModel a = RandomModel(shape, 1), b = RandomModel(shape, 2);
  auto changed = [&](const FakeModel& model) {
    return FakeModel(shape, [&](int64_t token, int64_t neuron) {
      return change(model.Activation(kPost, token, 0, neuron), token, neuron);
    });
  };
  const FakeModel reference = changed(a), partner = changed(b);
  ExpectCorrelationsMatchTheOracle(reference, {&partner}, CountingTokens(positions, 20), options);
}

TEST(PrecisionTest, MeansAThousandTimesTheDeviation) {
  ExpectPrecise(9000, Shape(2, 12, 0),
                [](double x, int64_t, int64_t neuron) { return x + (neuron % 2 ? 1000 : -3000); });
}

TEST(PrecisionTest, MeansAThousandTimesTheDeviationThatDrift) {
  ExpectPrecise(9000, Shape(2, 12, 0), [](double x, int64_t position, int64_t) {
    return x + 1000 + static_cast<double>(position) * 1e-3;
  });
}

TEST(PrecisionTest, AScaleThatGrows) {
  ExpectPrecise(9000, Shape(2, 12, 0), [](double x, int64_t position, int64_t) {
    return x * std::exp(static_cast<double>(position) / 1000);
  });
}

TEST(PrecisionTest, AScaleThatShrinks) {
  ExpectPrecise(9000, Shape(2, 12, 0), [](double x, int64_t position, int64_t) {
    return x * std::exp(-static_cast<double>(position) / 1000);
  });
}

TEST(PrecisionTest, AFirstBlockUnlikeAllOthers) {
  // Far from the mean of all and narrow: provisional moments are wrong about everything after it.
  ExpectPrecise(100000, Shape(1, 6, 0), [](double x, int64_t position, int64_t) {
    return position < 4080 ? 3 + 0.1 * x : 0.1 * x;
  });
}

TEST(PrecisionTest, AFirstBlockHundredsOfDeviationsAway) {
  ExpectPrecise(100000, Shape(1, 6, 0), [](double x, int64_t position, int64_t neuron) {
    return position < 4080 && neuron % 2 == 0 ? 300 + x : x;
  });
}

TEST(PrecisionTest, NeuronsThatFireOnceInAWhile) {
  ExpectPrecise(60000, Shape(2, 8, 0), [](double x, int64_t position, int64_t neuron) {
    return (position + 1) % (1000 * (neuron / 2 + 1)) == 0 ? 10 + x : 0.01;
  });
}

TEST(PrecisionTest, ActivationsOfTwoValues) {
  // Equal summands: errors of rounding all go one way.
  ExpectPrecise(60000, Shape(2, 8, 0), [](double x, int64_t, int64_t neuron) {
    return x > 0.1 * static_cast<double>(neuron) ? 0.7 : -0.123;
  });
}

TEST(PrecisionTest, ManyBlocks) {
  ExpectPrecise(100000, Shape(1, 6, 0), [](double x, int64_t, int64_t) { return x; });
}

TEST(PrecisionTest, ManyBlocksInWhichEverythingIsAlike) {
  // All neurons follow one feature: correlations near 1, the largest sums there are.
  ExpectPrecise(100000, Shape(1, 6, 0), [](double x, int64_t position, int64_t) {
    return 0.01 * x + std::sin(static_cast<double>(position));
  });
}

TEST(PrecisionTest, WideLayers) {
  // More rows than one tile of the reduction.
  ExpectPrecise(120, Shape(1, 1100, 0), [](double x, int64_t, int64_t) { return x; });
}

TEST(PrecisionTest, WideLayersOfTheSameIndex) {
  ExpectPrecise(120, Shape(1, 1100, 0), [](double x, int64_t, int64_t) { return x; },
                {.pairing = Pairing::kSameIndex});
}

}  // namespace
}  // namespace homolog::analysis
