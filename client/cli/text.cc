#include "client/cli/text.h"

#include <google/protobuf/util/time_util.h>

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <string_view>

#include "common/resource_names.h"
#include "common/text.h"

namespace homolog::cli {
namespace {

constexpr size_t kCutBytes = 60;

std::string Exact(double value) {
  std::array<char, 64> buffer;
  const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  return std::string(buffer.data(), result.ptr);
}

std::string Fixed(double value, int decimals) {
  std::array<char, 400> buffer;  // the largest double has 309 digits before the point
  const int size = std::snprintf(buffer.data(), buffer.size(), "%.*f", decimals, value);
  return std::string(buffer.data(), static_cast<size_t>(size));
}

// `value` with one decimal in the largest unit that leaves at least 1.
std::string Scaled(double value, double step, const std::array<std::string_view, 5>& units) {
  size_t unit = 0;
  while (std::abs(value) >= step && unit + 1 < units.size()) {
    value /= step;
    ++unit;
  }
  return Fixed(value, unit == 0 ? 0 : 1) + std::string(units[unit]);
}

}  // namespace

std::string NameText(const std::string& name, Style style) {
  if (style == Style::kExact) return name;
  if (const auto checkpoint = CheckpointName::Parse(name); checkpoint.ok()) {
    return checkpoint->ToShortString();
  }
  for (const std::string_view collection :
       {kDatasets, kCorrelations, kAblations, kStudies, kFamilies, kModels, kOperations}) {
    if (const auto id = ParseName(collection, name); id.ok()) return *id;
  }
  return name;
}

std::string RealText(double value, Style style, int decimals) {
  return style == Style::kShort ? Fixed(value, decimals) : Exact(value);
}

std::string SignificantText(double value, Style style) {
  if (style == Style::kExact) return Exact(value);
  char text[32];
  std::snprintf(text, sizeof(text), "%.4g", value);
  return text;
}

std::string ShareText(double value, Style style) {
  return style == Style::kShort ? Fixed(100 * value, 2) + "%" : Exact(value);
}

std::string BytesText(int64_t bytes, Style style) {
  if (style == Style::kExact) return std::to_string(bytes);
  return Scaled(static_cast<double>(bytes), 1024, {" B", " KiB", " MiB", " GiB", " TiB"});
}

std::string CountText(int64_t count, Style style) {
  if (style == Style::kExact) return std::to_string(count);
  return Scaled(static_cast<double>(count), 1000, {"", "k", "M", "G", "T"});
}

std::string TimeText(const google::protobuf::Timestamp& time, Style style) {
  if (time.seconds() == 0 && time.nanos() == 0) return "";
  google::protobuf::Timestamp shown = time;
  if (style == Style::kShort) shown.set_nanos(0);
  return google::protobuf::util::TimeUtil::ToString(shown);
}

std::string DurationText(const google::protobuf::Duration& duration, Style style) {
  const double seconds = static_cast<double>(duration.seconds()) + 1e-9 * duration.nanos();
  return style == Style::kShort ? Fixed(seconds, 1) + " s" : Exact(seconds);
}

std::string CutText(const std::string& text, Style style) {
  return style == Style::kShort ? CutUtf8(text, kCutBytes) : text;
}

std::string Printable(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '?';
  }
  return text;
}

}  // namespace homolog::cli
