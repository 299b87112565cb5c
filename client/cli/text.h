// Values as text, for people (short) and for programs (exact).
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_CLIENT_CLI_TEXT_H_
#define HOMOLOG_CLIENT_CLI_TEXT_H_

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>

#include <cstdint>
#include <string>

namespace homolog::cli {

enum class Style {
  kShort,  // names as people type them, numbers rounded
  kExact,  // full names, numbers that read back as the same double
};

// "models/a/checkpoints/1": "a/1" or itself; "datasets/pile": "pile" or itself.
std::string NameText(const std::string& name, Style style);
// `decimals` decimals, or exactly.
std::string RealText(double value, Style style, int decimals = 4);
// 0.00001234: "1.234e-05": four digits whatever the unit, or exactly.
std::string SignificantText(double value, Style style);
// 0.0571: "5.71%", or exactly.
std::string ShareText(double value, Style style);
// 1536: "1.5 KiB", or "1536".
std::string BytesText(int64_t bytes, Style style);
// 124439808: "124.4M", or itself.
std::string CountText(int64_t count, Style style);
// RFC 3339, to the second or exactly; "" for an absent time.
std::string TimeText(const google::protobuf::Timestamp& time, Style style);
// "12.3 s", or exactly, in seconds.
std::string DurationText(const google::protobuf::Duration& duration, Style style);
// `text`, for people cut to its first 60 characters.
std::string CutText(const std::string& text, Style style);
// `text` with its control characters, which could take over a terminal, shown as '?'.
std::string Printable(std::string text);

}  // namespace homolog::cli

#endif  // HOMOLOG_CLIENT_CLI_TEXT_H_
