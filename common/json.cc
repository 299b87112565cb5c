#include "common/json.h"

#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "common/text.h"

namespace homolog {
namespace {

constexpr char kReason[] = "MALFORMED_JSON";
constexpr int kDepthLimit = 64;
constexpr size_t kShownBytes = 200;

// Brackets in strings do not count: "}" in one would hide what is nested behind it.
bool TooDeep(std::string_view text) {
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') in_string = !in_string;
    if (in_string && c == '\\') ++i;  // what it escapes
    if (in_string) continue;
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') --depth;
    if (depth > kDepthLimit) return true;
  }
  return false;
}

}  // namespace

absl::StatusOr<nlohmann::json> ParseJson(std::string_view text, size_t byte_limit) {
  if (text.size() > byte_limit) {
    return InvalidArgument(kReason,
                           absl::StrCat("it is larger than ", byte_limit, " bytes: ", text.size()));
  }
  if (TooDeep(text)) {
    return InvalidArgument(kReason,
                           absl::StrCat("it is nested deeper than ", kDepthLimit, " levels"));
  }
  // The JSON library takes a zero byte for the end.
  if (text.find('\0') != text.npos) {
    return InvalidArgument(kReason, "it is not valid JSON: it holds a zero byte");
  }
  try {
    return nlohmann::json::parse(text);
  } catch (const nlohmann::json::exception& error) {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: ..."
    const std::string_view what = error.what();
    const size_t start = what.find("] ");
    const std::string shown = ValidUtf8(start == what.npos ? what : what.substr(start + 2));
    return InvalidArgument(kReason,
                           absl::StrCat("it is not valid JSON: ", CutUtf8(shown, kShownBytes)));
  }
}

}  // namespace homolog
