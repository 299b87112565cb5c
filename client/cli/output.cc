#include "client/cli/output.h"

#include "client/cli/json.h"
#include "common/csv.h"

namespace homolog::cli {
namespace {

// Rows that are not known beforehand cannot be aligned.
std::string LineForPeople(const std::vector<std::string>& cells) {
  std::string line;
  for (const std::string& cell : cells) {
    if (!cell.empty()) line += (line.empty() ? "" : "  ") + Printable(cell);
  }
  line += '\n';
  return line;
}

}  // namespace

void Output::PrintForPeople(const std::string& text) {
  if (format_ == Format::kTable) out_ << text;
}

void Output::PrintJson(const google::protobuf::Message& message) {
  if (format_ == Format::kJson) out_ << Json(message);
}

void Output::PrintCsv(const Table& table) {
  if (!has_csv_header_) {
    std::vector<std::string> names;
    for (const Column& column : table.columns) names.push_back(column.name);
    out_ << CsvLine(names);
    has_csv_header_ = true;
  }
  for (const auto& row : table.rows) out_ << CsvLine(row);
}

void Output::PrintTable(const google::protobuf::Message& message, const Table& table,
                        bool is_record) {
  switch (format_) {
    case Format::kJson:
      return PrintJson(message);
    case Format::kCsv:
      return PrintCsv(table);
    case Format::kTable:
      return PrintForPeople(is_record ? AlignedRecord(table) : AlignedTable(table));
  }
}

void Output::PrintLine(const google::protobuf::Message& message, const Table& table) {
  switch (format_) {
    case Format::kJson:
      out_ << JsonLine(message);
      break;
    case Format::kCsv:
      PrintCsv(table);
      break;
    case Format::kTable:
      for (const auto& row : table.rows) out_ << LineForPeople(row);
      break;
  }
  out_ << std::flush;
}

}  // namespace homolog::cli
