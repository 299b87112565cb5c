// Tables for people.
//
// Thread-safety: pure functions and values.
#ifndef HOMOLOG_CLIENT_CLI_TABLE_H_
#define HOMOLOG_CLIENT_CLI_TABLE_H_

#include <string>
#include <vector>

namespace homolog::cli {

struct Column {
  std::string name;
  bool right = false;  // numbers are aligned to the right
};

struct Table {
  std::vector<Column> columns;
  std::vector<std::vector<std::string>> rows;  // as many cells as there are columns
};

// A line of column names and a line per row, every column as wide as its widest cell.
// Control characters are shown as '?'.
std::string AlignedTable(const Table& table);
// The first row, a line per column: its name, then the cell.
std::string AlignedRecord(const Table& table);

}  // namespace homolog::cli

#endif  // HOMOLOG_CLIENT_CLI_TABLE_H_
