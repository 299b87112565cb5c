// What the store keeps of an operation.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_SERVER_OPERATIONS_OPERATION_RECORD_H_
#define HOMOLOG_SERVER_OPERATIONS_OPERATION_RECORD_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "homolog/storage/v1/records.pb.h"
#include "homolog/v1/operation.pb.h"
#include "server/operations/job.h"
#include "server/store/store.h"

namespace homolog::operations {

inline constexpr char kDamagedOperation[] = "DAMAGED_OPERATION";

// DATA_LOSS (kDamagedOperation) for bytes that are no record.
absl::StatusOr<storage::v1::OperationRecord> ParseRecord(const std::string& id,
                                                         const std::string& bytes);
absl::Status SaveRecord(store::Store& store, const storage::v1::OperationRecord& record);

// Whether the store refused for reasons that may go away.
bool CameOfTheStore(const absl::Status& status);

// Records that are read from the store at once.
inline constexpr int kRecordsPerPage = 1000;

// Of the kind and the bytes of a request: two requests are the same where it is.
std::string DigestOfRequest(std::string_view kind, std::string_view request);
// Adds a request that led to the operation, by its "{client}/{request_id}".
void AddRequestTo(storage::v1::OperationRecord& record, const std::string& key,
                  const std::string& digest);
// The digest of the request `index` of the record; those of former versions have none.
std::string DigestOf(const storage::v1::OperationRecord& record, int index);

void SetResults(const Job& job, v1::Operation& operation);
bool HasResults(const v1::Operation& operation, const Job& job);
// The same for two operations with the same results, and only for them.
std::string ResultsKey(const v1::Operation& operation);

}  // namespace homolog::operations

#endif  // HOMOLOG_SERVER_OPERATIONS_OPERATION_RECORD_H_
