// Whether the store takes writes, and why not.
//
// Thread-safety: all methods may be called from any thread.
#ifndef HOMOLOG_SERVER_STORE_WRITE_GATE_H_
#define HOMOLOG_SERVER_STORE_WRITE_GATE_H_

#include <chrono>
#include <functional>
#include <mutex>
#include <optional>
#include <string>

namespace homolog::store {

class WriteGate {
 public:
  // Told when the gate closes (with the reason) and when it opens again (with none).
  using Observer = std::function<void(const std::optional<std::string>& reason)>;
  explicit WriteGate(Observer observer) : observer_(std::move(observer)) {}

  // The first reason stays until Open; a later one replaces it silently.
  void Close(std::string reason);
  void Open();
  // Nothing while writes are taken.
  std::optional<std::string> reason() const;
  // Whether it is time to look again whether writes work: once in a second, for one caller.
  bool MayTry();

 private:
  const Observer observer_;
  mutable std::mutex mutex_;
  std::optional<std::string> reason_;
  std::chrono::steady_clock::time_point next_try_;
};

}  // namespace homolog::store

#endif  // HOMOLOG_SERVER_STORE_WRITE_GATE_H_
