#include "client/cli/table.h"

#include <algorithm>
#include <utility>

#include "client/cli/text.h"

namespace homolog::cli {
namespace {

constexpr size_t kGap = 2;

// Characters, taken as the bytes that do not continue a UTF-8 sequence.
size_t Width(const std::string& cell) {
  return static_cast<size_t>(std::count_if(cell.begin(), cell.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

std::string Padded(const std::string& cell, size_t width, bool right) {
  const std::string padding(width - std::min(width, Width(cell)), ' ');
  return right ? padding + cell : cell + padding;
}

void AppendLine(std::string line, std::string& text) {
  line.erase(line.find_last_not_of(' ') + 1);
  text += line;
  text += '\n';
}

}  // namespace

std::string AlignedTable(const Table& table) {
  std::vector<size_t> widths;
  for (const Column& column : table.columns) widths.push_back(Width(column.name));
  for (const auto& row : table.rows) {
    for (size_t i = 0; i < widths.size(); ++i) widths[i] = std::max(widths[i], Width(row[i]));
  }
  std::string text;
  const auto append = [&](const auto& cell_of) {
    std::string line;
    for (size_t i = 0; i < widths.size(); ++i) {
      if (i > 0) line.append(kGap, ' ');
      line += Padded(Printable(cell_of(i)), widths[i], table.columns[i].right);
    }
    AppendLine(std::move(line), text);
  };
  append([&](size_t i) { return table.columns[i].name; });
  for (const auto& row : table.rows) append([&](size_t i) { return row[i]; });
  return text;
}

std::string AlignedRecord(const Table& table) {
  size_t width = 0;
  for (const Column& column : table.columns) width = std::max(width, Width(column.name));
  std::string text;
  for (size_t i = 0; i < table.columns.size(); ++i) {
    AppendLine(
        Padded(table.columns[i].name, width + kGap, false) + Printable(table.rows.front()[i]),
        text);
  }
  return text;
}

}  // namespace homolog::cli
