#include "server/analysis/gaussian_loop.h"

#include <bit>
#include <cmath>

#include "server/analysis/random.h"
#include "server/engine/vector_widths.h"

namespace homolog::analysis {
namespace {

// Numbers drawn at once: their bits, radii and angles stay in the cache.
constexpr int64_t kPairs = 256;

// ln u for normal float32 u > 0: u = m 2^e with m in [sqrt(1/2), sqrt(2)), and ln m = 2 artanh s, s
// = (m - 1) / (m + 1), by its series up to s^9, whose rest is below 1e-9 at |s| <= 0.172.
[[gnu::always_inline]] inline float Log(float u) {
  constexpr int32_t kRootHalf = 0x3f3504f3;
  const int32_t above = std::bit_cast<int32_t>(u) - kRootHalf;
  const int32_t exponent = above >> 23;
  const float m = std::bit_cast<float>((above & 0x7fffff) + kRootHalf);
  const float s = (m - 1.0f) / (m + 1.0f), square = s * s;
  float series = 2.0f / 9;
  series = series * square + 2.0f / 7;
  series = series * square + 2.0f / 5;
  series = series * square + 2.0f / 3;
  series = series * square + 2.0f;
  return series * s + static_cast<float>(exponent) * 0.693147181f;
}

struct Point {
  float cosine, sine;
};

// The point of the unit circle at `turn` full turns, 0 <= turn <= 1: Taylor's polynomials of degree
// 8 and 9 within an eighth of a turn of the nearest quarter, whose rests are below 3e-8.
[[gnu::always_inline]] inline Point OnCircle(float turn) {
  const int32_t quarter = static_cast<int32_t>(turn * 4.0f + 0.5f);
  const float x = (turn - static_cast<float>(quarter) * 0.25f) * 6.28318531f, square = x * x;
  float sine = 1.0f / 362880;
  sine = sine * square - 1.0f / 5040;
  sine = sine * square + 1.0f / 120;
  sine = sine * square - 1.0f / 6;
  sine = (sine * square + 1.0f) * x;
  float cosine = 1.0f / 40320;
  cosine = cosine * square - 1.0f / 720;
  cosine = cosine * square + 1.0f / 24;
  cosine = cosine * square - 0.5f;
  cosine = cosine * square + 1.0f;
  const bool odd = (quarter & 1) != 0;
  const float a = odd ? sine : cosine, b = odd ? cosine : sine;
  const float cosine_sign = ((quarter + 1) & 2) != 0 ? -1.0f : 1.0f;
  const float sine_sign = (quarter & 2) != 0 ? -1.0f : 1.0f;
  return {cosine_sign * a, sine_sign * b};
}

}  // namespace

HOMOLOG_FOR_EVERY_WIDTH
void GaussianLoop(uint64_t key, uint64_t first, int64_t count, float* out) {
  uint32_t low[kPairs], high[kPairs];
  for (int64_t done = 0; done < count; done += 2 * kPairs) {
    const int64_t left = (count - done) / 2, pairs = left < kPairs ? left : kPairs;
    const uint64_t base = first / 2 + static_cast<uint64_t>(done) / 2;
    for (int64_t i = 0; i < pairs; ++i) {
      const uint64_t bits = RandomBits(key, base + static_cast<uint64_t>(i));
      low[i] = static_cast<uint32_t>(bits);
      high[i] = static_cast<uint32_t>(bits >> 32);
    }
    for (int64_t i = 0; i < pairs; ++i) {
      // (0, 1]: never 0, whose logarithm there is not.
      const float uniform = (static_cast<float>(low[i]) + 0.5f) * 0x1.0p-32f;
      const float radius = std::sqrt(-2.0f * Log(uniform < 1.0f ? uniform : 1.0f));
      const Point point = OnCircle(static_cast<float>(high[i]) * 0x1.0p-32f);
      out[done + 2 * i] = radius * point.cosine;
      out[done + 2 * i + 1] = radius * point.sine;
    }
  }
}

}  // namespace homolog::analysis
