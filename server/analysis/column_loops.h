// Loops over a run of positions of some neighbouring neurons: what libtorch would take a pass over
// memory for, one after the other, is done while the run is in the cache. Compiled for each vector
// width of x86, chosen when the process starts; without contraction, so that all give equal bits
// (but for the sums of CorrelationRowLoop, whose order is the vectors').
//
// x: [rows, columns] float32, rows `stride` numbers apart. All other arrays have one entry per
// column unless said otherwise.
//
// Thread-safety: pure functions on the caller's memory.
#ifndef HOMOLOG_SERVER_ANALYSIS_COLUMN_LOOPS_H_
#define HOMOLOG_SERVER_ANALYSIS_COLUMN_LOOPS_H_

#include <cstdint>

namespace homolog::analysis {

// Rows and columns of a run: at least 1, and at most kMostColumns columns: a page of memory wide,
// and with 64 rows a quarter of the cache of one core.
inline constexpr int64_t kMostColumns = 1024;
struct Run {
  float* x;
  int64_t stride, rows, columns;
};

// Widens [minimum, maximum]; not_finite becomes not a number where an x is none or infinite.
// run_maximum: of this run alone.
void RangeLoop(const Run& run, float* minimum, float* maximum, float* not_finite,
               float* run_maximum);

// x becomes y - mean(y), y = (x - shift) * inverse_scale. mean: of y; squares: of what x became,
// summed.
void CentreLoop(const Run& run, const float* shift, const float* inverse_scale, float* mean,
                float* squares);

// Adds a run of `rows` positions of mean `run_mean` to the mean of the `before` positions seen
// already: spare = what the products of the run about its own mean lack to be those about the mean
// of all. squares: adds the run's, and the spare's.
void MergeLoop(int64_t columns, int64_t before, int64_t rows, const float* run_mean,
               const float* run_squares, double* mean, double* squares, float* spare);

// Sums of y to the first, second, third and fourth power, and of x > 0. Within a run of up to 64
// rows they are float32.
struct PowerSums {
  double *first, *second, *third, *fourth;
  int64_t* active;
};
void PowerSumsLoop(const Run& run, const float* shift, const float* inverse_scale,
                   const PowerSums& sums);

// bins: [columns, bin_count]; y counts in bin floor((y - low) * per_unit), clamped.
struct Bins {
  float low, per_unit;
  int64_t count;
};
void HistogramLoop(const Run& run, const float* shift, const float* inverse_scale, const Bins& bins,
                   uint32_t* counts);

// out: [rows, count], of x the columns column[0, count).
void GatherLoop(const float* x, int64_t stride, int64_t rows, const int64_t* column, int64_t count,
                double* out);

// How many of row[0, count) are above `high` or below `low`.
int64_t CountOutside(const float* row, float low, float high, int64_t count);

// out[i] = row[i] * factor[i] * scale within [-1, 1], and the sums of its powers are added to
// sums[0..3]; bin[i] is its place among `bins` bins of equal width.
void CorrelationRowLoop(const float* row, const float* factor, float scale, int64_t count,
                        int32_t bins, float* out, int32_t* bin, double* sums);

// Largest and smallest of row[i] * factor[i].
struct Extremes {
  float smallest, largest;
};
Extremes ScaledExtremes(const float* row, const float* factor, int64_t count);

}  // namespace homolog::analysis

#endif  // HOMOLOG_SERVER_ANALYSIS_COLUMN_LOOPS_H_
