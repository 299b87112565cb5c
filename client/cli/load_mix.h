// What a load is made of: kinds of calls and how often each is drawn.
//
// Thread-safety: values; pure functions.
#ifndef HOMOLOG_CLIENT_CLI_LOAD_MIX_H_
#define HOMOLOG_CLIENT_CLI_LOAD_MIX_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace homolog::cli {

enum class LoadCall : size_t {
  kQuery,    // QueryUniversalNeurons, one page
  kList,     // a page of correlations, operations, data sets or checkpoints
  kGet,      // GetCorrelation
  kNeuron,   // GetNeuron
  kTable,    // GetNeuronTable, one page
  kWatch,    // WatchOperation of the latest operation, its first messages
  kExtract,  // ExtractActivations of one layer, to the end
  kCompute,  // ComputeCorrelations, until the server has accepted it
  // What follows from others and has no weight of its own.
  kAbandon,  // an extraction given up half-way
  kFollow,   // from the acceptance of a computation to its end
  kCancel,   // CancelOperation
};
inline constexpr size_t kLoadCalls = 11, kWeightedCalls = 8;

// "query", "list" ...
const char* LoadCallName(LoadCall call);

// Weights of the kinds that have one.
using LoadMix = std::array<int32_t, kWeightedCalls>;

// The mix where nothing is said: "query=8,list=4,get=4,neuron=2,table=1,watch=1".
LoadMix DefaultLoadMix();
// The mix of {"query=8", "compute=1"}; what is not named is 0. INVALID_ARGUMENT (BAD_MIX) for an
// unknown name, one given twice, a weight outside of [0, 1000000], or no weight above 0.
absl::StatusOr<LoadMix> ParseLoadMix(const std::vector<std::string>& parts);
// The kind that `number`, uniform over all 64-bit numbers, draws.
LoadCall DrawCall(const LoadMix& mix, uint64_t number);

}  // namespace homolog::cli

#endif  // HOMOLOG_CLIENT_CLI_LOAD_MIX_H_
