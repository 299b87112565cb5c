#include "server/operations/operation_record.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/digest.h"
#include "common/error.h"
#include "common/resource_names.h"

namespace homolog::operations {

using storage::v1::OperationRecord;

absl::StatusOr<OperationRecord> ParseRecord(const std::string& id, const std::string& bytes) {
  OperationRecord record;
  if (!record.ParseFromString(bytes)) {
    return DataLoss(kDamagedOperation,
                    absl::StrCat("the stored operation ", id,
                                 " cannot be read; delete it (homolog operations delete ", id, ")"),
                    {{"operation", id}});
  }
  return record;
}

absl::Status SaveRecord(store::Store& store, const OperationRecord& record) {
  HOMOLOG_ASSIGN_OR_RETURN(const std::string id, ParseName(kOperations, record.operation().name()));
  return store.PutOperation(id, record.SerializeAsString());
}

bool CameOfTheStore(const absl::Status& status) {
  const std::string reason = ErrorReason(status);
  return reason == "STORE_READ_ONLY" || reason == "STORE_FULL";
}

std::string DigestOfRequest(std::string_view kind, std::string_view request) {
  return Sha256Hex(absl::StrCat(std::string(kind), "\n", std::string(request)));
}

void AddRequestTo(OperationRecord& record, const std::string& key, const std::string& digest) {
  while (record.request_digests_size() < record.request_ids_size()) {
    record.add_request_digests(DigestOf(record, record.request_digests_size()));
  }
  record.add_request_ids(key);
  record.add_request_digests(digest);
}

std::string DigestOf(const OperationRecord& record, int index) {
  if (index < record.request_digests_size()) return record.request_digests(index);
  return DigestOfRequest(record.operation().kind(), record.request());
}

void SetResults(const Job& job, v1::Operation& operation) {
  operation.set_result(job.result);
  operation.mutable_results()->Assign(job.results.begin(), job.results.end());
}

std::string ResultsKey(const v1::Operation& operation) {
  return absl::StrCat(operation.result(), " ", absl::StrJoin(operation.results(), " "));
}

bool HasResults(const v1::Operation& operation, const Job& job) {
  return operation.result() == job.result &&
         std::equal(operation.results().begin(), operation.results().end(), job.results.begin(),
                    job.results.end());
}

}  // namespace homolog::operations
