#include "tests/bench/output.h"

#include <algorithm>
#include <fstream>
#include <iomanip>
#include <sstream>
#include <vector>

#include "absl/strings/str_cat.h"

namespace homolog::bench {
namespace {

std::string Cell(const nlohmann::ordered_json& value) {
  if (value.is_null()) return "-";
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_number_float()) return value.dump();
  std::ostringstream text;
  text << std::setprecision(4) << value.get<double>();
  return text.str();
}

std::vector<std::string> Header(const nlohmann::ordered_json& row) {
  std::vector<std::string> names;
  for (const auto& [name, value] : row.items()) names.push_back(name);
  return names;
}

void PrintLine(const std::vector<std::string>& cells, const std::vector<size_t>& widths,
               std::ostream& out) {
  for (size_t i = 0; i < cells.size(); ++i) {
    if (i > 0) out << "  ";
    out << (i == 0 ? std::left : std::right) << std::setw(static_cast<int>(widths[i])) << cells[i];
  }
  out << "\n";
}

}  // namespace

void PrintTable(const Rows& rows, std::ostream& out) {
  if (rows.empty()) return;
  const std::vector<std::string> names = Header(rows.front());
  std::vector<std::vector<std::string>> lines = {names};
  for (const nlohmann::ordered_json& row : rows) {
    std::vector<std::string> cells;
    for (const std::string& name : names)
      cells.push_back(Cell(row.value(name, Rows::value_type())));
    lines.push_back(cells);
  }
  std::vector<size_t> widths(names.size(), 0);
  for (const auto& line : lines) {
    for (size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], line[i].size());
  }
  for (const auto& line : lines) PrintLine(line, widths, out);
  out << "\n";
}

absl::Status WriteJson(const Rows& rows, const std::string& path) {
  std::ofstream file(path);
  file << nlohmann::ordered_json(rows).dump(2) << "\n";
  if (file.flush()) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("cannot write ", path, "; --json needs a file in a folder that exists"));
}

}  // namespace homolog::bench
