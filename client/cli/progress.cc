#include "client/cli/progress.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/text.h"

namespace homolog::cli {
namespace {

using std::chrono::seconds;

constexpr std::chrono::milliseconds kRedraw(100);
constexpr seconds kPlainLine(5);
constexpr int64_t kBarWidth = 20;
// Carriage return, and erase to the end of the line.
constexpr char kClearLine[] = "\r\033[K";

std::string Bar(double share) {
  const auto filled = static_cast<size_t>(share * kBarWidth);
  std::string bar(kBarWidth, '.');
  std::fill_n(bar.begin(), filled, '#');
  return absl::StrCat("[", bar, "]");
}

std::string Left(seconds left) {
  const int64_t all = left.count();
  if (all < 3600) return absl::StrFormat("%d:%02d left", all / 60, all % 60);
  return absl::StrFormat("%d:%02d:%02d left", all / 3600, all / 60 % 60, all % 60);
}

std::string Amount(int64_t value, const std::string& unit) {
  return unit == "bytes" ? BytesText(value, Style::kShort) : CountText(value, Style::kShort);
}

}  // namespace

std::string ProgressText(const std::string& stage, int64_t done, int64_t total,
                         const std::string& unit, seconds left) {
  const std::string suffix = unit == "bytes" ? "" : absl::StrCat(" ", unit);
  std::string text = CutText(Printable(stage), Style::kShort);
  if (total <= 0) {
    if (done > 0) absl::StrAppend(&text, "  ", Amount(done, unit), suffix);
    return text;
  }
  const double share = std::clamp(static_cast<double>(done) / static_cast<double>(total), 0.0, 1.0);
  absl::StrAppend(&text, " ", Bar(share),
                  absl::StrFormat(" %3d%%  ", static_cast<int>(100 * share)), Amount(done, unit),
                  " of ", Amount(total, unit), suffix);
  if (left.count() >= 0) absl::StrAppend(&text, "  ", Left(left));
  return text;
}

Progress::Progress(std::ostream& err, bool is_terminal, std::string unit,
                   std::function<Clock::time_point()> now)
    : err_(err),
      is_terminal_(is_terminal),
      unit_(std::move(unit)),
      now_(std::move(now)),
      last_shown_(now_()) {}

void Progress::Say(const std::string& line) {
  if (has_line_) err_ << kClearLine;
  has_line_ = false;
  err_ << line << "\n" << std::flush;
}

Progress::~Progress() {
  if (has_line_) err_ << kClearLine << std::flush;
}

seconds Progress::TimeLeft(int64_t done, int64_t total) {
  if (total <= 0) return seconds(-1);
  if (!origin_ || done < origin_->second) origin_ = {now_(), done};
  const std::chrono::duration<double> elapsed = now_() - origin_->first;
  const auto worked = static_cast<double>(done - origin_->second);
  if (worked <= 0 || elapsed < seconds(1)) return seconds(-1);
  const double left =
      elapsed.count() / worked * static_cast<double>(std::max<int64_t>(0, total - done));
  return seconds(static_cast<int64_t>(std::min(left, 1e9)));
}

void Progress::Update(const std::string& stage, int64_t done, int64_t total) {
  const seconds left = TimeLeft(done, total);
  const auto since = now_() - last_shown_;
  const bool is_first_bar = is_terminal_ && (!has_line_ || stage != last_stage_);
  if (!is_first_bar && since < (is_terminal_ ? Clock::duration(kRedraw) : kPlainLine)) return;
  last_shown_ = now_();
  last_stage_ = stage;
  const std::string text = ProgressText(stage, done, total, unit_, left);
  if (is_terminal_) {
    err_ << kClearLine << text << std::flush;
    has_line_ = true;
  } else {
    err_ << text << std::endl;
  }
}

}  // namespace homolog::cli
