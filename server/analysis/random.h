// Numbers that depend on a key and an index alone: the same on every machine, device and thread.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_SERVER_ANALYSIS_RANDOM_H_
#define HOMOLOG_SERVER_ANALYSIS_RANDOM_H_

#include <cstdint>
#include <initializer_list>

namespace homolog::analysis {

// SplitMix64's finaliser (Steele, Lea and Flood 2014, doi:10.1145/2660193.2660195).
inline uint64_t MixBits(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

// Random bits number `index` of the stream `key`.
inline uint64_t RandomBits(uint64_t key, uint64_t index) {
  return MixBits(key + (index + 1) * 0x9e3779b97f4a7c15ULL);
}

// One key of several numbers; their order counts.
inline uint64_t RandomKey(std::initializer_list<uint64_t> parts) {
  uint64_t key = 0;
  for (const uint64_t part : parts) key = MixBits(key + 0x9e3779b97f4a7c15ULL) ^ MixBits(part + 1);
  return MixBits(key);
}

// Uniform in (0, 1], 53 bits.
inline double UniformFromBits(uint64_t bits) {
  return static_cast<double>((bits >> 11) + 1) * 0x1.0p-53;
}

}  // namespace homolog::analysis

#endif  // HOMOLOG_SERVER_ANALYSIS_RANDOM_H_
