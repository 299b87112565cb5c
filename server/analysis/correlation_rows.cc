#include "server/analysis/correlation_rows.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <functional>
#include <limits>

#include "server/analysis/central_moments.h"
#include "server/analysis/column_loops.h"
#include "server/analysis/to_vector.h"

namespace homolog::analysis {
namespace {

// Rows that are turned round, or sorted, at once.
constexpr int64_t kRows = 128;

// Correlations that are looked at as one for one worth keeping.
constexpr int64_t kGlance = 64;

// [row, kept] of [row, kKeptPartners].
template <typename T>
std::vector<T> Kept(const std::vector<T>& lists, int64_t rows, int64_t kept) {
  std::vector<T> cut;
  cut.reserve(rows * kept);
  for (int64_t row = 0; row < rows; ++row) {
    const auto begin = lists.begin() + row * kKeptPartners;
    cut.insert(cut.end(), begin, begin + kept);
  }
  return cut;
}

// Into lists of kKeptPartners that `before` orders, in place of the last. Equal correlations stay
// in the order in which they came: the lowest neuron first.
template <typename Before>
void Keep(float rho, int32_t column, Before before, float* corr, int32_t* sim) {
  float* const last = corr + kKeptPartners - 1;
  const int64_t place = std::upper_bound(corr, last, rho, before) - corr;
  std::move_backward(corr + place, last, last + 1);
  std::move_backward(sim + place, sim + kKeptPartners - 1, sim + kKeptPartners);
  corr[place] = rho;
  sim[place] = column;
}

template <typename T>
std::vector<T> First(const std::vector<T>& lists, int64_t rows) {
  return Kept(lists, rows, 1);
}

}  // namespace

CorrelationRows::CorrelationRows(int64_t neurons, int64_t partner_neurons, bool portable)
    : neurons_(neurons),
      partner_neurons_(partner_neurons),
      portable_(portable),
      top_corr_(neurons * kKeptPartners, -std::numeric_limits<float>::infinity()),
      bottom_corr_(neurons * kKeptPartners, std::numeric_limits<float>::infinity()),
      top_sim_(neurons * kKeptPartners),
      bottom_sim_(neurons * kKeptPartners),
      histogram_(neurons * kCorrelationBins),
      sums_(neurons * 4) {}

int64_t CorrelationRows::Bytes(int64_t neurons) {
  return neurons * (kKeptPartners * 16 + kCorrelationBins * 4 + 4 * 8);
}

void CorrelationRows::Add(const at::Tensor& products, int64_t first_row, int64_t first_column,
                          const at::Tensor& row_factor, const at::Tensor& column_factor) {
  for (int64_t row = 0; row < products.size(0); row += kRows) {
    const int64_t rows = std::min(kRows, products.size(0) - row);
    const at::Tensor part = products.narrow(0, row, rows), factor = row_factor.narrow(0, row, rows);
    if (products.device().is_cpu() && !portable_) {
      AddOnCpu(part.contiguous(), first_row + row, first_column, factor, column_factor);
    } else {
      AddOnDevice((part * column_factor).mul_(factor.unsqueeze(1)).clamp_(-1, 1), first_row + row,
                  first_column);
    }
  }
}

void CorrelationRows::AddOnCpu(const at::Tensor& products, int64_t first_row, int64_t first_column,
                               const at::Tensor& row_factor, const at::Tensor& column_factor) {
  const int64_t columns = products.size(1);
  const at::Tensor by_row = row_factor.contiguous(), by_column = column_factor.contiguous();
  at::parallel_for(0, products.size(0), 1, [&](int64_t begin, int64_t end) {
    std::vector<float> rho(columns);
    std::vector<int32_t> bins(columns);
    for (int64_t row = begin; row < end; ++row) {
      AddRow(products.data_ptr<float>() + row * columns, columns, first_row + row, first_column,
             by_row.data_ptr<float>()[row], by_column.data_ptr<float>(), rho.data(), bins.data());
    }
  });
}

void CorrelationRows::AddRow(const float* products, int64_t columns, int64_t row,
                             int64_t first_column, float row_factor, const float* column_factor,
                             float* rho, int32_t* bins) {
  CorrelationRowLoop(products, column_factor, row_factor, columns, kCorrelationBins, rho, bins,
                     sums_.data() + row * 4);
  uint32_t* const histogram = histogram_.data() + row * kCorrelationBins;
  for (int64_t i = 0; i < columns; ++i) ++histogram[bins[i]];
  for (int64_t i = 0; i < columns; i += kGlance) {
    KeepExtremes(row, rho + i, std::min(kGlance, columns - i), first_column + i);
  }
}

void CorrelationRows::KeepExtremes(int64_t row, const float* rho, int64_t count,
                                   int64_t first_column) {
  const int64_t last = (row + 1) * kKeptPartners - 1;
  if (CountOutside(rho, bottom_corr_[last], top_corr_[last], count) == 0) return;
  for (int64_t i = 0; i < count; ++i) {
    if (rho[i] > top_corr_[last]) KeepTop(row, rho[i], static_cast<int32_t>(first_column + i));
    if (rho[i] < bottom_corr_[last]) {
      KeepBottom(row, rho[i], static_cast<int32_t>(first_column + i));
    }
  }
}

void CorrelationRows::KeepTop(int64_t row, float rho, int32_t column) {
  Keep(rho, column, std::greater<>(), top_corr_.data() + row * kKeptPartners,
       top_sim_.data() + row * kKeptPartners);
}

void CorrelationRows::KeepBottom(int64_t row, float rho, int32_t column) {
  Keep(rho, column, std::less<>(), bottom_corr_.data() + row * kKeptPartners,
       bottom_sim_.data() + row * kKeptPartners);
}

void CorrelationRows::AddOnDevice(const at::Tensor& rho, int64_t first_row, int64_t first_column) {
  const int64_t rows = rho.size(0), kept = std::min(kKeptPartners, rho.size(1));
  // Stable: of equal correlations the lowest neuron first, which topk does not promise.
  const auto [ascending, lowest] = at::sort(rho, /*stable=*/true, 1, /*descending=*/false);
  const auto [descending, highest] = at::sort(rho, /*stable=*/true, 1, /*descending=*/true);
  const auto bottom = ToVector<float>(ascending.narrow(1, 0, kept)),
             top = ToVector<float>(descending.narrow(1, 0, kept));
  const auto bottom_at = ToVector<int32_t>(lowest.narrow(1, 0, kept)),
             top_at = ToVector<int32_t>(highest.narrow(1, 0, kept));
  const at::Tensor bins =
      ((rho + 1) * (0.5 * kCorrelationBins)).clamp_max_(kCorrelationBins - 1).to(at::kLong);
  const at::Tensor counts = at::zeros({rows, kCorrelationBins}, rho.options().dtype(at::kInt));
  const auto histogram = ToVector<int32_t>(
      counts.scatter_add(1, bins, at::ones({1, 1}, counts.options()).expand(bins.sizes())));
  const at::Tensor square = rho.square();
  const auto sums = ToVector<double>(at::stack(
      {rho.sum(1, false, at::kDouble), square.sum(1, false, at::kDouble),
       (square * rho).sum(1, false, at::kDouble), square.square().sum(1, false, at::kDouble)},
      1));
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t mine = first_row + row, last = (mine + 1) * kKeptPartners - 1;
    for (int64_t i = row * kept; i < (row + 1) * kept; ++i) {
      const auto column = [&](int32_t at) { return static_cast<int32_t>(first_column + at); };
      if (top[i] > top_corr_[last]) KeepTop(mine, top[i], column(top_at[i]));
      if (bottom[i] < bottom_corr_[last]) KeepBottom(mine, bottom[i], column(bottom_at[i]));
    }
    for (int64_t i = 0; i < kCorrelationBins; ++i) {
      histogram_[mine * kCorrelationBins + i] +=
          static_cast<uint32_t>(histogram[row * kCorrelationBins + i]);
    }
    for (int64_t i = 0; i < 4; ++i) sums_[mine * 4 + i] += sums[row * 4 + i];
  }
}

