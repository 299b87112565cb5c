// A study as flat tables.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_CLIENT_REPORT_TABLES_H_
#define HOMOLOG_CLIENT_REPORT_TABLES_H_

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace homolog::report {

struct Table {
  std::string name;  // of its file, without ".csv"
  std::string csv;   // RFC 4180, the first line names the columns; numbers with all their digits
};

// One table per list of a study that CheckStudy holds for whole; lists within its entries become
// tables of their own (emergence_by_layer, family_members ...). An absent number is an empty field.
std::vector<Table> StudyTables(const nlohmann::json& study);

}  // namespace homolog::report

#endif  // HOMOLOG_CLIENT_REPORT_TABLES_H_
