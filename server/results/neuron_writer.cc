#include "server/results/neuron_writer.h"

namespace homolog::results {

void NeuronWriter::Write(const QueriedNeuron& neuron, int64_t row, v1::Neuron& out) const {
  const analysis::NeuronExcess& excess = neuron.excess;
  out.set_layer(static_cast<int32_t>(neuron.layer));
  out.set_neuron(static_cast<int32_t>(neuron.neuron));
  out.set_max_corr(excess.max_corr);
  out.set_min_corr(excess.min_corr);
  out.set_baseline(excess.baseline);
  out.set_excess_corr(excess.excess);
  out.set_dead(dead_[row] != 0);
  out.set_universal(!out.dead() && excess.excess > threshold_);
  for (int i = 0; i < manifest_.partners_size(); ++i) WritePartner(i, row, *out.add_partners());
  const v1::NeuronPartner& shown = out.partners(excess.partner);
  out.set_max_sim_layer(shown.max_sim_layer());
  out.set_max_sim_neuron(shown.max_sim_neuron());
  out.set_max_sim_checkpoint(shown.checkpoint());
}

void NeuronWriter::WritePartner(int partner, int64_t row, v1::NeuronPartner& out) const {
  const analysis::PairCorrelations& pair = partners_[partner];
  const auto d_mlp = static_cast<int32_t>(manifest_.partners(partner).shape().d_mlp());
  out.set_checkpoint(manifest_.partners(partner).name());
  out.set_max_corr(pair.max_corr[row]);
  out.set_max_sim_layer(pair.max_sim[row] / d_mlp);
  out.set_max_sim_neuron(pair.max_sim[row] % d_mlp);
  out.set_min_corr(pair.min_corr[row]);
  out.set_min_sim_layer(pair.min_sim[row] / d_mlp);
  out.set_min_sim_neuron(pair.min_sim[row] % d_mlp);
  out.set_baseline(pair.baseline[row]);
  out.set_baseline_std(pair.baseline_std[row]);
  out.set_excess_corr(static_cast<double>(pair.max_corr[row]) - pair.baseline[row]);
}

}  // namespace homolog::results
