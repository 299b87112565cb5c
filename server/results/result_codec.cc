#include "server/results/result_codec.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "common/resource_names.h"

namespace homolog::results {
namespace {

static_assert(std::endian::native == std::endian::little,
              "columns are stored as they lie in memory");

using analysis::PairCorrelations;

template <typename T>
std::string Pack(const std::vector<T>& column) {
  return std::string(reinterpret_cast<const char*>(column.data()), column.size() * sizeof(T));
}

absl::Status Damaged(const std::string& name, const std::string& what) {
  return DataLoss("DAMAGED_RESULT",
                  absl::StrCat("the stored result ", name, " is damaged: ", what,
                               "; ask for it again to have it computed anew"),
                  {{"result", name}});
}

template <typename T>
absl::Status ReadColumn(const store::Store& store, const std::string& id, const std::string& blob,
                        size_t size, std::vector<T>& column) {
  const std::string name = FormatName(kCorrelations, id);
  const absl::StatusOr<std::string> bytes = store.GetBlob(kCorrelations, id, blob);
  if (absl::IsNotFound(bytes.status())) {
    return Damaged(name, absl::StrCat("column ", blob, " is missing"));
  }
  HOMOLOG_RETURN_IF_ERROR(bytes.status());
  if (bytes->size() != size * sizeof(T)) {
    return Damaged(name, absl::StrCat("column ", blob, " has ", bytes->size(), " bytes instead of ",
                                      size * sizeof(T)));
  }
  column.resize(size);
  std::memcpy(column.data(), bytes->data(), bytes->size());
  return absl::OkStatus();
}

bool HasNeurons(const v1::ResultCheckpoint& checkpoint) {
  const v1::ModelShape& shape = checkpoint.shape();
  // Flat indices are int32.
  return shape.layers() > 0 && shape.d_mlp() > 0 &&
         shape.layers() <= std::numeric_limits<int32_t>::max() / shape.d_mlp();
}

// Flat indices that are neurons of the partner.
bool AreNeurons(const std::vector<int32_t>& column, const v1::ResultCheckpoint& partner) {
  const int64_t neurons = partner.shape().layers() * partner.shape().d_mlp();
  return std::all_of(column.begin(), column.end(),
                     [&](int32_t flat) { return flat >= 0 && flat < neurons; });
}

// Visits every column of a partner with its blob's name.
template <typename Pair, typename Visit>
void ForEachColumn(size_t partner, Pair& pair, Visit visit) {
  visit(absl::StrCat(partner, ".max_corr"), pair.max_corr);
  visit(absl::StrCat(partner, ".max_sim"), pair.max_sim);
  visit(absl::StrCat(partner, ".min_corr"), pair.min_corr);
  visit(absl::StrCat(partner, ".min_sim"), pair.min_sim);
  visit(absl::StrCat(partner, ".baseline"), pair.baseline);
  visit(absl::StrCat(partner, ".baseline_std"), pair.baseline_std);
}

template <typename Manifest>
absl::StatusOr<Manifest> ReadManifest(const store::Store& store, std::string_view kind,
                                      const std::string& id, std::string_view not_found_reason) {
  const std::string name = FormatName(kind, id);
  absl::StatusOr<std::string> bytes = store.GetResult(kind, id);
  if (absl::IsNotFound(bytes.status())) {
    return NotFound(not_found_reason,
                    absl::StrCat("there is no result ", name,
                                 "; list the results to see the names of those that exist"),
                    {{"name", name}});
  }
  HOMOLOG_RETURN_IF_ERROR(bytes.status());
  Manifest manifest;
  if (!manifest.ParseFromString(*bytes)) return Damaged(name, "its manifest cannot be read");
  return manifest;
}

}  // namespace

std::vector<store::Blob> EncodeColumns(const analysis::CorrelationResult& result) {
  std::vector<store::Blob> blobs = {{"dead", Pack(result.dead)}};
  for (size_t i = 0; i < result.partners.size(); ++i) {
    ForEachColumn(i, result.partners[i], [&](std::string name, const auto& column) {
      blobs.push_back({std::move(name), Pack(column)});
    });
  }
  return blobs;
}

absl::StatusOr<v1::Correlation> ReadCorrelation(const store::Store& store, const std::string& id) {
  HOMOLOG_ASSIGN_OR_RETURN(
      v1::Correlation manifest,
      ReadManifest<v1::Correlation>(store, kCorrelations, id, "CORRELATION_NOT_FOUND"));
  // What readers of the columns count on: bytes that were cut off can still be a message.
  const bool whole =
      HasNeurons(manifest.reference()) && !manifest.partners().empty() &&
      std::all_of(manifest.partners().begin(), manifest.partners().end(), HasNeurons);
  if (!whole) return Damaged(FormatName(kCorrelations, id), "its manifest lacks models or shapes");
  return manifest;
}

absl::StatusOr<CorrelationColumns> ReadColumns(const store::Store& store, const std::string& id,
                                               const v1::Correlation& manifest) {
  const auto neurons = static_cast<size_t>(manifest.reference().shape().layers() *
                                           manifest.reference().shape().d_mlp());
  CorrelationColumns columns;
  columns.partners.resize(static_cast<size_t>(manifest.partners_size()));
  absl::Status status = ReadColumn(store, id, "dead", neurons, columns.dead);
  for (size_t i = 0; i < columns.partners.size(); ++i) {
    ForEachColumn(i, columns.partners[i], [&](const std::string& name, auto& column) {
      status.Update(ReadColumn(store, id, name, neurons, column));
    });
  }
  HOMOLOG_RETURN_IF_ERROR(status);
  for (size_t i = 0; i < columns.partners.size(); ++i) {
    const v1::ResultCheckpoint& partner = manifest.partners(static_cast<int>(i));
    if (!AreNeurons(columns.partners[i].max_sim, partner) ||
        !AreNeurons(columns.partners[i].min_sim, partner)) {
      return Damaged(FormatName(kCorrelations, id),
                     absl::StrCat("a column of partner ", i, " names a neuron that ",
                                  partner.name(), " does not have"));
    }
  }
  return columns;
}

absl::StatusOr<v1::Ablation> ReadAblation(const store::Store& store, const std::string& id) {
  return ReadManifest<v1::Ablation>(store, kAblations, id, "ABLATION_NOT_FOUND");
}

}  // namespace homolog::results
