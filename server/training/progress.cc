#include "server/training/progress.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace homolog::training {
namespace {

double Fraction(const ProgressState& state) {
  return state.total == 0 ? 1.0
                          : static_cast<double>(state.done) / static_cast<double>(state.total);
}

std::string Duration(double seconds) {
  const int64_t whole = std::llround(seconds);
  return whole < 100 ? absl::StrFormat("%d s", whole)
                     : absl::StrFormat("%d:%02d min", whole / 60, whole % 60);
}

}  // namespace

std::string ProgressText(const ProgressState& state) {
  const double fraction = Fraction(state);
  std::string text = absl::StrFormat("%3d%%  %d/%d steps", static_cast<int>(100 * fraction),
                                     state.done, state.total);
  if (state.loss) absl::StrAppendFormat(&text, "  loss %.3f", *state.loss);
  if (fraction >= 1) return absl::StrCat(text, "  ", Duration(state.seconds));
  if (fraction > 0) {
    absl::StrAppend(&text, "  ", Duration(state.seconds * (1 - fraction) / fraction), " left");
  }
  return text;
}

std::string ProgressBar(double fraction, int width) {
  const int filled = std::clamp(static_cast<int>(fraction * width), 0, width);
  std::string bar(static_cast<size_t>(filled), '=');
  if (filled < width) bar += '>';
  bar.resize(static_cast<size_t>(width), ' ');
  return "[" + bar + "]";
}

Progress::Progress(int64_t seeds, int64_t steps, std::ostream& results, std::ostream& screen,
                   bool terminal)
    : seeds_(seeds), steps_(steps), results_(results), screen_(screen), terminal_(terminal) {}

void Progress::Update(const Report& report) {
  latest_[report.seed] = report;
  if (report.held_out_loss) {
    ClearBar();
    results_ << absl::StrFormat("seed %d  step %d  held-out loss %.4f nats%s\n", report.seed,
                                report.step, *report.held_out_loss,
                                report.checkpoint ? "  checkpoint written" : "")
             << std::flush;
  } else if (report.checkpoint) {
    ClearBar();
    results_ << absl::StrFormat("seed %d  step %d  checkpoint written\n", report.seed, report.step)
             << std::flush;
  }
  Draw(/*last=*/false);
}

void Progress::Message(const std::string& line) {
  ClearBar();
  screen_ << line << std::endl;
}

void Progress::Finish() { Draw(/*last=*/true); }

ProgressState Progress::State() const {
  ProgressState state;
  state.total = seeds_ * steps_;
  double loss = 0;
  int64_t losses = 0;
  for (const auto& [seed, report] : latest_) {
    state.done += report.step;
    if (!report.training_loss) continue;
    loss += *report.training_loss;
    ++losses;
  }
  if (losses > 0) state.loss = loss / static_cast<double>(losses);
  state.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  return state;
}

void Progress::Draw(bool last) {
  const auto now = std::chrono::steady_clock::now();
  const auto interval =
      terminal_ ? std::chrono::milliseconds(100) : std::chrono::milliseconds(5000);
  const bool due = now - drawn_ >= interval || (terminal_ && !bar_shown_);
  if (steps_ == 0 || (!last && !due)) return;
  drawn_ = now;
  const ProgressState state = State();
  const std::string text = absl::StrCat("training ", seeds_, seeds_ == 1 ? " seed " : " seeds ");
  if (!terminal_) {
    screen_ << text << ProgressText(state) << std::endl;
    return;
  }
  screen_ << "\r\033[K" << text << ProgressBar(Fraction(state), 24) << " " << ProgressText(state)
          << (last ? "\n" : "") << std::flush;
  bar_shown_ = !last;
}

void Progress::ClearBar() {
  if (bar_shown_) screen_ << "\r\033[K" << std::flush;
  bar_shown_ = false;
}

}  // namespace homolog::training
