#include "server/results/result_columns.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <type_traits>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace homolog::results {
namespace {

static_assert(std::endian::native == std::endian::little,
              "columns are stored and sent as they lie in memory");

using analysis::CorrelationResult;
using analysis::PairCorrelations;
using enum ColumnGroup;

template <typename Number>
constexpr v1::ColumnType TypeOf() {
  if constexpr (std::is_same_v<Number, uint8_t>) return v1::COLUMN_TYPE_UINT8;
  if constexpr (std::is_same_v<Number, int32_t>) return v1::COLUMN_TYPE_INT32;
  if constexpr (std::is_same_v<Number, uint32_t>) return v1::COLUMN_TYPE_UINT32;
  if constexpr (std::is_same_v<Number, int64_t>) return v1::COLUMN_TYPE_INT64;
  if constexpr (std::is_same_v<Number, float>) return v1::COLUMN_TYPE_FLOAT32;
}

struct Width {
  int64_t numbers = 1;
  bool at_most = false;
};
constexpr Width Exactly(int64_t numbers) { return {numbers, false}; }
constexpr Width AtMost(int64_t numbers) { return {numbers, true}; }

// `Get` is a lambda without captures that takes an owner to the column's vector.
template <typename Owner, typename Get>
constexpr Column<Owner> Describe(std::string_view name, ColumnGroup group, Get, Width width = {}) {
  using Numbers = std::remove_cvref_t<std::invoke_result_t<Get, Owner&>>;
  using Number = typename Numbers::value_type;
  Column<Owner> column{};
  column.name = name;
  column.group = group;
  column.type = TypeOf<Number>();
  column.width = static_cast<int32_t>(width.numbers);
  column.at_most_that = width.at_most;
  column.bytes = [](const Owner& owner) {
    const Numbers& numbers = Get{}(owner);
    return std::string_view(reinterpret_cast<const char*>(numbers.data()),
                            numbers.size() * sizeof(Number));
  };
  column.assign = [](std::string_view bytes, Owner& owner) {
    Numbers& numbers = Get{}(owner);
    numbers.resize(bytes.size() / sizeof(Number));
    std::copy_n(bytes.data(), numbers.size() * sizeof(Number),
                reinterpret_cast<char*>(numbers.data()));
  };
  return column;
}

template <typename Get>
constexpr ReferenceColumn Reference(std::string_view name, ColumnGroup group, Get get) {
  return Describe<CorrelationResult>(name, group, get);
}
template <typename Get>
constexpr ReferenceColumn Statistic(std::string_view name, Get get, Width width = {}) {
  return Describe<CorrelationResult>(name, kStatistics, get, width);
}
template <typename Get>
constexpr PartnerColumn Partner(std::string_view name, Get get) {
  return Describe<PairCorrelations>(name, kCorrelations, get);
}
template <typename Get>
constexpr PartnerColumn Distribution(std::string_view name, Get get, Width width = {}) {
  return Describe<PairCorrelations>(name, kDistribution, get, width);
}

constexpr Width kPositions = AtMost(analysis::kKeptPositions);
constexpr ReferenceColumn kReferenceColumns[] = {
    Reference(
        "dead", kCorrelations, [](auto& r) -> auto& { return r.dead; }),
    Statistic(
        "activation.mean", [](auto& r) -> auto& { return r.statistics.mean; }),
    Statistic(
        "activation.variance", [](auto& r) -> auto& { return r.statistics.variance; }),
    Statistic(
        "activation.skew", [](auto& r) -> auto& { return r.statistics.skew; }),
    Statistic(
        "activation.kurtosis", [](auto& r) -> auto& { return r.statistics.kurtosis; }),
    Statistic(
        "activation.active_share", [](auto& r) -> auto& { return r.statistics.active_share; }),
    Statistic(
        "activation.minimum", [](auto& r) -> auto& { return r.statistics.minimum; }),
    Statistic(
        "activation.maximum", [](auto& r) -> auto& { return r.statistics.maximum; }),
    Statistic(
        "activation.histogram_low", [](auto& r) -> auto& { return r.statistics.histogram_low; }),
    Statistic(
        "activation.histogram_width",
        [](auto& r) -> auto& { return r.statistics.histogram_width; }),
    Statistic(
        "activation.histogram", [](auto& r) -> auto& { return r.statistics.histogram; },
        Exactly(analysis::kActivationBins)),
    Statistic(
        "activation.top_activation", [](auto& r) -> auto& { return r.statistics.top_activation; },
        kPositions),
    Statistic(
        "activation.top_position", [](auto& r) -> auto& { return r.statistics.top_position; },
        kPositions),
};

constexpr Width kNeurons = AtMost(analysis::kKeptPartners);
constexpr PartnerColumn kPartnerColumns[] = {
    Partner(
        "max_corr", [](auto& p) -> auto& { return p.max_corr; }),
    Partner(
        "max_sim", [](auto& p) -> auto& { return p.max_sim; }),
    Partner(
        "min_corr", [](auto& p) -> auto& { return p.min_corr; }),
    Partner(
        "min_sim", [](auto& p) -> auto& { return p.min_sim; }),
    Partner(
        "baseline", [](auto& p) -> auto& { return p.baseline; }),
    Partner(
        "baseline_std", [](auto& p) -> auto& { return p.baseline_std; }),
    Distribution(
        "corr_mean", [](auto& p) -> auto& { return p.distribution.mean; }),
    Distribution(
        "corr_variance", [](auto& p) -> auto& { return p.distribution.variance; }),
    Distribution(
        "corr_skew", [](auto& p) -> auto& { return p.distribution.skew; }),
    Distribution(
        "corr_kurtosis", [](auto& p) -> auto& { return p.distribution.kurtosis; }),
    Distribution(
        "histogram", [](auto& p) -> auto& { return p.distribution.histogram; },
        Exactly(analysis::kCorrelationBins)),
    Distribution(
        "top_corr", [](auto& p) -> auto& { return p.distribution.top_corr; }, kNeurons),
    Distribution(
        "bottom_corr", [](auto& p) -> auto& { return p.distribution.bottom_corr; }, kNeurons),
    Distribution(
        "top_sim", [](auto& p) -> auto& { return p.distribution.top_sim; }, kNeurons),
    Distribution(
        "bottom_sim", [](auto& p) -> auto& { return p.distribution.bottom_sim; }, kNeurons),
};

template <typename Columns>
const ColumnForm* Find(const Columns& columns, std::string_view name) {
  const auto found = std::find_if(std::begin(columns), std::end(columns),
                                  [&](const ColumnForm& form) { return form.name == name; });
  return found == std::end(columns) ? nullptr : &*found;
}

template <typename Columns>
void Append(const Columns& columns, std::span<const ColumnGroup> groups, int partner,
            std::vector<ColumnId>& ids) {
  for (const ColumnForm& form : columns) {
    const bool wanted = std::find(groups.begin(), groups.end(), form.group) != groups.end();
    if (wanted) ids.push_back({&form, partner});
  }
}

}  // namespace

