// Ends a stream whose client does not take what it is sent, or does not send what it announced.
//
// Thread-safety: the methods belong to the stream's reactor, one call at a time; the clock is
// looked at from gRPC's threads.
#ifndef HOMOLOG_SERVER_RPC_STALL_GUARD_H_
#define HOMOLOG_SERVER_RPC_STALL_GUARD_H_

#include <grpcpp/server_context.h>

#include <chrono>
#include <memory>

namespace homolog::rpc {

class StallGuard {
 public:
  // The call is cancelled once its server has waited for the client for `timeout`. `context` lives
  // until Stop.
  StallGuard(grpc::CallbackServerContext* context, std::chrono::milliseconds timeout);
  ~StallGuard();  // Stop()
  StallGuard(const StallGuard&) = delete;
  StallGuard& operator=(const StallGuard&) = delete;

  // It is the client's turn, to take a message or to send one; it has done so.
  void BeginWait();
  void EndWait();
  // Whether it has cancelled the call.
  bool stalled() const;
  // Before the call is done.
  void Stop();

 private:
  struct State;
  static void Tick(const std::shared_ptr<State>& state);
  const std::shared_ptr<State> state_;  // shared with the alarm, which may come late
};

}  // namespace homolog::rpc

#endif  // HOMOLOG_SERVER_RPC_STALL_GUARD_H_
