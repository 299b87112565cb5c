#include "server/results/paging.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/digest.h"
#include "common/error.h"
#include "common/text.h"

namespace homolog::results {

namespace {

// Beyond any listing, and far from where sums of offsets overflow.
constexpr int64_t kLargestOffset = int64_t{1} << 48;

constexpr size_t kPageBytes = 3 << 20;

}  // namespace

absl::StatusOr<int> CheckPageSize(int32_t page_size, int fallback, int64_t limit) {
  fallback = static_cast<int>(std::min<int64_t>(fallback, limit));
  if (page_size < 0 || page_size > limit) {
    return InvalidArgument(
        "INVALID_PAGE_SIZE",
        absl::StrCat("page_size is ", page_size, "; must be 0 (", fallback, ") to ", limit),
        {{"page_size", absl::StrCat(page_size)}});
  }
  return page_size == 0 ? fallback : page_size;
}

int FittingRecords(const store::Page& page) {
  size_t bytes = 0;
  int fitting = 0;
  for (const store::Record& record : page.records) {
    bytes += record.bytes.size();
    if (bytes > kPageBytes && fitting > 0) break;
    ++fitting;
  }
  return fitting;
}

std::string OffsetToken(std::string_view listing, int64_t offset) {
  return absl::StrCat(Sha256Hex(listing).substr(0, 16), "-", offset);
}

absl::StatusOr<int64_t> ParseOffsetToken(std::string_view listing, std::string_view token) {
  if (token.empty()) return 0;
  const size_t dash = token.find('-');
  int64_t offset = -1;
  const bool number =
      dash != std::string_view::npos &&
      absl::SimpleAtoi(absl::string_view(token.data() + dash + 1, token.size() - dash - 1),
                       &offset);
  if (!number || offset < 0 || offset > kLargestOffset || token != OffsetToken(listing, offset)) {
    return InvalidArgument(
        "INVALID_PAGE_TOKEN",
        absl::StrCat("page_token ", Quoted(token),
                     " is not the next_page_token of a page of this same request"));
  }
  return offset;
}

}  // namespace homolog::results
