// From the columns of a correlation to a Neuron message.
#ifndef HOMOLOG_SERVER_RESULTS_NEURON_WRITER_H_
#define HOMOLOG_SERVER_RESULTS_NEURON_WRITER_H_

#include <cstdint>
#include <vector>

#include "homolog/v1/correlation.pb.h"
#include "server/analysis/correlation.h"
#include "server/results/neuron_order.h"

namespace homolog::results {

// Turns flat indices back to (layer, neuron) of each partner.
//
// Thread-safety: immutable.
class NeuronWriter {
 public:
  // `dead` and `partners` are columns of the correlation, or some of their rows; all outlive the
  // writer. A neuron is universal above `threshold`.
  NeuronWriter(const v1::Correlation& manifest, const std::vector<uint8_t>& dead,
               const std::vector<analysis::PairCorrelations>& partners, double threshold)
      : manifest_(manifest), dead_(dead), partners_(partners), threshold_(threshold) {}

  // `row`: where the neuron is in the columns.
  void Write(const QueriedNeuron& neuron, int64_t row, v1::Neuron& out) const;

 private:
  void WritePartner(int partner, int64_t row, v1::NeuronPartner& out) const;

  const v1::Correlation& manifest_;
  const std::vector<uint8_t>& dead_;
  const std::vector<analysis::PairCorrelations>& partners_;
  const double threshold_;
};

}  // namespace homolog::results

#endif  // HOMOLOG_SERVER_RESULTS_NEURON_WRITER_H_
