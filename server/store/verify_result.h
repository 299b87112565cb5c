// One result, every byte against its digest.
//
// Thread-safety: a pure function on a thread-safe database.
#ifndef HOMOLOG_SERVER_STORE_VERIFY_RESULT_H_
#define HOMOLOG_SERVER_STORE_VERIFY_RESULT_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "server/store/database.h"

namespace homolog::store {

// Whether the result `key` ("{kind}/{id}") is there; DATA_LOSS (reason BLOB_DAMAGED or
// STORE_CORRUPT) where it is damaged. Adds the bytes that it read to `bytes`.
absl::StatusOr<bool> VerifyResult(const Store::Database& database, const std::string& key,
                                  int64_t& bytes);

}  // namespace homolog::store

#endif  // HOMOLOG_SERVER_STORE_VERIFY_RESULT_H_
