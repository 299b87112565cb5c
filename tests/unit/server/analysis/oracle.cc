#include "oracle.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>

namespace homolog::analysis {
namespace {

// What one partner's numbers must be.
struct ExpectedPair {
  Columns rho;                        // [reference neuron][partner neuron]
  std::vector<double> max, min;       // by the pairing
  std::vector<double> baseline, std;  // mean and deviation (n - 1) over rotations
};

Columns AllDots(const Columns& a, const Columns& b) {
  Columns dots(a.size(), std::vector<double>(b.size()));
  for (size_t k = 0; k < a.size(); ++k) {
    for (size_t l = 0; l < b.size(); ++l) dots[k][l] = Dot(a[k], b[l]);
  }
  return dots;
}

std::vector<double> Maxima(const Columns& rho, Pairing pairing) {
  std::vector<double> maxima(rho.size());
  for (size_t k = 0; k < rho.size(); ++k) {
    maxima[k] = pairing == Pairing::kSameIndex ? rho[k][k]
                                               : *std::max_element(rho[k].begin(), rho[k].end());
  }
  return maxima;
}

std::vector<double> Minima(const Columns& rho, Pairing pairing) {
  std::vector<double> minima(rho.size());
  for (size_t k = 0; k < rho.size(); ++k) {
    minima[k] = pairing == Pairing::kSameIndex ? rho[k][k]
                                               : *std::min_element(rho[k].begin(), rho[k].end());
  }
  return minima;
}

ExpectedPair Expected(const Columns& reference, const Columns& partner,
                      const engine::ModelShape& shape, const CorrelationOptions& options) {
  const Columns standardised = Standardised(reference);
  ExpectedPair expected;
  expected.rho = AllDots(standardised, Standardised(partner));
  expected.max = Maxima(expected.rho, options.pairing);
  expected.min = Minima(expected.rho, options.pairing);
  std::vector<std::vector<double>> baselines;  // [rotation][neuron]
  for (int64_t i = 0; i < options.rotations; ++i) {
    const Columns rotated = Standardised(RotatedColumns(partner, shape, options, i));
    baselines.push_back(Maxima(AllDots(standardised, rotated), options.pairing));
  }
  const auto rotations = static_cast<double>(options.rotations);
  for (size_t k = 0; k < reference.size(); ++k) {
    double mean = 0, squares = 0;
    for (const auto& baseline : baselines) mean += baseline[k] / rotations;
    for (const auto& baseline : baselines) squares += std::pow(baseline[k] - mean, 2);
    expected.baseline.push_back(mean);
    expected.std.push_back(rotations > 1 ? std::sqrt(squares / (rotations - 1)) : 0);
  }
  return expected;
}

// The largest difference; infinite for a number that is none.
double LargestError(const std::vector<float>& actual, const std::vector<double>& expected) {
  if (actual.size() != expected.size()) return std::numeric_limits<double>::infinity();
  double largest = 0;
  for (size_t i = 0; i < actual.size(); ++i) {
    const double error = std::abs(actual[i] - expected[i]);
    largest =
        std::isfinite(error) ? std::max(largest, error) : std::numeric_limits<double>::infinity();
  }
  return largest;
}

// The partner neuron named is one that has the extreme, or as good as; with kSameIndex the same.
void ExpectNeurons(const std::vector<int32_t>& similar, const ExpectedPair& expected,
                   const std::vector<double>& extreme, Pairing pairing, double tolerance) {
  ASSERT_EQ(similar.size(), expected.rho.size());
  for (size_t k = 0; k < similar.size(); ++k) {
    ASSERT_GE(similar[k], 0);
    ASSERT_LT(similar[k], expected.rho[k].size());
    if (pairing == Pairing::kSameIndex) {
      EXPECT_EQ(similar[k], k);
    } else {
      EXPECT_NEAR(expected.rho[k][similar[k]], extreme[k], 2 * tolerance) << "neuron " << k;
    }
  }
}

void ExpectPair(const PairCorrelations& actual, const ExpectedPair& expected, Pairing pairing,
                double tolerance, const std::string& name) {
  const std::map<std::string, double> errors = {
      {"max", LargestError(actual.max_corr, expected.max)},
      {"min", LargestError(actual.min_corr, expected.min)},
      {"baseline", LargestError(actual.baseline, expected.baseline)},
      {"baseline_std", LargestError(actual.baseline_std, expected.std)}};
  for (const auto& [what, error] : errors) {
    EXPECT_LE(error, tolerance) << what << " of " << name;
    testing::Test::RecordProperty(name + "_" + what + "_error",
                                  std::to_string(error * 1e6) + "e-6");
  }
  ExpectNeurons(actual.max_sim, expected, expected.max, pairing, tolerance);
  ExpectNeurons(actual.min_sim, expected, expected.min, pairing, tolerance);
}

}  // namespace

Columns ActivationColumns(const FakeModel& model, engine::Site site, const FakeTokens& tokens,
                          const std::vector<int64_t>& excluded) {
  Columns columns(model.description().shape.neurons());
  for (int64_t p = 0; p < tokens.positions(); ++p) {
    const int64_t id = tokens.id(p);
    if (std::find(excluded.begin(), excluded.end(), id) != excluded.end()) continue;
    for (size_t k = 0; k < columns.size(); ++k) {
      columns[k].push_back(
          model.Activation(site, id, p % tokens.sequence_length(), static_cast<int64_t>(k)));
    }
  }
  return columns;
}

bool Constant(const std::vector<double>& column) {
  return std::all_of(column.begin(), column.end(), [&](double x) { return x == column[0]; });
}

Columns Standardised(Columns columns) {
  for (std::vector<double>& column : columns) {
    if (Constant(column)) {
      std::fill(column.begin(), column.end(), 0.0);
      continue;
    }
    double sum = 0, squares = 0;
    for (const double x : column) sum += x;
    const double mean = sum / static_cast<double>(column.size());
    for (double& x : column) {
      x -= mean;
      squares += x * x;
    }
    const double length = std::sqrt(squares);
    for (double& x : column) x /= length;
  }
  return columns;
}

double Dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

namespace {

using Matrix = std::vector<std::vector<double>>;

// T R: what server/analysis/neighbour_mixture.h says, row by row.
Matrix Mixed(Matrix rows) {
  const size_t size = rows.size();
  size_t n = 64;
  while (n > size) n /= 2;
  auto mix = [&](size_t first) {
    Matrix mixed(n, std::vector<double>(size, 0.0));
    for (size_t i = 0; i < n; ++i) {
      for (size_t j = 0; j < n; ++j) {
        const int flips = std::popcount(i & j) + std::popcount(j & (j >> 1));
        const double entry = (flips % 2 == 0 ? 1 : -1) / std::sqrt(n);
        for (size_t k = 0; k < size; ++k) mixed[i][k] += entry * rows[first + j][k];
      }
    }
    std::move(mixed.begin(), mixed.end(), rows.begin() + static_cast<int64_t>(first));
  };
  for (size_t first = 0; first + n <= size; first += n) mix(first);
  if (size % n != 0) mix(size - n);
  return rows;
}

// For best pairing rotations 4m to 4m + 3 are R, -R, T R, -T R of matrix m.
Matrix Rotation(const CorrelationOptions& options, int64_t size, int64_t rotation, int64_t layer) {
  const bool families = options.pairing == Pairing::kBest;
  const at::Tensor drawn =
      RandomMatrix(options.baseline, size, options.seed, families ? rotation / 4 : rotation, layer)
          .contiguous();
  const float* entries = drawn.data_ptr<float>();
  Matrix matrix;
  for (int64_t row = 0; row < size; ++row) {
    matrix.emplace_back(entries + row * size, entries + (row + 1) * size);
  }
  if (!families) return matrix;
  if (rotation % 4 >= 2) matrix = Mixed(std::move(matrix));
  for (std::vector<double>& row : matrix) {
    for (double& entry : row) entry *= rotation % 2 == 1 ? -1 : 1;
  }
  return matrix;
}

}  // namespace

Columns RotatedColumns(const Columns& columns, const engine::ModelShape& shape,
                       const CorrelationOptions& options, int64_t rotation) {
  Columns rotated(columns.size(), std::vector<double>(columns[0].size(), 0.0));
  for (int64_t layer = 0; layer < shape.layers; ++layer) {
    const Matrix matrix = Rotation(options, shape.d_mlp, rotation, layer);
    for (int64_t row = 0; row < shape.d_mlp; ++row) {
      std::vector<double>& out = rotated[layer * shape.d_mlp + row];
      for (int64_t i = 0; i < shape.d_mlp; ++i) {
        const std::vector<double>& in = columns[layer * shape.d_mlp + i];
        for (size_t p = 0; p < in.size(); ++p) out[p] += matrix[row][i] * in[p];
      }
    }
  }
  return rotated;
}

namespace {

std::vector<int64_t> CountedPositions(const FakeTokens& tokens,
                                      const std::vector<int64_t>& excluded) {
  std::vector<int64_t> positions;
  for (int64_t p = 0; p < tokens.positions(); ++p) {
    const bool out = std::find(excluded.begin(), excluded.end(), tokens.id(p)) != excluded.end();
    if (!out) positions.push_back(p);
  }
  return positions;
}

}  // namespace

void ExpectMatchesTheOracle(const CorrelationResult& result, const FakeModel& reference,
                            const std::vector<const FakeModel*>& partners, const FakeTokens& tokens,
                            const CorrelationOptions& options, double tolerance) {
  const Columns columns =
      ActivationColumns(reference, options.site, tokens, options.excluded_token_ids);
  const auto counted = static_cast<int64_t>(columns[0].size());
  EXPECT_EQ(result.counted_positions, counted);
  EXPECT_EQ(result.excluded_positions, tokens.positions() - counted);
  ASSERT_EQ(result.dead.size(), columns.size());
  for (size_t k = 0; k < columns.size(); ++k) {
    EXPECT_EQ(result.dead[k], Constant(columns[k]) ? 1 : 0) << "neuron " << k;
  }
  ExpectStatistics(result.statistics, columns,
                   CountedPositions(tokens, options.excluded_token_ids));
  ASSERT_EQ(result.partners.size(), partners.size());
  for (size_t i = 0; i < partners.size(); ++i) {
    SCOPED_TRACE(testing::Message() << "partner " << i);
    const Columns partner =
        ActivationColumns(*partners[i], options.site, tokens, options.excluded_token_ids);
    const PairCorrelations& pair = result.partners[i];
    EXPECT_EQ(pair.partner_dead, std::count_if(partner.begin(), partner.end(), Constant));
    const engine::ModelShape& shape = partners[i]->description().shape;
    const ExpectedPair expected = Expected(columns, partner, shape, options);
    ExpectPair(pair, expected, options.pairing, tolerance, "partner_" + std::to_string(i + 1));
    EXPECT_LE(pair.error.max_abs, tolerance);
    if (options.pairing == Pairing::kSameIndex) {
      EXPECT_TRUE(pair.distribution.top_corr.empty() && pair.layer_similarity.empty());
      continue;
    }
    ExpectDistribution(pair.distribution, expected.rho, tolerance);
    ExpectLayerSimilarity(pair.layer_similarity, columns, reference.description().shape.d_mlp,
                          partner, shape.d_mlp, std::max(1e-4, 2 * tolerance));
  }
}

CorrelationResult ExpectCorrelationsMatchTheOracle(const FakeModel& reference,
                                                   const std::vector<const FakeModel*>& partners,
                                                   const FakeTokens& tokens,
                                                   const CorrelationOptions& options,
                                                   double tolerance) {
  RunControl control;
  std::vector<const engine::Model*> models = {&reference};
  models.insert(models.end(), partners.begin(), partners.end());
  auto set = ComputeCorrelations(models, tokens, options, control);
  EXPECT_TRUE(set.ok()) << set.status();
  if (!set.ok()) return {};
  ExpectMatchesTheOracle(set->results[0], reference, partners, tokens, options, tolerance);
  return std::move(set->results[0]);
}

}  // namespace homolog::analysis
