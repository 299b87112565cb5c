#include "server/analysis/column_loops.h"

#include <cmath>
#include <limits>

#include "server/engine/vector_widths.h"

namespace homolog::analysis {

HOMOLOG_FOR_EVERY_WIDTH
void RangeLoop(const Run& run, float* minimum, float* maximum, float* not_finite,
               float* run_maximum) {
  for (int64_t i = 0; i < run.columns; ++i) {
    run_maximum[i] = -std::numeric_limits<float>::infinity();
  }
  for (int64_t row = 0; row < run.rows; ++row) {
    const float* x = run.x + row * run.stride;
    for (int64_t i = 0; i < run.columns; ++i) {
      minimum[i] = x[i] < minimum[i] ? x[i] : minimum[i];
      run_maximum[i] = x[i] > run_maximum[i] ? x[i] : run_maximum[i];
      not_finite[i] += x[i] * 0.0f;
    }
  }
  for (int64_t i = 0; i < run.columns; ++i) {
    maximum[i] = run_maximum[i] > maximum[i] ? run_maximum[i] : maximum[i];
  }
}

HOMOLOG_FOR_EVERY_WIDTH
void CentreLoop(const Run& run, const float* shift, const float* inverse_scale, float* mean,
                float* squares) {
  for (int64_t i = 0; i < run.columns; ++i) mean[i] = squares[i] = 0;
  for (int64_t row = 0; row < run.rows; ++row) {
    float* x = run.x + row * run.stride;
    for (int64_t i = 0; i < run.columns; ++i) {
      x[i] = (x[i] - shift[i]) * inverse_scale[i];
      mean[i] += x[i];
    }
  }
  const float rows = static_cast<float>(run.rows);
  for (int64_t i = 0; i < run.columns; ++i) mean[i] /= rows;
  for (int64_t row = 0; row < run.rows; ++row) {
    float* x = run.x + row * run.stride;
    for (int64_t i = 0; i < run.columns; ++i) {
      x[i] -= mean[i];
      squares[i] += x[i] * x[i];
    }
  }
}

HOMOLOG_FOR_EVERY_WIDTH
void MergeLoop(int64_t columns, int64_t before, int64_t rows, const float* run_mean,
               const float* run_squares, double* mean, double* squares, float* spare) {
  const double seen = static_cast<double>(before), added = static_cast<double>(rows);
  const double share = added / (seen + added), weight = std::sqrt(seen * share);
  for (int64_t i = 0; i < columns; ++i) {
    const double step = run_mean[i] - mean[i];
    spare[i] = static_cast<float>(step * weight);
    squares[i] += static_cast<double>(run_squares[i]) + static_cast<double>(spare[i]) * spare[i];
    mean[i] += step * share;
  }
}

namespace {

// Higher powers that float32 cannot hold, in float64: of a neuron that hardly moved over the
// positions that its scale is from. Where there are any, `third` and `fourth` become 0.
void AddOverflown(const Run& run, int64_t column, int64_t columns, const float* shift,
                  const float* inverse_scale, float* third, float* fourth, const PowerSums& sums) {
  for (int64_t i = 0; i < columns; ++i) {
    if (fourth[i] <= std::numeric_limits<float>::max()) continue;
    third[i] = fourth[i] = 0;
    const int64_t at = column + i;
    for (int64_t row = 0; row < run.rows; ++row) {
      const double y = (run.x[row * run.stride + at] - shift[at]) * inverse_scale[at];
      sums.third[at] += y * y * y;
      sums.fourth[at] += y * y * y * y;
    }
  }
}

}  // namespace

HOMOLOG_FOR_EVERY_WIDTH
void PowerSumsLoop(const Run& run, const float* shift, const float* inverse_scale,
                   const PowerSums& sums) {
  // Some columns at a time down all rows, so that their sums stay in registers.
  constexpr int64_t kColumns = 32;
  for (int64_t column = 0; column < run.columns; column += kColumns) {
    const int64_t columns = run.columns - column < kColumns ? run.columns - column : kColumns;
    float first[kColumns] = {}, second[kColumns] = {}, third[kColumns] = {}, fourth[kColumns] = {};
    int32_t active[kColumns] = {};
    auto add = [&](const float* x, int64_t count) __attribute__((always_inline)) {
      for (int64_t i = 0; i < count; ++i) {
        const float y = (x[i] - shift[column + i]) * inverse_scale[column + i];
        const float square = y * y;
        first[i] += y;
        second[i] += square;
        third[i] += square * y;
        fourth[i] += square * square;
        active[i] += x[i] > 0 ? 1 : 0;
      }
    };
    const float* x = run.x + column;
    if (columns == kColumns) {
      for (int64_t row = 0; row < run.rows; ++row) add(x + row * run.stride, kColumns);
    } else {
      for (int64_t row = 0; row < run.rows; ++row) add(x + row * run.stride, columns);
    }
    AddOverflown(run, column, columns, shift, inverse_scale, third, fourth, sums);
    for (int64_t i = 0; i < columns; ++i) {
      sums.first[column + i] += static_cast<double>(first[i]);
      sums.second[column + i] += static_cast<double>(second[i]);
      sums.third[column + i] += static_cast<double>(third[i]);
      sums.fourth[column + i] += static_cast<double>(fourth[i]);
      sums.active[column + i] += active[i];
    }
  }
}

HOMOLOG_FOR_EVERY_WIDTH
void HistogramLoop(const Run& run, const float* shift, const float* inverse_scale, const Bins& bins,
                   uint32_t* counts) {
  // So few columns at a time that the bins that are hit stay in the innermost cache.
  constexpr int64_t kColumns = 64, kCacheLine = 16;
  int32_t place_of[kColumns];  // among the bins of all columns
  const float last = static_cast<float>(bins.count - 1);
  const auto count = static_cast<int32_t>(bins.count);
  for (int64_t column = 0; column < run.columns; column += kColumns) {
    const int64_t columns = run.columns - column < kColumns ? run.columns - column : kColumns;
    uint32_t* const of_column = counts + column * bins.count;
    for (int64_t row = 0; row < run.rows; ++row) {
      const float* x = run.x + row * run.stride + column;
      // Counting leaves the memory idle: the run behind this one comes meanwhile.
      for (int64_t i = 0; i < columns; i += kCacheLine) {
        __builtin_prefetch(x + run.rows * run.stride + i);
      }
      for (int64_t i = 0; i < columns; ++i) {
        const float y = (x[i] - shift[column + i]) * inverse_scale[column + i];
        const float place = (y - bins.low) * bins.per_unit;
        const float above = place > 0.0f ? place : 0.0f;
        place_of[i] =
            static_cast<int32_t>(above < last ? above : last) + static_cast<int32_t>(i) * count;
      }
      for (int64_t i = 0; i < columns; ++i) ++of_column[place_of[i]];
    }
  }
}

void GatherLoop(const float* x, int64_t stride, int64_t rows, const int64_t* column, int64_t count,
                double* out) {
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t i = 0; i < count; ++i) {
      out[row * count + i] = static_cast<double>(x[row * stride + column[i]]);
    }
  }
}

