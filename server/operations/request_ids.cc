#include "server/operations/request_ids.h"

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "common/text.h"
#include "server/operations/operation_record.h"

namespace homolog::operations {
namespace {

constexpr size_t kLongestRequestId = 64;

}  // namespace

std::string RequestKey(const Requester& requester) {
  return absl::StrCat(requester.client, "/", requester.request_id);
}

absl::Status CheckRequestId(const std::string& id) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
  if (id.size() <= kLongestRequestId && id.find_first_not_of(kPlain) == std::string::npos) {
    return absl::OkStatus();
  }
  return InvalidArgument("INVALID_REQUEST_ID",
                         absl::StrCat("request_id ", Quoted(id), " must be 1 to ",
                                      kLongestRequestId, " letters, digits, '.', '_' and '-'"));
}

const RequestIds::Entry* RequestIds::Find(const Requester& requester) const {
  const auto found = entries_.find(RequestKey(requester));
  return found == entries_.end() ? nullptr : &found->second;
}

void RequestIds::Add(const storage::v1::OperationRecord& record) {
  for (int i = 0; i < record.request_ids_size(); ++i) {
    entries_[record.request_ids(i)] = {record.operation().name(), DigestOf(record, i)};
  }
}

void RequestIds::Remove(const storage::v1::OperationRecord& record) {
  for (const std::string& key : record.request_ids()) {
    const auto found = entries_.find(key);
    const bool is_its =
        found != entries_.end() && found->second.operation == record.operation().name();
    if (is_its) entries_.erase(found);
  }
}

}  // namespace homolog::operations
