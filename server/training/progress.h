// Shows the progress of all seeds together, and their losses.
//
// Thread-safety: belongs to one thread at a time.
#ifndef HOMOLOG_SERVER_TRAINING_PROGRESS_H_
#define HOMOLOG_SERVER_TRAINING_PROGRESS_H_

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <ostream>
#include <string>

#include "server/training/report.h"

namespace homolog::training {

struct ProgressState {
  int64_t done = 0, total = 0;  // steps over all seeds
  std::optional<double> loss;   // mean training loss, nats
  double seconds = 0;           // since the start
};

// "45%  1080/2400 steps  loss 2.012  34 s left".
std::string ProgressText(const ProgressState& state);
// "[=========>          ]", `width` characters between the brackets.
std::string ProgressBar(double fraction, int width);

class Progress {
 public:
  // `results` gets a line per evaluation (standard output), `screen` the progress (standard error):
  // a bar that is redrawn where `terminal` is set, otherwise a line every few seconds.
  Progress(int64_t seeds, int64_t steps, std::ostream& results, std::ostream& screen,
           bool terminal);

  void Update(const Report& report);
  // Prints a line for people on the screen, above the bar.
  void Message(const std::string& line);
  // Draws once more and leaves the bar's line.
  void Finish();

 private:
  ProgressState State() const;
  void Draw(bool last);
  void ClearBar();

  const int64_t seeds_, steps_;
  std::ostream& results_;
  std::ostream& screen_;
  const bool terminal_;
  bool bar_shown_ = false;
  std::map<int64_t, Report> latest_;  // by seed
  const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point drawn_ = begin_;
};

}  // namespace homolog::training

#endif  // HOMOLOG_SERVER_TRAINING_PROGRESS_H_
