#include "server/results/neuron_table.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/error.h"
#include "common/resource_names.h"
#include "common/text.h"
#include "server/results/neuron_request.h"
#include "server/results/paging.h"
#include "server/results/result_codec.h"
#include "server/results/result_columns.h"

namespace homolog::results {
namespace {

constexpr int64_t kPageBytes = 3 << 20;
constexpr int kMostColumns = 256;

// The groups that the result has.
absl::StatusOr<std::vector<ColumnGroup>> GroupsOf(const store::Store& store,
                                                  const std::string& id) {
  std::vector<ColumnGroup> groups = {ColumnGroup::kCorrelations};
  for (const ColumnGroup group : {ColumnGroup::kStatistics, ColumnGroup::kDistribution}) {
    HOMOLOG_ASSIGN_OR_RETURN(const bool has, HasColumns(store, id, group));
    if (has) groups.push_back(group);
  }
  return groups;
}

// What the result has, for people: the names of partner 0 stand for those of every partner.
std::string ExistingColumns(const v1::Correlation& manifest,
                            const std::vector<ColumnGroup>& groups) {
  return absl::StrCat(
      absl::StrJoin(ColumnsOf(groups, /*partners=*/1), ", ",
                    [](std::string* out, const ColumnId& id) { *out += id.Name(); }),
      manifest.partners_size() == 1 ? ""
                                    : absl::StrCat(", and what begins with 0. also with 1 to ",
                                                   manifest.partners_size() - 1, ", its partners"));
}

absl::Status InvalidColumn(const std::string& what) {
  return InvalidArgument("INVALID_COLUMN", what);
}

absl::StatusOr<ColumnId> ParseColumn(const std::string& name, const v1::Correlation& manifest,
                                     const std::vector<ColumnGroup>& groups) {
  const std::optional<ColumnId> column = FindColumn(name, manifest.partners_size());
  if (column && std::find(groups.begin(), groups.end(), column->form->group) != groups.end()) {
    return *column;
  }
  return InvalidColumn(absl::StrCat(manifest.name(), " has no column ", Quoted(name), "; it has ",
                                    ExistingColumns(manifest, groups)));
}

absl::StatusOr<std::vector<ColumnId>> ParseColumns(const store::Store& store, const std::string& id,
                                                   const v1::GetNeuronTableRequest& request,
                                                   const v1::Correlation& manifest) {
  if (request.columns().empty()) {
    constexpr ColumnGroup kDefault[] = {ColumnGroup::kCorrelations};
    return ColumnsOf(kDefault, manifest.partners_size());
  }
  if (request.columns_size() > kMostColumns) {
    return InvalidColumn(
        absl::StrCat("columns names ", request.columns_size(), "; at most ", kMostColumns));
  }
  HOMOLOG_ASSIGN_OR_RETURN(const std::vector<ColumnGroup> groups, GroupsOf(store, id));
  std::vector<ColumnId> columns;
  std::set<std::string> seen;
  for (const std::string& name : request.columns()) {
    HOMOLOG_ASSIGN_OR_RETURN(const ColumnId column, ParseColumn(name, manifest, groups));
    if (!seen.insert(name).second) {
      return InvalidColumn(
          absl::StrCat("columns names ", Quoted(name), " twice; name each column once"));
    }
    columns.push_back(column);
  }
  return columns;
}

// Neurons that fit a page; lists count as long as they can be.
int64_t FittingNeurons(const std::vector<ColumnId>& columns) {
  int64_t bytes = 0;
  for (const ColumnId& column : columns) {
    bytes += column.form->width * NumberSize(column.form->type);
  }
  return std::max<int64_t>(1, kPageBytes / bytes);
}

absl::StatusOr<int64_t> PageSize(int32_t asked, const std::vector<ColumnId>& columns) {
  if (asked < 0) {
    return InvalidArgument(
        "INVALID_PAGE_SIZE",
        absl::StrCat("page_size is ", asked, "; must be 0 (as many as fit a message) or more"),
        {{"page_size", absl::StrCat(asked)}});
  }
  const int64_t fitting = FittingNeurons(columns);
  return asked == 0 ? fitting : std::min<int64_t>(asked, fitting);
}

// What a page token is bound to: every field but the paging ones.
std::string ListingKey(v1::GetNeuronTableRequest request) {
  request.clear_page_size();
  request.clear_page_token();
  return request.SerializeAsString();
}

}  // namespace

absl::StatusOr<v1::GetNeuronTableResponse> GetNeuronTable(
    const store::Store& store, const v1::GetNeuronTableRequest& request) {
  HOMOLOG_ASSIGN_OR_RETURN(const std::string id, ParseName(kCorrelations, request.correlation()));
  HOMOLOG_ASSIGN_OR_RETURN(const v1::Correlation manifest, ReadCorrelation(store, id));
  HOMOLOG_ASSIGN_OR_RETURN(const std::vector<ColumnId> columns,
                           ParseColumns(store, id, request, manifest));
  HOMOLOG_ASSIGN_OR_RETURN(const int64_t page_size, PageSize(request.page_size(), columns));
  HOMOLOG_ASSIGN_OR_RETURN(
      const NeuronRange all,
      NeuronsOfLayer(manifest,
                     request.has_layer() ? std::optional<int32_t>(request.layer()) : std::nullopt));
  const std::string listing = ListingKey(request);
  HOMOLOG_ASSIGN_OR_RETURN(const int64_t offset, ParseOffsetToken(listing, request.page_token()));
  const int64_t begin = std::min(all.count, offset);
  const NeuronRange page = {all.first + begin, std::min(all.count - begin, page_size)};

  v1::GetNeuronTableResponse response;
  for (const ColumnId& id_of_column : columns) {
    HOMOLOG_ASSIGN_OR_RETURN(ColumnNumbers numbers,
                             ReadColumn(store, id, manifest, id_of_column, page));
    v1::NeuronColumn& column = *response.add_columns();
    column.set_name(id_of_column.Name());
    column.set_type(id_of_column.form->type);
    column.set_width(static_cast<int32_t>(numbers.width));
    column.set_data(std::move(numbers.bytes));
  }
  response.set_first_neuron(page.first);
  response.set_neuron_count(static_cast<int32_t>(page.count));
  if (const int64_t next = begin + page.count; next < all.count) {
    response.set_next_page_token(OffsetToken(listing, next));
  }
  response.set_total_size(all.count);
  return response;
}

}  // namespace homolog::results
