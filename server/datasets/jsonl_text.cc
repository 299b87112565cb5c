#include "server/datasets/jsonl_text.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "common/text.h"

namespace homolog::datasets {
namespace {

constexpr char kReason[] = "MALFORMED_JSONL";
constexpr char kWhatIsRight[] = R"(it must be an object with a string "text")";
constexpr size_t kShownBytes = 200;

// Follows the events of the parser; false ends the parse.
class TextFinder : public nlohmann::json_sax<nlohmann::json> {
 public:
  bool null() override { return Value("null"); }
  bool boolean(bool) override { return Value("a boolean"); }
  bool number_integer(number_integer_t) override { return Value("a number"); }
  bool number_unsigned(number_unsigned_t) override { return Value("a number"); }
  bool number_float(number_float_t, const string_t&) override { return Value("a number"); }
  bool binary(binary_t&) override { return Value("binary"); }
  bool start_array(size_t) override { return Value("an array") && Deeper(); }
  bool end_array() override { return Shallower(); }
  bool end_object() override { return Shallower(); }

  bool string(string_t& value) override {
    if (IsText()) {
      text_ = std::move(value);
      return true;
    }
    return Value("a string");
  }
  bool start_object(size_t) override {
    if (depth_ == 0) return Deeper();
    return Value("an object") && Deeper();
  }
  bool key(string_t& key) override {
    is_text_ = depth_ == 1 && key == "text";
    return true;
  }
  bool parse_error(size_t, const std::string&, const nlohmann::json::exception& error) override {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: ..."
    const std::string_view what = error.what();
    const size_t start = what.find("] ");
    const std::string shown = ValidUtf8(start == what.npos ? what : what.substr(start + 2));
    problem_ = absl::StrCat("it is not valid JSON: ", CutUtf8(shown, kShownBytes));
    return false;
  }

  absl::StatusOr<std::string> Result() {
    if (problem_.empty() && !text_) problem_ = R"(it has no key "text")";
    if (problem_.empty()) return *std::move(text_);
    return InvalidArgument(kReason, absl::StrCat(problem_, "; ", kWhatIsRight));
  }

 private:
  bool IsText() const { return depth_ == 1 && is_text_; }
  // Any value but the text that is looked for.
  bool Value(const char* type) {
    if (depth_ == 0) problem_ = absl::StrCat("it is ", type);
    if (IsText()) problem_ = absl::StrCat(R"(its "text" is )", type);
    return problem_.empty();
  }
  bool Deeper() {
    ++depth_;
    return true;
  }
  bool Shallower() {
    --depth_;
    return true;
  }

  int64_t depth_ = 0;
  bool is_text_ = false;  // the last key of the outermost object
  std::optional<std::string> text_;
  std::string problem_;
};

}  // namespace

absl::StatusOr<std::string> TextOfJsonLine(std::string_view line) {
  // The JSON library takes a zero byte for the end.
  if (line.find('\0') != line.npos) {
    return InvalidArgument(
        kReason, absl::StrCat("it is not valid JSON: it holds a zero byte; ", kWhatIsRight));
  }
  TextFinder finder;
  nlohmann::json::sax_parse(line.begin(), line.end(), &finder);
  return finder.Result();
}

}  // namespace homolog::datasets
