// The columns of a stored correlation: how each is called and what it holds. One list, which
// whoever stores, reads or serves columns goes by.
//
// Thread-safety: pure functions and constants.
#ifndef HOMOLOG_SERVER_RESULTS_RESULT_COLUMNS_H_
#define HOMOLOG_SERVER_RESULTS_RESULT_COLUMNS_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "homolog/v1/neuron.pb.h"
#include "server/analysis/correlation.h"

namespace homolog::results {

// Columns that a result has together or not at all.
enum class ColumnGroup {
  kCorrelations,  // every result
  kStatistics,    // not the results of servers that did not keep them
  kDistribution,  // neither those, nor same_index pairing
};

// One column, apart from where its numbers are in memory. Numbers of type int32 are flat indices in
// the partner.
struct ColumnForm {
  std::string_view name;  // a partner's without its number: "max_corr" for "0.max_corr"
  ColumnGroup group;
  v1::ColumnType type;
  int32_t width;      // numbers per neuron
  bool at_most_that;  // a list, shorter where there are fewer neurons or positions
};

// With its place in an `Owner`, whose vector is empty where the column is absent.
template <typename Owner>
struct Column : ColumnForm {
  std::string_view (*bytes)(const Owner&);         // the numbers as they lie in memory
  void (*assign)(std::string_view bytes, Owner&);  // the same back; whole numbers
};
using ReferenceColumn = Column<analysis::CorrelationResult>;
using PartnerColumn = Column<analysis::PairCorrelations>;

// In the order of analysis_service.proto; a group's columns follow one another.
std::span<const ReferenceColumn> ReferenceColumns();
std::span<const PartnerColumn> PartnerColumns();

// A column of one result.
struct ColumnId {
  const ColumnForm* form = nullptr;
  int partner = -1;  // -1: of the reference

  // Its name in the API and of its blob: "dead", "0.max_corr".
  std::string Name() const;
};

// The columns of those groups of a result with that many partners.
std::vector<ColumnId> ColumnsOf(std::span<const ColumnGroup> groups, int partners);
// The column called `name`, or nothing.
std::optional<ColumnId> FindColumn(std::string_view name, int partners);

// Bytes of one number.
int64_t NumberSize(v1::ColumnType type);

}  // namespace homolog::results

#endif  // HOMOLOG_SERVER_RESULTS_RESULT_COLUMNS_H_