HOMOLOG_FOR_EVERY_WIDTH
int64_t CountOutside(const float* row, float low, float high, int64_t count) {
  int32_t outside = 0;
  for (int64_t i = 0; i < count; ++i) outside += (row[i] > high ? 1 : 0) + (row[i] < low ? 1 : 0);
  return outside;
}

HOMOLOG_FOR_EVERY_WIDTH
void CorrelationRowLoop(const float* row, const float* factor, float scale, int64_t count,
                        int32_t bins, float* out, int32_t* bin, double* sums) {
  const float half = 0.5f * static_cast<float>(bins), last = static_cast<float>(bins - 1);
  for (int64_t i = 0; i < count; ++i) {
    const float rho = row[i] * factor[i] * scale;
    const float above = rho > -1.0f ? rho : -1.0f;
    out[i] = above < 1.0f ? above : 1.0f;
    const float place = (out[i] + 1.0f) * half;
    bin[i] = static_cast<int32_t>(place < last ? place : last);
  }
  double first = 0, second = 0, third = 0, fourth = 0;
#pragma omp simd reduction(+ : first, second, third, fourth)
  for (int64_t i = 0; i < count; ++i) {
    const double rho = out[i], square = rho * rho;
    first += rho;
    second += square;
    third += square * rho;
    fourth += square * square;
  }
  sums[0] += first;
  sums[1] += second;
  sums[2] += third;
  sums[3] += fourth;
}

HOMOLOG_FOR_EVERY_WIDTH
Extremes ScaledExtremes(const float* row, const float* factor, int64_t count) {
  float smallest = std::numeric_limits<float>::max(), largest = -smallest;
#pragma omp simd reduction(min : smallest) reduction(max : largest)
  for (int64_t i = 0; i < count; ++i) {
    const float value = row[i] * factor[i];
    smallest = value < smallest ? value : smallest;
    largest = value > largest ? value : largest;
  }
  return {smallest, largest};
}

}  // namespace homolog::analysis
