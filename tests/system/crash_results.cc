#include "tests/system/crash_results.h"

#include "common/digest.h"
#include "common/error.h"

namespace homolog::testing {
namespace {

// Every column of every neuron, of the reference and of the first partner.
absl::Status AddTable(client::Client& client, const std::string& correlation, Sha256& digest) {
  v1::GetNeuronTableRequest request;
  request.set_correlation(correlation);
  for (const char* column :
       {"dead", "activation.mean", "activation.histogram", "activation.top_activation",
        "activation.top_position", "0.max_corr", "0.min_corr", "0.max_sim", "0.baseline",
        "0.baseline_std", "0.histogram", "0.top_sim", "0.top_corr"}) {
    request.add_columns(column);
  }
  return client.GetNeuronTableEveryPage(request, [&digest](const v1::GetNeuronTableResponse& page) {
    for (const v1::NeuronColumn& column : page.columns()) digest.Update(column.data());
    return absl::OkStatus();
  });
}

template <typename Message>
absl::StatusOr<std::string> DigestOf(const absl::StatusOr<Message>& manifest) {
  if (!manifest.ok()) return manifest.status();
  return Sha256Hex(manifest->SerializeAsString());
}

}  // namespace

absl::StatusOr<std::string> DigestOfResult(client::Client& client, const std::string& name) {
  if (name.starts_with("ablations/")) return DigestOf(client.GetAblation(name));
  if (name.starts_with("studies/")) return DigestOf(client.GetStudy(name));
  HOMOLOG_ASSIGN_OR_RETURN(const v1::Correlation correlation, client.GetCorrelation(name));
  Sha256 digest;
  digest.Update(correlation.SerializeAsString());
  HOMOLOG_RETURN_IF_ERROR(AddTable(client, name, digest));
  return digest.HexDigest();
}

std::vector<std::string> ResultsOf(const v1::Operation& operation) {
  if (operation.state() != v1::OPERATION_STATE_SUCCEEDED) return {};
  if (operation.results().empty()) return {operation.result()};
  return {operation.results().begin(), operation.results().end()};
}

}  // namespace homolog::testing
