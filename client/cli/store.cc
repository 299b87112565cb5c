#include "absl/strings/str_cat.h"
#include "client/cli/flags.h"
#include "client/cli/nouns.h"
#include "common/enum_text.h"
#include "common/error.h"

namespace homolog::cli {
namespace {

using v1::DamagedRecord;
using v1::Store;

std::string ResultsText(const Store& store, Style style) {
  std::string text;
  for (const v1::StoredResults& results : store.results()) {
    absl::StrAppend(&text, text.empty() ? "" : ", ", results.count(), " ", results.kind(), " (",
                    BytesText(results.bytes(), style), ")");
  }
  return text;
}

Fields<Store> StoreFields() {
  return Fields<Store>()
      .Add("state", [](const Store& s, Style) { return EnumText(s.state()); })
      .Add("reason", [](const Store& s, Style) { return s.reason(); })
      .AddNumber("schema_version",
                 [](const Store& s, Style) { return absl::StrCat(s.schema_version()); })
      .AddNumber("disk_bytes",
                 [](const Store& s, Style style) { return BytesText(s.disk_bytes(), style); })
      .AddNumber("free_bytes",
                 [](const Store& s, Style style) { return BytesText(s.free_bytes(), style); })
      .Add("results", ResultsText)
      .AddNumber("result_bytes",
                 [](const Store& s, Style style) { return BytesText(s.result_bytes(), style); })
      .AddNumber("result_budget_bytes",
                 [](const Store& s, Style style) {
                   const bool unlimited = s.result_budget_bytes() == 0 && style == Style::kShort;
                   return unlimited ? "no limit" : BytesText(s.result_budget_bytes(), style);
                 })
      .AddNumber("datasets", [](const Store& s, Style) { return absl::StrCat(s.dataset_count()); })
      .AddNumber("dataset_bytes",
                 [](const Store& s, Style style) { return BytesText(s.dataset_bytes(), style); })
      .AddNumber("operations",
                 [](const Store& s, Style) { return absl::StrCat(s.operation_count()); })
      .AddNumber("evicted_results",
                 [](const Store& s, Style) { return absl::StrCat(s.evicted_results()); })
      .AddNumber("damaged_results",
                 [](const Store& s, Style) { return absl::StrCat(s.damaged_results()); });
}

Fields<DamagedRecord> DamagedFields() {
  return Fields<DamagedRecord>()
      .Add("name", [](const DamagedRecord& d, Style) { return d.name(); })
      .Add("problem", [](const DamagedRecord& d, Style) { return d.problem(); })
      .Add("dropped", [](const DamagedRecord& d, Style) { return d.dropped() ? "yes" : "no"; });
}

absl::Status Stats(Session& session, const NoArguments&) {
  HOMOLOG_ASSIGN_OR_RETURN(const Store store, session.client.GetStore());
  session.output.PrintOne(store, StoreFields());
  return absl::OkStatus();
}

absl::Status Verify(Session& session, const NoArguments&) {
  HOMOLOG_ASSIGN_OR_RETURN(const v1::VerifyStoreResponse found, session.client.VerifyStore());
  session.output.PrintList(found, found.damaged(), DamagedFields());
  session.err << "checked " << found.checked_count() << " results and data sets, "
              << BytesText(found.checked_bytes(), Style::kShort) << ": " << found.damaged_size()
              << " damaged" << std::endl;
  if (found.damaged_size() == 0) return absl::OkStatus();
  return DataLoss("STORE_DAMAGED",
                  absl::StrCat(found.damaged_size(), " of ", found.checked_count(),
                               " records are damaged; those that were dropped are computed again "
                               "when they are asked for, data sets must be uploaded again"));
}

absl::Status Compact(Session& session, const NoArguments&) {
  HOMOLOG_ASSIGN_OR_RETURN(const Store store, session.client.CompactStore());
  session.output.PrintOne(store, StoreFields());
  return absl::OkStatus();
}

}  // namespace

void AddStore(CLI::App& app, Action& chosen) {
  CLI::App* noun = AddNoun(app, "store", "What the server keeps on its disk");
  AddVerb<NoArguments>(noun, "stats", "Show what is in the store and whether it takes writes",
                       chosen, Stats);
  AddVerb<NoArguments>(noun, "verify",
                       "Read every result and data set against its digests; drops damaged results, "
                       "and fails where there were any",
                       chosen, Verify);
  AddVerb<NoArguments>(noun, "compact", "Give the space of deleted results back to the disk",
                       chosen, Compact);
}

}  // namespace homolog::cli
