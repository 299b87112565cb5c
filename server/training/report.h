// What a training says of itself while it runs, and how it travels between processes.
//
// Thread-safety: values and pure functions.
#ifndef HOMOLOG_SERVER_TRAINING_REPORT_H_
#define HOMOLOG_SERVER_TRAINING_REPORT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace homolog::training {

struct Report {
  int64_t seed = 0;
  int64_t step = 0;  // steps done
  // Mean next-token cross-entropy in nats: of this step's batch, and of the held-out windows.
  std::optional<double> training_loss;
  std::optional<double> held_out_loss;
  bool checkpoint = false;  // the checkpoint of `step` has been written

  bool operator==(const Report&) const = default;
};

// One line of JSON without its end, and back; nothing for a line that is no report.
std::string SerializeReport(const Report& report);
std::optional<Report> ParseReport(std::string_view line);

}  // namespace homolog::training

#endif  // HOMOLOG_SERVER_TRAINING_REPORT_H_
