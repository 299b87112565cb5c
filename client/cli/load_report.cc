#include "client/cli/load_report.h"

#include <google/protobuf/struct.pb.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/fields.h"
#include "client/cli/table.h"
#include "common/error.h"

namespace homolog::cli {
namespace {

using google::protobuf::Struct;
using google::protobuf::Value;

// A line of the result: one kind of calls, or all of them.
struct Row {
  std::string name;
  CallTally tally;
  double seconds = 0;
};

std::vector<Row> RowsOf(const LoadResult& result) {
  std::vector<Row> rows;
  Row all{"all", {}, result.seconds};
  for (size_t i = 0; i < kLoadCalls; ++i) {
    const CallTally& tally = result.tally[i];
    if (tally.latencies.count() + tally.error_count() == 0) continue;
    rows.push_back({LoadCallName(static_cast<LoadCall>(i)), tally, result.seconds});
    all.tally.Merge(tally);
  }
  rows.push_back(all);
  return rows;
}

double PerSecond(const Row& row) {
  return static_cast<double>(row.tally.latencies.count()) / row.seconds;
}

std::string ErrorsText(const Row& row) {
  return absl::StrJoin(row.tally.errors, " ", [](std::string* out, const auto& entry) {
    const auto& [code, reason] = entry.first;
    absl::StrAppend(out, absl::StatusCodeToString(code), reason.empty() ? "" : ":", reason, "=",
                    entry.second);
  });
}

// The code of most errors, whatever their reasons; of equally many the lowest.
absl::StatusCode MostFrequentCode(const CallTally& tally) {
  std::map<absl::StatusCode, int64_t> counts;
  for (const auto& [error, count] : tally.errors) counts[error.first] += count;
  return std::max_element(counts.begin(), counts.end(),
                          [](const auto& a, const auto& b) { return a.second < b.second; })
      ->first;
}

struct Percentile {
  const char* name;
  double share;  // 1: the longest of all
};
constexpr Percentile kPercentiles[] = {
    {"p50_ms", 0.5}, {"p90_ms", 0.9}, {"p99_ms", 0.99}, {"max_ms", 1}};

double Milliseconds(const Row& row, double share) {
  const Latencies& latencies = row.tally.latencies;
  return 1000 * (share == 1 ? latencies.max_seconds() : latencies.Percentile(share));
}

Fields<Row> RowFields(Format format) {
  Fields<Row> fields;
  fields.Add("call", [](const Row& r, Style) { return r.name; })
      .AddNumber("succeeded",
                 [](const Row& r, Style) { return std::to_string(r.tally.latencies.count()); })
      .AddNumber("failed",
                 [](const Row& r, Style) { return std::to_string(r.tally.error_count()); })
      .AddNumber("per_second", [](const Row& r, Style s) { return RealText(PerSecond(r), s, 1); });
  for (const Percentile& percentile : kPercentiles) {
    fields.AddNumber(percentile.name, [share = percentile.share](const Row& r, Style s) {
      return RealText(Milliseconds(r, share), s, 2);
    });
  }
  // People read them in a table of their own.
  if (format == Format::kCsv) {
    fields.Add("errors", [](const Row& r, Style) { return ErrorsText(r); });
  }
  return fields;
}

Table ErrorsTable(const std::vector<Row>& rows) {
  Table table{{{"call"}, {"code"}, {"reason"}, {"count", true}}, {}};
  for (const Row& row : rows) {
    for (const auto& [error, count] : row.tally.errors) {
      table.rows.push_back(
          {row.name, absl::StatusCodeToString(error.first), error.second, std::to_string(count)});
    }
  }
  return table;
}

Value Number(double number) {
  Value value;
  value.set_number_value(number);
  return value;
}

Value Text(const std::string& text) {
  Value value;
  value.set_string_value(text);
  return value;
}

Struct RowStruct(const Row& row) {
  Struct json;
  auto& fields = *json.mutable_fields();
  fields["call"] = Text(row.name);
  fields["succeeded"] = Number(static_cast<double>(row.tally.latencies.count()));
  fields["failed"] = Number(static_cast<double>(row.tally.error_count()));
  fields["per_second"] = Number(PerSecond(row));
  for (const auto& [name, share] : kPercentiles) fields[name] = Number(Milliseconds(row, share));
  auto& errors = *fields["errors"].mutable_list_value();
  for (const auto& [error, count] : row.tally.errors) {
    auto& entry = *errors.add_values()->mutable_struct_value()->mutable_fields();
    entry["code"] = Text(absl::StatusCodeToString(error.first));
    entry["reason"] = Text(error.second);
    entry["count"] = Number(static_cast<double>(count));
  }
  return json;
}

// {"clients", "seconds", "seed", "calls": [one object per row]}
Struct ResultStruct(const LoadOptions& options, const std::vector<Row>& rows) {
  Struct json;
  auto& fields = *json.mutable_fields();
  fields["clients"] = Number(options.clients);
  fields["seconds"] = Number(rows.back().seconds);
  fields["seed"] = Text(std::to_string(options.seed));
  auto& calls = *fields["calls"].mutable_list_value();
  for (const Row& row : rows) *calls.add_values()->mutable_struct_value() = RowStruct(row);
  return json;
}

}  // namespace

void PrintLoad(Session& session, const LoadOptions& options, const LoadResult& result) {
  const std::vector<Row> rows = RowsOf(result);
  session.output.PrintForPeople(absl::StrCat(options.clients, " clients, ",
                                             RealText(result.seconds, Style::kShort, 1),
                                             " s, seed ", options.seed, "\n\n"));
  session.output.PrintList(ResultStruct(options, rows), rows, RowFields(session.output.format()));
  const Table errors = ErrorsTable(rows);
  if (!errors.rows.empty()) session.output.PrintForPeople("\n" + AlignedTable(errors));
}

absl::Status CallsStatus(const LoadResult& result) {
  const Row all = RowsOf(result).back();
  const int64_t failed = all.tally.error_count(), calls = failed + all.tally.latencies.count();
  if (calls == 0) {
    return MakeError(
        absl::StatusCode::kUnavailable, "NO_CALL_MADE",
        absl::StrCat("no call was made in ", result.seconds, " s; give it longer with --duration"));
  }
  if (failed == 0) return absl::OkStatus();
  return MakeError(MostFrequentCode(all.tally), "CALLS_FAILED",
                   absl::StrCat(failed, " of ", calls, " calls failed: ", ErrorsText(all)));
}

}  // namespace homolog::cli
