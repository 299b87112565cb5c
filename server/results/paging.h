// What all paged methods share (AIP-158).
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_SERVER_RESULTS_PAGING_H_
#define HOMOLOG_SERVER_RESULTS_PAGING_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "server/store/store.h"

namespace homolog::results {

// The page size to use: `fallback` (or `limit`, where that is less) for 0. INVALID_ARGUMENT (reason
// INVALID_PAGE_SIZE) below 0 and above `limit`.
absl::StatusOr<int> CheckPageSize(int32_t page_size, int fallback, int64_t limit);

// How many of the page's first records fit a message: at least one. It stays below the 4 MiB that
// clients of gRPC take unless they are told otherwise.
int FittingRecords(const store::Page& page);

// A token for "go on at `offset`" of the listing that `listing` identifies, and back.
// INVALID_ARGUMENT (reason INVALID_PAGE_TOKEN) for a token that was not made for this listing.
std::string OffsetToken(std::string_view listing, int64_t offset);
absl::StatusOr<int64_t> ParseOffsetToken(std::string_view listing, std::string_view token);

}  // namespace homolog::results

#endif  // HOMOLOG_SERVER_RESULTS_PAGING_H_