std::span<const ReferenceColumn> ReferenceColumns() { return kReferenceColumns; }
std::span<const PartnerColumn> PartnerColumns() { return kPartnerColumns; }

std::string ColumnId::Name() const {
  const std::string name(form->name);
  return partner < 0 ? name : absl::StrCat(partner, ".", name);
}

std::vector<ColumnId> ColumnsOf(std::span<const ColumnGroup> groups, int partners) {
  std::vector<ColumnId> ids;
  Append(kReferenceColumns, groups, -1, ids);
  for (int i = 0; i < partners; ++i) Append(kPartnerColumns, groups, i, ids);
  return ids;
}

std::optional<ColumnId> FindColumn(std::string_view name, int partners) {
  ColumnId id{Find(kReferenceColumns, name)};
  if (id.form != nullptr) return id;
  const size_t dot = name.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  id.form = Find(kPartnerColumns, name.substr(dot + 1));
  const bool number = absl::SimpleAtoi(absl::string_view(name.data(), dot), &id.partner);
  if (id.form == nullptr || !number || id.partner < 0 || id.partner >= partners) {
    return std::nullopt;
  }
  // "00.max_corr" is no name.
  return id.Name() == name ? std::optional(id) : std::nullopt;
}

int64_t NumberSize(v1::ColumnType type) {
  switch (type) {
    case v1::COLUMN_TYPE_UINT8:
      return 1;
    case v1::COLUMN_TYPE_INT64:
      return 8;
    default:
      return 4;
  }
}

}  // namespace homolog::results
