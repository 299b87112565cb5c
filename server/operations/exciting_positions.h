// GetNeuron: what a correlation knows of a neuron, with the text that excites it.
//
// Thread-safety: pure functions; registry, tokenizers and store are thread-safe.
#ifndef HOMOLOG_SERVER_OPERATIONS_EXCITING_POSITIONS_H_
#define HOMOLOG_SERVER_OPERATIONS_EXCITING_POSITIONS_H_

#include "absl/status/statusor.h"
#include "homolog/v1/analysis_service.pb.h"
#include "homolog/v1/neuron.pb.h"
#include "server/operations/analysis_inputs.h"

namespace homolog::operations {

// As analysis_service.proto says, errors included. Positions have no tokens, and sequence 0, where
// the data set is gone or has other content by now, and no text where the reference checkpoint is
// gone or has another tokenizer than the data set. May read and parse a tokenizer.
absl::StatusOr<v1::NeuronDetail> DescribeNeuron(const AnalysisContext& context,
                                                const v1::GetNeuronRequest& request);

}  // namespace homolog::operations

#endif  // HOMOLOG_SERVER_OPERATIONS_EXCITING_POSITIONS_H_
