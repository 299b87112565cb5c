#include "server/rpc/stream_slots.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/error.h"

namespace homolog::rpc {
namespace {

// Streams take seconds to minutes.
constexpr std::chrono::seconds kRetryDelay{5};

absl::Status TooMany(const std::string& message, int64_t open, int64_t limit) {
  return WithRetryDelay(
      ResourceExhausted("TOO_MANY_STREAMS", message,
                        {{"open", absl::StrCat(open)}, {"limit", absl::StrCat(limit)}}),
      kRetryDelay);
}

}  // namespace

StreamSlots::Slot::Slot(Slot&& other) noexcept
    : slots_(std::exchange(other.slots_, nullptr)), client_(std::move(other.client_)) {}

StreamSlots::Slot& StreamSlots::Slot::operator=(Slot&& other) noexcept {
  if (this == &other) return *this;
  Release();
  slots_ = std::exchange(other.slots_, nullptr);
  client_ = std::move(other.client_);
  return *this;
}

void StreamSlots::Slot::Release() {
  if (slots_ != nullptr) std::exchange(slots_, nullptr)->GiveBack(client_);
}

StreamSlots::StreamSlots(std::string what, int64_t most, int64_t most_per_client)
    : what_(std::move(what)), most_(most), most_per_client_(most_per_client) {}

absl::StatusOr<StreamSlots::Slot> StreamSlots::Take(const std::string& client) {
  const std::lock_guard lock(mutex_);
  const auto found = by_client_.find(client);
  const int64_t of_client = found == by_client_.end() ? 0 : found->second;
  if (of_client >= most_per_client_) {
    return TooMany(absl::StrCat(client, " has ", of_client, " ", what_, " open; at most ",
                                most_per_client_, " of one client: wait for one to end"),
                   of_client, most_per_client_);
  }
  if (open_ >= most_) {
    return TooMany(absl::StrCat(open_, " ", what_, " of all clients are open; at most ", most_,
                                ": ask again later"),
                   open_, most_);
  }
  ++open_;
  ++by_client_[client];
  return Slot(this, client);
}

void StreamSlots::GiveBack(const std::string& client) {
  const std::lock_guard lock(mutex_);
  --open_;
  const auto found = by_client_.find(client);
  if (--found->second == 0) by_client_.erase(found);
}

}  // namespace homolog::rpc