void CorrelationRows::Transfer(StateArchive& archive) {
  archive.Part(top_corr_);
  archive.Part(bottom_corr_);
  archive.Part(top_sim_);
  archive.Part(bottom_sim_);
  archive.Part(histogram_);
  archive.Part(sums_);
}

void CorrelationRows::Finish(PairCorrelations& result) const {
  result.max_corr = First(top_corr_, neurons_);
  result.max_sim = First(top_sim_, neurons_);
  result.min_corr = First(bottom_corr_, neurons_);
  result.min_sim = First(bottom_sim_, neurons_);
  CorrelationDistribution& distribution = result.distribution;
  distribution.kept = std::min(kKeptPartners, partner_neurons_);
  distribution.top_corr = Kept(top_corr_, neurons_, distribution.kept);
  distribution.top_sim = Kept(top_sim_, neurons_, distribution.kept);
  distribution.bottom_corr = Kept(bottom_corr_, neurons_, distribution.kept);
  distribution.bottom_sim = Kept(bottom_sim_, neurons_, distribution.kept);
  distribution.histogram = histogram_;
  for (int64_t row = 0; row < neurons_; ++row) {
    const Moments moments =
        CentralMoments(static_cast<double>(partner_neurons_), sums_.data() + row * 4);
    distribution.mean.push_back(static_cast<float>(moments.mean));
    distribution.variance.push_back(static_cast<float>(moments.variance));
    distribution.skew.push_back(static_cast<float>(moments.skew));
    distribution.kurtosis.push_back(static_cast<float>(moments.kurtosis));
  }
}

void SetSameIndexRows(const at::Tensor& products, int64_t first, const at::Tensor& row_factor,
                      const at::Tensor& column_factor, PairCorrelations& result) {
  const auto rho =
      ToVector<float>((products.diagonal() * row_factor * column_factor).clamp_(-1, 1));
  for (size_t i = 0; i < rho.size(); ++i) {
    const size_t neuron = static_cast<size_t>(first) + i;
    result.max_corr[neuron] = result.min_corr[neuron] = rho[i];
    result.max_sim[neuron] = result.min_sim[neuron] = static_cast<int32_t>(neuron);
  }
}

}  // namespace homolog::analysis
