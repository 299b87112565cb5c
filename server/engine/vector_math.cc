#include "server/engine/vector_math.h"

#include <bit>

#include "server/engine/vector_widths.h"

namespace homolog::engine {
namespace {

// e^x for |x| <= 80, without a branch: x = n ln 2 + r, and e^r by its Taylor polynomial of degree
// 7, whose rest is below 2e-8 at |r| <= ln 2 / 2. Cody and Waite 1980: ln 2 in two parts, so that
// n ln 2 is subtracted without rounding.
[[gnu::always_inline]] inline float Exp(float x) {
  constexpr float kLog2E = 1.44269504f, kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;
  constexpr float kRounder = 12582912.0f;  // 1.5 * 2^23: what is added to it loses its fraction
  const float n = (x * kLog2E + kRounder) - kRounder;
  const float r = (x - n * kLn2High) - n * kLn2Low;
  float p = 1.0f / 5040;
  p = p * r + 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  const int32_t exponent = (static_cast<int32_t>(n) + 127) << 23;
  return p * std::bit_cast<float>(exponent);
}

[[gnu::always_inline]] inline float Bounded(float x) {
  const float above = x < -80.0f ? -80.0f : x;
  return above > 80.0f ? 80.0f : above;
}

}  // namespace

HOMOLOG_FOR_EVERY_WIDTH
void GeluTanhLoop(const float* x, float* y, int64_t count) {
  constexpr float kLinear = 1.5957691216f, kCubic = kLinear * 0.044715f;
  for (int64_t i = 0; i < count; ++i) {
    const float v = x[i];
    // Beyond 80 the sigmoid is 0 or 1 in float32, times any v that matters.
    y[i] = v / (1.0f + Exp(Bounded(-v * (kLinear + kCubic * v * v))));
  }
}

HOMOLOG_FOR_EVERY_WIDTH
void SoftmaxLoop(float* row, int64_t count) {
  float largest = row[0];
#pragma omp simd reduction(max : largest)
  for (int64_t i = 0; i < count; ++i) largest = largest < row[i] ? row[i] : largest;
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < count; ++i) {
    const float below = row[i] - largest;
    const float power = Exp(Bounded(below));
    const float weight = below < -80.0f ? 0.0f : power;
    row[i] = weight;
    sum += weight;
  }
  const float scale = 1.0f / sum;
  for (int64_t i = 0; i < count; ++i) row[i] *= scale;
}

}  // namespace homolog::engine
