// What an operation runs.
#ifndef HOMOLOG_SERVER_OPERATIONS_JOB_H_
#define HOMOLOG_SERVER_OPERATIONS_JOB_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/analysis/run_control.h"
#include "server/store/store.h"

namespace homolog::operations {

// Validated work whose result has a name. `run` computes the result and puts it into the store; it
// gets its operation's name and runs on the device's worker thread.
struct Job {
  std::string kind;    // "correlation", "ablation"
  std::string result;  // resource name of the result; of the first, where there are several
  std::vector<std::string> results;  // all of them, where there are several
  std::string request;  // serialised request message, from which the job can be prepared again
  std::function<absl::Status(const std::string& operation, analysis::RunControl& control)> run;
  // Made before the request was looked at: keeps the results that it needs from being evicted.
  std::shared_ptr<store::Store::Hold> hold;
};

// Prepares the job of a kind and a serialised request; INVALID_ARGUMENT for an unknown kind.
using JobFactory =
    std::function<absl::StatusOr<Job>(std::string_view kind, const std::string& request)>;

}  // namespace homolog::operations

#endif  // HOMOLOG_SERVER_OPERATIONS_JOB_H_
