#include "client/cli/load_mix.h"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/error.h"
#include "common/text.h"

namespace homolog::cli {
namespace {

constexpr std::array<const char*, kLoadCalls> kNames = {"query",   "list",   "get",     "neuron",
                                                        "table",   "watch",  "extract", "compute",
                                                        "abandon", "follow", "cancel"};
constexpr int32_t kMaxWeight = 1'000'000;

absl::Status BadMix(const std::string& part, const std::string& wrong) {
  return InvalidArgument("BAD_MIX", absl::StrCat("--mix has ", Quoted(part), "; ", wrong),
                         {{"mix", part}});
}

// -1 for what is no weight.
int32_t ParseWeight(const std::string& text) {
  int32_t weight = -1;
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, weight);
  return result.ec == std::errc() && result.ptr == end && weight <= kMaxWeight ? weight : -1;
}

absl::Status TakePart(const std::string& part, std::set<std::string>& named, LoadMix& mix) {
  const size_t equals = part.find('=');
  const std::string name = part.substr(0, equals);
  const auto known = std::find(kNames.begin(), kNames.begin() + kWeightedCalls, name);
  if (known == kNames.begin() + kWeightedCalls) {
    return BadMix(
        part, absl::StrCat("a name must be one of ", absl::StrJoin(kNames.begin(), known, ", ")));
  }
  if (!named.insert(name).second) return BadMix(part, "a name may be given only once");
  const int32_t weight = equals == std::string::npos ? -1 : ParseWeight(part.substr(equals + 1));
  if (weight < 0) {
    return BadMix(part,
                  absl::StrCat("must be ", name, "=WEIGHT with a weight from 0 to ", kMaxWeight));
  }
  mix[static_cast<size_t>(known - kNames.begin())] = weight;
  return absl::OkStatus();
}

}  // namespace

const char* LoadCallName(LoadCall call) { return kNames[static_cast<size_t>(call)]; }

LoadMix DefaultLoadMix() { return {8, 4, 4, 2, 1, 1, 0, 0}; }

absl::StatusOr<LoadMix> ParseLoadMix(const std::vector<std::string>& parts) {
  LoadMix mix = {};
  std::set<std::string> named;
  for (const std::string& part : parts) HOMOLOG_RETURN_IF_ERROR(TakePart(part, named, mix));
  if (std::all_of(mix.begin(), mix.end(), [](int32_t weight) { return weight == 0; })) {
    return BadMix(absl::StrJoin(parts, ","), "at least one weight must be above 0");
  }
  return mix;
}

LoadCall DrawCall(const LoadMix& mix, uint64_t number) {
  const auto total = std::accumulate(mix.begin(), mix.end(), uint64_t{0});
  uint64_t rest = number % total;
  size_t call = 0;
  while (rest >= static_cast<uint64_t>(mix[call])) rest -= static_cast<uint64_t>(mix[call++]);
  return static_cast<LoadCall>(call);
}

}  // namespace homolog::cli
