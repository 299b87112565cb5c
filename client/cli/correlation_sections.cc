#include "client/cli/correlation_sections.h"

#include <algorithm>
#include <cstdio>

#include "client/cli/table.h"
#include "client/cli/text.h"
#include "common/enum_text.h"

namespace homolog::cli {
namespace {

// 3.1e-07: errors are far below what four decimals show.
std::string ErrorText(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.1e", value);
  return text;
}

std::string PlanText(const v1::Correlation& correlation) {
  const v1::CorrelationPlan& plan = correlation.plan();
  return AlignedRecord(
      {{{"precision"},
        {"passes"},
        {"block_positions"},
        {"memory"},
        {"memory_budget"},
        {"multiplications"},
        {"estimated_duration"}},
       {{EnumText(correlation.parameters().precision()), std::to_string(plan.passes()),
         std::to_string(plan.block_positions()), BytesText(plan.memory_bytes(), Style::kShort),
         BytesText(plan.memory_budget_bytes(), Style::kShort), ErrorText(plan.multiplications()),
         DurationText(plan.estimated_duration(), Style::kShort)}}});
}

// A correlation of another server may have fewer pairs than partners.
int PairsOf(const v1::Correlation& correlation) {
  return std::min(correlation.pairs_size(), correlation.partners_size());
}

std::string ErrorsText(const v1::Correlation& correlation) {
  Table table{{{"partner"}, {"measured_pairs", true}, {"max_error", true}, {"mean_error", true}},
              {}};
  for (int i = 0; i < PairsOf(correlation); ++i) {
    const v1::MeasuredError& error = correlation.pairs(i).error();
    table.rows.push_back({NameText(correlation.partners(i).name(), Style::kShort),
                          std::to_string(error.pair_count()), ErrorText(error.max_abs()),
                          ErrorText(error.mean_abs())});
  }
  return AlignedTable(table);
}

// [reference layer, partner layer]; "" where there is none.
std::string SimilarityText(const v1::Correlation& correlation, int partner) {
  const auto& similarity = correlation.pairs(partner).layer_similarity();
  const int64_t rows = correlation.reference().shape().layers();
  const int64_t columns = correlation.partners(partner).shape().layers();
  // Divided, not multiplied: the numbers come from outside.
  if (rows < 1 || columns < 1 || similarity.empty() || similarity.size() % columns != 0 ||
      similarity.size() / columns != rows) {
    return "";
  }
  Table table{{{"layer", true}}, {}};
  for (int64_t column = 0; column < columns; ++column) {
    table.columns.push_back({std::to_string(column), true});
  }
  for (int64_t row = 0; row < rows; ++row) {
    std::vector<std::string>& cells = table.rows.emplace_back();
    cells.push_back(std::to_string(row));
    for (int64_t column = 0; column < columns; ++column) {
      cells.push_back(RealText(similarity[static_cast<int>(row * columns + column)], Style::kShort,
                               /*decimals=*/2));
    }
  }
  return "layer similarity (CKA) of " + NameText(correlation.reference().name(), Style::kShort) +
         " (rows) with " + NameText(correlation.partners(partner).name(), Style::kShort) +
         " (columns)\n" + AlignedTable(table);
}

}  // namespace

std::vector<std::string> CorrelationSections(const v1::Correlation& correlation) {
  std::vector<std::string> sections;
  if (correlation.has_plan()) sections.push_back(PlanText(correlation));
  if (PairsOf(correlation) > 0) sections.push_back(ErrorsText(correlation));
  for (int i = 0; i < PairsOf(correlation); ++i) {
    std::string similarity = SimilarityText(correlation, i);
    if (!similarity.empty()) sections.push_back(std::move(similarity));
  }
  return sections;
}

}  // namespace homolog::cli
