#include "server/datasets/npy_header.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/error.h"
#include "common/text.h"

namespace homolog::datasets {
namespace {

constexpr char kAcceptedTypes[] =
    "accepted are '<u2', '<i4' and '<i8' (numpy uint16, int32, int64, little-endian)";

// A recursive-descent parser of the few literals that occur. Each Parse function takes its literal
// off the front of the rest.
class Parser {
 public:
  explicit Parser(std::string_view text) : rest_(text) {}

  absl::StatusOr<NpyHeader> ParseHeader() {
    HOMOLOG_RETURN_IF_ERROR(Expect('{'));
    while (!Take('}')) {
      HOMOLOG_RETURN_IF_ERROR(ParseItem());
      if (Take(',')) continue;
      HOMOLOG_RETURN_IF_ERROR(Expect('}'));
      break;
    }
    SkipSpace();
    if (!rest_.empty()) return Unexpected("nothing but spaces after the dictionary");
    return Build();
  }

 private:
  absl::Status ParseItem() {
    HOMOLOG_ASSIGN_OR_RETURN(const std::string key, ParseString());
    HOMOLOG_RETURN_IF_ERROR(Expect(':'));
    if (key == "descr") return Set(ParseType(), key, descr_);
    if (key == "fortran_order") return Set(ParseBool(), key, fortran_order_);
    if (key == "shape") return Set(ParseShape(), key, shape_);
    return MalformedNpy(absl::StrCat("its header has the key ", Quoted(key),
                                     "; the keys are descr, fortran_order and shape"));
  }

  template <typename T>
  absl::Status Set(absl::StatusOr<T> value, const std::string& key, std::optional<T>& target) {
    HOMOLOG_RETURN_IF_ERROR(value.status());
    if (target.has_value()) {
      return MalformedNpy(absl::StrCat("its header has the key '", key, "' twice"));
    }
    target = *std::move(value);
    return absl::OkStatus();
  }

  absl::StatusOr<std::string> ParseString() {
    SkipSpace();
    const char quote = rest_.empty() ? '\0' : rest_.front();
    if (quote != '\'' && quote != '"') return Unexpected("a string in quotes");
    const size_t end = rest_.find(quote, 1);
    if (end == std::string_view::npos) return Unexpected("a string with a closing quote");
    std::string text(rest_.substr(1, end - 1));
    if (text.find('\\') != std::string::npos) return Unexpected("a string without backslashes");
    rest_.remove_prefix(end + 1);
    return text;
  }

  absl::StatusOr<std::string> ParseType() {
    SkipSpace();
    if (rest_.starts_with('[')) {
      return MalformedNpy(absl::StrCat("its elements are records with fields; ", kAcceptedTypes));
    }
    return ParseString();
  }

  absl::StatusOr<bool> ParseBool() {
    if (TakeWord("True")) return true;
    if (TakeWord("False")) return false;
    return Unexpected("True or False");
  }

  // (), (3,), (3, 4), (3, 4,) ...; "(3)" is a number in Python, not a tuple.
  absl::StatusOr<std::vector<int64_t>> ParseShape() {
    HOMOLOG_RETURN_IF_ERROR(Expect('('));
    std::vector<int64_t> shape;
    bool comma = false;
    while (!Take(')')) {
      if (!shape.empty() && !comma) return Unexpected("',' or ')' in the shape");
      HOMOLOG_ASSIGN_OR_RETURN(const int64_t size, ParseSize());
      shape.push_back(size);
      comma = Take(',');
    }
    if (shape.size() == 1 && !comma) {
      return MalformedNpy(absl::StrCat("its shape is (", shape[0], "), which is no tuple; (",
                                       shape[0], ",) would be"));
    }
    return shape;
  }

  absl::StatusOr<int64_t> ParseSize() {
    SkipSpace();
    size_t length = 0;
    while (length < rest_.size() && absl::ascii_isdigit(rest_[length])) ++length;
    if (length == 0) return Unexpected("a size of digits in the shape");
    int64_t size = 0;
    if (!absl::SimpleAtoi(std::string(rest_.substr(0, length)), &size))
      return Unexpected("a size below 2^63");
    rest_.remove_prefix(length);
    return size;
  }

  absl::StatusOr<NpyHeader> Build() const {
    if (!descr_.has_value()) return MalformedNpy("its header lacks the key 'descr'");
    if (!fortran_order_.has_value())
      return MalformedNpy("its header lacks the key 'fortran_order'");
    if (!shape_.has_value()) return MalformedNpy("its header lacks the key 'shape'");
    NpyHeader header;
    if (*descr_ == "<u2") {
      header.type = NpyType::kUint16;
    } else if (*descr_ == "<i4") {
      header.type = NpyType::kInt32;
    } else if (*descr_ == "<i8") {
      header.type = NpyType::kInt64;
    } else {
      return MalformedNpy(
          absl::StrCat("its elements are of type ", Quoted(*descr_), "; ", kAcceptedTypes));
    }
    if (*fortran_order_) {
      return MalformedNpy("it is in Fortran order; save numpy.ascontiguousarray(ids)");
    }
    HOMOLOG_ASSIGN_OR_RETURN(header.element_count, CountElements(header.type));
    return header;
  }

  absl::StatusOr<int64_t> CountElements(NpyType type) const {
    if (shape_->size() != 1 && shape_->size() != 2) {
      return MalformedNpy(absl::StrCat("it has ", shape_->size(),
                                       " dimensions; accepted are 1 (ids) and 2 (rows of ids)"));
    }
    const int64_t limit = std::numeric_limits<int64_t>::max() / NpyTypeSize(type);
    int64_t count = 1;
    for (const int64_t size : *shape_) {
      if (size != 0 && count > limit / size) {
        return MalformedNpy(absl::StrCat("its shape (", absl::StrJoin(*shape_, ", "),
                                         ") has more than 2^63 bytes"));
      }
      count *= size;
    }
    return count;
  }

  void SkipSpace() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\r\n\f\v"), rest_.size()));
  }

  bool Take(char c) { return TakeWord(std::string_view(&c, 1)); }

  bool TakeWord(std::string_view word) {
    SkipSpace();
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }

  absl::Status Expect(char c) {
    if (Take(c)) return absl::OkStatus();
    return Unexpected(absl::StrCat("'", std::string(1, c), "'"));
  }

  absl::Status Unexpected(const std::string& expected) const {
    return MalformedNpy(absl::StrCat("its header has ",
                                     rest_.empty() ? "its end" : Quoted(rest_.substr(0, 20)),
                                     " where ", expected, " should be"));
  }

  std::string_view rest_;
  std::optional<std::string> descr_;
  std::optional<bool> fortran_order_;
  std::optional<std::vector<int64_t>> shape_;
};

}  // namespace

int64_t NpyTypeSize(NpyType type) {
  switch (type) {
    case NpyType::kUint16:
      return 2;
    case NpyType::kInt32:
      return 4;
    case NpyType::kInt64:
      return 8;
  }
  return 0;
}

absl::StatusOr<NpyHeader> ParseNpyHeader(std::string_view text) {
  return Parser(text).ParseHeader();
}

absl::Status MalformedNpy(const std::string& what) {
  return InvalidArgument("MALFORMED_NPY", absl::StrCat("the .npy file cannot be read: ", what));
}

}  // namespace homolog::datasets
