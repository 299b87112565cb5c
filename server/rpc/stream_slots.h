// How many streams of a kind are open, in all and of each client, and no more than allowed.
//
// Thread-safety: all methods may be called from any thread; a Slot belongs to one thread at a time.
#ifndef HOMOLOG_SERVER_RPC_STREAM_SLOTS_H_
#define HOMOLOG_SERVER_RPC_STREAM_SLOTS_H_

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "absl/status/statusor.h"

namespace homolog::rpc {

class StreamSlots {
 public:
  // The place of one open stream; given back where it is destroyed, or Release()d before.
  class Slot {
   public:
    Slot() = default;
    ~Slot() { Release(); }
    Slot(Slot&& other) noexcept;
    Slot& operator=(Slot&& other) noexcept;
    void Release();

   private:
    friend class StreamSlots;
    Slot(StreamSlots* slots, std::string client) : slots_(slots), client_(std::move(client)) {}
    StreamSlots* slots_ = nullptr;
    std::string client_;
  };

  // `what` ("uploads") is for messages; the limits are 1 or more.
  StreamSlots(std::string what, int64_t most, int64_t most_per_client);

  // A place for a stream of `client`; the slots outlive it. RESOURCE_EXHAUSTED (reason
  // TOO_MANY_STREAMS, with a retry delay) with both numbers where all, or all of this client, are
  // taken.
  absl::StatusOr<Slot> Take(const std::string& client);

 private:
  void GiveBack(const std::string& client);

  const std::string what_;
  const int64_t most_, most_per_client_;
  std::mutex mutex_;
  int64_t open_ = 0;
  std::map<std::string, int64_t> by_client_;  // of clients that have any
};

}  // namespace homolog::rpc

#endif  // HOMOLOG_SERVER_RPC_STREAM_SLOTS_H_
