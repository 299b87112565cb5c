// The digests of WeightFiles: over the weights, not over the files they are in.
#include <algorithm>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/digest.h"
#include "common/error.h"
#include "server/checkpoints/parallel.h"
#include "server/checkpoints/weights.h"

namespace homolog::checkpoints {
namespace {

using tensorfiles::TensorEntry;

constexpr int64_t kPieceElements = 1 << 18;
constexpr int64_t kSampleBytes = 4096;
constexpr size_t kSamples = 8;
// Small weights are often untrained ones and zeros.
constexpr size_t kSampledFrom = 64;

int64_t Elements(const TensorEntry& entry) {
  return tensorfiles::ElementCount(entry.shape).value_or(0);
}

// "wte.weight F32 [50257, 768]": no two weights have the same.
std::string Description(const std::string& name, const TensorEntry& entry) {
  return absl::StrCat(name, " ", std::string(SafetensorsDtypeName(entry.dtype)), " [",
                      absl::StrJoin(entry.shape, ", "), "]");
}

// Indices of `elements`, the largest first, equal ones in their order.
std::vector<size_t> LargestFirst(const std::vector<int64_t>& elements) {
  std::vector<size_t> order(elements.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return elements[a] > elements[b]; });
  return order;
}

// At most kSamples of `order`, spread evenly over the first kSampledFrom.
std::vector<size_t> Sampled(const std::vector<size_t>& order) {
  const size_t from = std::min(order.size(), kSampledFrom), count = std::min(from, kSamples);
  std::vector<size_t> sampled;
  for (size_t i = 0; i < count; ++i) sampled.push_back(order[i * from / count]);
  return sampled;
}

}  // namespace

std::string WeightFiles::BytesDigest(const TensorEntry& entry) const {
  Sha256 sha;
  std::string scratch;
  const int64_t elements = Elements(entry);
  for (int64_t first = 0; first < elements; first += kPieceElements) {
    const int64_t count = std::min(kPieceElements, elements - first);
    sha.Update(files_.Elements(entry, first, count, scratch));
    files_.Release(entry, first, count);
  }
  files_.Release(entry);
  return sha.HexDigest();
}

absl::StatusOr<std::string> WeightFiles::Digest(const engine::Architecture& architecture) const {
  HOMOLOG_ASSIGN_OR_RETURN(const std::vector<Match> matches, MatchWeights(architecture));
  std::vector<int64_t> elements;
  for (const Match& match : matches) elements.push_back(Elements(*match.entry));
  // The largest first, so that no thread starts on it when the others are done.
  const std::vector<size_t> order = LargestFirst(elements);
  std::vector<std::string> digests(matches.size());
  ForEach(static_cast<int64_t>(order.size()), [&](int64_t i) {
    const size_t weight = order[static_cast<size_t>(i)];
    digests[weight] = BytesDigest(*matches[weight].entry);
  });
  Sha256 sha;
  for (size_t i = 0; i < matches.size(); ++i) {
    sha.Update(
        absl::StrCat(Description(matches[i].name, *matches[i].entry), " ", digests[i], "\n"));
  }
  return sha.HexDigest();
}

absl::StatusOr<std::string> WeightFiles::SampleDigest(
    const engine::Architecture& architecture) const {
  HOMOLOG_ASSIGN_OR_RETURN(const std::vector<Match> matches, MatchWeights(architecture));
  Sha256 sha;
  std::vector<int64_t> elements;
  for (const Match& match : matches) {
    sha.Update(absl::StrCat(Description(match.name, *match.entry), "\n"));
    elements.push_back(Elements(*match.entry));
  }
  std::string scratch;
  for (const size_t weight : Sampled(LargestFirst(elements))) {
    const TensorEntry& entry = *matches[weight].entry;
    const int64_t count =
        std::min(elements[weight], kSampleBytes / SafetensorsDtypeSize(entry.dtype));
    sha.Update(files_.Elements(entry, (elements[weight] - count) / 2, count, scratch));
  }
  return sha.HexDigest();
}

}  // namespace homolog::checkpoints
