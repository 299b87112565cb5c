#include "server/results/result_codec.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "common/resource_names.h"
#include "server/results/manifest.h"

namespace homolog::results {
namespace {

int64_t NeuronsOf(const v1::ResultCheckpoint& checkpoint) {
  return checkpoint.shape().layers() * checkpoint.shape().d_mlp();
}

absl::Status WrongSize(const std::string& name, const ColumnId& column, int64_t neurons,
                       int64_t bytes) {
  const ColumnForm& form = *column.form;
  const std::string right =
      form.at_most_that
          ? absl::StrCat("1 to ", form.width, " numbers for each of ", neurons, " neurons")
          : absl::StrCat(neurons * form.width * NumberSize(form.type));
  return Damaged(
      name, absl::StrCat("column ", column.Name(), " has ", bytes, " bytes instead of ", right));
}

// Numbers per neuron of a column of `bytes` bytes, or 0 where it cannot have that size.
int64_t WidthOf(const ColumnForm& form, int64_t neurons, int64_t bytes) {
  const int64_t one = neurons * NumberSize(form.type);
  const int64_t width = bytes / one;
  const bool fits = form.at_most_that ? width <= form.width : width == form.width;
  return fits && bytes % one == 0 ? width : 0;
}

bool HasNeurons(const v1::ResultCheckpoint& checkpoint) {
  const v1::ModelShape& shape = checkpoint.shape();
  // Flat indices are int32.
  return shape.layers() > 0 && shape.d_mlp() > 0 &&
         shape.layers() <= std::numeric_limits<int32_t>::max() / shape.d_mlp();
}

// Packed flat indices that are neurons of the partner.
bool AreNeurons(std::string_view packed, const v1::ResultCheckpoint& partner) {
  const int64_t neurons = NeuronsOf(partner);
  for (size_t at = 0; at < packed.size(); at += sizeof(int32_t)) {
    int32_t flat = 0;
    std::memcpy(&flat, packed.data() + at, sizeof(flat));
    if (flat < 0 || flat >= neurons) return false;
  }
  return true;
}

// Reads those of `columns` that are of one of `groups` into `owner`.
template <typename Owner>
absl::Status ReadInto(const store::Store& store, const std::string& id,
                      const v1::Correlation& manifest, std::span<const Column<Owner>> columns,
                      int partner, std::span<const ColumnGroup> groups, NeuronRange neurons,
                      Owner& owner) {
  for (const Column<Owner>& column : columns) {
    if (std::find(groups.begin(), groups.end(), column.group) == groups.end()) continue;
    HOMOLOG_ASSIGN_OR_RETURN(const ColumnNumbers numbers,
                             ReadColumn(store, id, manifest, {&column, partner}, neurons));
    column.assign(numbers.bytes, owner);
  }
  return absl::OkStatus();
}

template <typename Owner>
void AddBlobs(std::span<const Column<Owner>> columns, int partner, const Owner& owner,
              std::vector<store::Blob>& blobs) {
  for (const Column<Owner>& column : columns) {
    const std::string_view bytes = column.bytes(owner);
    if (!bytes.empty()) blobs.push_back({ColumnId{&column, partner}.Name(), std::string(bytes)});
  }
}

// Numbers per neuron, by the size that it is stored with.
absl::StatusOr<int64_t> WidthOfColumn(const store::Store& store, const std::string& id,
                                      const v1::Correlation& manifest, const ColumnId& column) {
  const std::string name = FormatName(kCorrelations, id), blob = column.Name();
  const absl::StatusOr<int64_t> size = store.GetBlobSize(kCorrelations, id, blob);
  if (absl::IsNotFound(size.status())) {
    return Damaged(name, absl::StrCat("column ", blob, " is missing"));
  }
  HOMOLOG_RETURN_IF_ERROR(size.status());
  const int64_t all = NeuronsOf(manifest.reference()), width = WidthOf(*column.form, all, *size);
  if (width == 0) return WrongSize(name, column, all, *size);
  return width;
}

// In a result of this version.
bool HasDistributions(const v1::Correlation& manifest) {
  return manifest.parameters().pairing() != v1::PAIRING_SAME_INDEX;
}

NeuronRange AllNeurons(const v1::Correlation& manifest) {
  return {0, NeuronsOf(manifest.reference())};
}

// What the manifest says of a pair: bytes that were cut off can still be a message.
absl::Status CheckSummary(const std::string& id, const v1::Correlation& manifest, int partner) {
  const int64_t similarities =
      HasDistributions(manifest)
          ? manifest.reference().shape().layers() * manifest.partners(partner).shape().layers()
          : 0;
  const bool whole = manifest.pairs_size() == manifest.partners_size() &&
                     manifest.pairs(partner).layer_similarity_size() == similarities;
  if (whole) return absl::OkStatus();
  return Damaged(FormatName(kCorrelations, id),
                 absl::StrCat("its manifest lacks the summary of partner ", partner));
}

}  // namespace

std::vector<store::Blob> EncodeColumns(const analysis::CorrelationResult& result) {
  std::vector<store::Blob> blobs;
  AddBlobs(ReferenceColumns(), -1, result, blobs);
  for (size_t i = 0; i < result.partners.size(); ++i) {
    AddBlobs(PartnerColumns(), static_cast<int>(i), result.partners[i], blobs);
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

absl::StatusOr<v1::Correlation> ReadComplete(const store::Store& store, const std::string& id) {
  HOMOLOG_ASSIGN_OR_RETURN(v1::Correlation manifest, ReadCorrelation(store, id));
  HOMOLOG_RETURN_IF_ERROR(ReadColumns(store, id, manifest).status());
  std::vector<ColumnGroup> groups = {ColumnGroup::kStatistics};
  if (HasDistributions(manifest)) groups.push_back(ColumnGroup::kDistribution);
  for (const ColumnId& column : ColumnsOf(groups, manifest.partners_size())) {
    HOMOLOG_RETURN_IF_ERROR(WidthOfColumn(store, id, manifest, column).status());
  }
  return manifest;
}

absl::StatusOr<bool> HasColumns(const store::Store& store, const std::string& id,
                                ColumnGroup group) {
  // The first of them speaks for all, and is one number a neuron.
  const std::vector<ColumnId> columns = ColumnsOf({&group, 1}, /*partners=*/1);
  const absl::Status status = store.GetBlobSize(kCorrelations, id, columns[0].Name()).status();
  if (absl::IsNotFound(status)) return false;
  HOMOLOG_RETURN_IF_ERROR(status);
  return true;
}

absl::StatusOr<ColumnNumbers> ReadColumn(const store::Store& store, const std::string& id,
                                         const v1::Correlation& manifest, const ColumnId& column,
                                         NeuronRange neurons) {
  const std::string name = FormatName(kCorrelations, id), blob = column.Name();
  ColumnNumbers numbers;
  HOMOLOG_ASSIGN_OR_RETURN(numbers.width, WidthOfColumn(store, id, manifest, column));
  const int64_t row = numbers.width * NumberSize(column.form->type);
  HOMOLOG_ASSIGN_OR_RETURN(numbers.bytes, store.ReadBlob(kCorrelations, id, blob,
                                                         neurons.first * row, neurons.count * row));
  if (column.form->type == v1::COLUMN_TYPE_INT32 &&
      !AreNeurons(numbers.bytes, manifest.partners(column.partner))) {
    return Damaged(
        name, absl::StrCat("column ", blob, " of partner ", column.partner, " names a neuron that ",
                           manifest.partners(column.partner).name(), " does not have"));
  }
  return numbers;
}

absl::StatusOr<analysis::CorrelationResult> ReadRows(const store::Store& store,
                                                     const std::string& id,
                                                     const v1::Correlation& manifest,
                                                     std::span<const ColumnGroup> groups,
                                                     NeuronRange neurons) {
  analysis::CorrelationResult rows;
  HOMOLOG_RETURN_IF_ERROR(
      ReadInto(store, id, manifest, ReferenceColumns(), -1, groups, neurons, rows));
  rows.partners.resize(static_cast<size_t>(manifest.partners_size()));
  for (int i = 0; i < manifest.partners_size(); ++i) {
    HOMOLOG_RETURN_IF_ERROR(ReadInto(store, id, manifest, PartnerColumns(), i, groups, neurons,
                                     rows.partners[static_cast<size_t>(i)]));
  }
  return rows;
}

absl::StatusOr<CorrelationColumns> ReadColumns(const store::Store& store, const std::string& id,
                                               const v1::Correlation& manifest) {
  constexpr ColumnGroup kGroups[] = {ColumnGroup::kCorrelations};
  HOMOLOG_ASSIGN_OR_RETURN(analysis::CorrelationResult rows,
                           ReadRows(store, id, manifest, kGroups, AllNeurons(manifest)));
  return CorrelationColumns{std::move(rows.dead), std::move(rows.partners)};
}

absl::StatusOr<analysis::PairCorrelations> ReadPair(const store::Store& store,
                                                    const std::string& id,
                                                    const v1::Correlation& manifest, int partner) {
  HOMOLOG_RETURN_IF_ERROR(CheckSummary(id, manifest, partner));
  std::vector<ColumnGroup> groups = {ColumnGroup::kCorrelations};
  if (HasDistributions(manifest)) groups.push_back(ColumnGroup::kDistribution);
  const NeuronRange neurons = AllNeurons(manifest);
  analysis::PairCorrelations pair;
  HOMOLOG_RETURN_IF_ERROR(
      ReadInto(store, id, manifest, PartnerColumns(), partner, groups, neurons, pair));
  pair.distribution.kept = static_cast<int64_t>(pair.distribution.top_corr.size()) / neurons.count;
  pair.partner_dead = manifest.partners(partner).dead_neurons();
  const v1::PairSummary& summary = manifest.pairs(partner);
  pair.error = {summary.error().pair_count(), summary.error().max_abs(),
                summary.error().mean_abs()};
  pair.layer_similarity.assign(summary.layer_similarity().begin(),
                               summary.layer_similarity().end());
  return pair;
}

absl::StatusOr<analysis::CorrelationResult> ReadReference(const store::Store& store,
                                                          const std::string& id,
                                                          const v1::Correlation& manifest) {
  constexpr ColumnGroup kGroups[] = {ColumnGroup::kCorrelations, ColumnGroup::kStatistics};
  const NeuronRange neurons = AllNeurons(manifest);
  analysis::CorrelationResult reference;
  HOMOLOG_RETURN_IF_ERROR(
      ReadInto(store, id, manifest, ReferenceColumns(), -1, kGroups, neurons, reference));
  reference.statistics.kept =
      static_cast<int64_t>(reference.statistics.top_position.size()) / neurons.count;
  reference.counted_positions = manifest.counted_positions();
  reference.excluded_positions = manifest.excluded_positions();
  return reference;
}

absl::StatusOr<v1::Ablation> ReadAblation(const store::Store& store, const std::string& id) {
  return ReadManifest<v1::Ablation>(store, kAblations, id, "ABLATION_NOT_FOUND");
}

}  // namespace homolog::results
