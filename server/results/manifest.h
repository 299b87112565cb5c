// Manifests of results: how all kinds are read.
//
// Thread-safety: pure functions; the store is thread-safe.
#ifndef HOMOLOG_SERVER_RESULTS_MANIFEST_H_
#define HOMOLOG_SERVER_RESULTS_MANIFEST_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "common/resource_names.h"
#include "server/store/store.h"

namespace homolog::results {

// DATA_LOSS (reason DAMAGED_RESULT).
inline absl::Status Damaged(const std::string& name, const std::string& what) {
  return DataLoss("DAMAGED_RESULT",
                  absl::StrCat("the stored result ", name, " is damaged: ", what,
                               "; ask for it again to have it computed anew"),
                  {{"result", name}});
}

// NOT_FOUND with `not_found_reason`, DATA_LOSS.
template <typename Manifest>
absl::StatusOr<Manifest> ReadManifest(const store::Store& store, std::string_view kind,
                                      const std::string& id, std::string_view not_found_reason) {
  const std::string name = FormatName(kind, id);
  absl::StatusOr<std::string> bytes = store.GetResult(kind, id);
  if (absl::IsNotFound(bytes.status())) {
    return NotFound(not_found_reason,
                    absl::StrCat("there is no result ", name,
                                 "; list the results to see the names of those that exist"),
                    {{"name", name}});
  }
  HOMOLOG_RETURN_IF_ERROR(bytes.status());
  Manifest manifest;
  if (!manifest.ParseFromString(*bytes)) return Damaged(name, "its manifest cannot be read");
  return manifest;
}

}  // namespace homolog::results

#endif  // HOMOLOG_SERVER_RESULTS_MANIFEST_H_
