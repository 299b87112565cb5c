// A progress bar on standard error.
#ifndef HOMOLOG_CLIENT_CLI_PROGRESS_H_
#define HOMOLOG_CLIENT_CLI_PROGRESS_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <ostream>
#include <string>

namespace homolog::cli {

// One line on how far work has come: "reading activations [#####.....]  50%  1.3M of 2.6M tokens
// 0:12 left". `total` 0: not known. `left` below 0: not known.
std::string ProgressText(const std::string& stage, int64_t done, int64_t total,
                         const std::string& unit, std::chrono::seconds left);

// On a terminal, one line that is redrawn in place and cleared at the end; elsewhere (a log) plain
// lines, the first after a few seconds and then one every few seconds, so that quick work says
// nothing.
//
// Thread-safety: one thread at a time.
class Progress {
 public:
  using Clock = std::chrono::steady_clock;

  // `unit` is what is counted ("tokens").
  Progress(std::ostream& err, bool is_terminal, std::string unit,
           std::function<Clock::time_point()> now = Clock::now);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void Update(const std::string& stage, int64_t done, int64_t total);
  // A line that stays.
  void Say(const std::string& line);

 private:
  std::chrono::seconds TimeLeft(int64_t done, int64_t total);

  std::ostream& err_;
  const bool is_terminal_;
  const std::string unit_;
  const std::function<Clock::time_point()> now_;

  Clock::time_point last_shown_;
  bool has_line_ = false;  // a bar stands on the terminal
  std::string last_stage_;
  // Where counting began: work that others had done before is no measure of speed.
  std::optional<std::pair<Clock::time_point, int64_t>> origin_;
};

}  // namespace homolog::cli

#endif  // HOMOLOG_CLIENT_CLI_PROGRESS_H_
