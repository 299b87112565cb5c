// Which operation the requests with a request_id led to.
//
// Thread-safety: one thread at a time.
#ifndef HOMOLOG_SERVER_OPERATIONS_REQUEST_IDS_H_
#define HOMOLOG_SERVER_OPERATIONS_REQUEST_IDS_H_

#include <map>
#include <string>

#include "absl/status/status.h"
#include "homolog/storage/v1/records.pb.h"

namespace homolog::operations {

// Who asks for an operation.
struct Requester {
  std::string client;      // as in Operation.client
  std::string request_id;  // as in the requests; empty: none
};

// "{client}/{request_id}": two clients may choose the same id.
std::string RequestKey(const Requester& requester);
// INVALID_ARGUMENT (INVALID_REQUEST_ID).
absl::Status CheckRequestId(const std::string& id);

class RequestIds {
 public:
  struct Entry {
    std::string operation;  // its name
    std::string digest;     // of the request (DigestOfRequest)
  };
  // Null where it is not known.
  const Entry* Find(const Requester& requester) const;
  void Add(const std::string& key, Entry entry) { entries_[key] = std::move(entry); }
  // All requests of the record.
  void Add(const storage::v1::OperationRecord& record);
  // Those of the record that led to its operation.
  void Remove(const storage::v1::OperationRecord& record);

 private:
  std::map<std::string, Entry> entries_;  // by key
};

}  // namespace homolog::operations

#endif  // HOMOLOG_SERVER_OPERATIONS_REQUEST_IDS_H_
