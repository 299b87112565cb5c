// What every handler does besides its one thing: who may call, an id, a log line, metrics, the
// status.
#ifndef HOMOLOG_SERVER_RPC_CALL_H_
#define HOMOLOG_SERVER_RPC_CALL_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/metrics/metrics.h"
#include "server/rpc/doorkeeper.h"
#include "server/rpc/grpc_status.h"
#include "server/rpc/request_pool.h"
#include "server/rpc/role.h"

namespace homolog::rpc {

// What every call passes; all outlive the services.
struct Entrance {
  Doorkeeper* doorkeeper = nullptr;
  metrics::Metrics* metrics = nullptr;
  // Told when a call ends because the device is lost; may be empty.
  std::function<void(const absl::Status& status)> on_device_lost = {};
};

// A method: its name for logs, the role that it needs, its metrics.
struct Method {
  std::string name;
  Role role;
  Doorkeeper* doorkeeper;
  std::unique_ptr<metrics::MethodMetrics> metrics;
  std::function<void(const absl::Status& status)> on_device_lost;
};

inline Method MakeMethod(const Entrance& entrance, const std::string& name, Role role) {
  return {name, role, entrance.doorkeeper, entrance.metrics->Method(name), entrance.on_device_lost};
}

// One RPC from its arrival to its end. There is none without its caller.
//
// Thread-safety: End is called once, by the one thread that ends the call.
class Call {
 public:
  // Takes the client's "x-request-id", or makes an id up, sends it back in the initial metadata and
  // lets the caller in. Errors as Doorkeeper::Admit: the call is then counted and logged already,
  // and what remains is to finish it with ToGrpcStatus of the error. `method` outlives the call.
  static absl::StatusOr<Call> Begin(grpc::CallbackServerContext* context, const Method& method);

  const Caller& caller() const { return caller_; }
  // Counts and logs the end, with the name of what was made or shown where there is one, and
  // returns the status for gRPC.
  grpc::Status End(const absl::Status& status, std::string_view resource = "") const;

 private:
  Call(grpc::CallbackServerContext* context, const Method& method);

  const Method* method_;
  std::string id_;
  Caller caller_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// RESOURCE_EXHAUSTED (reason SERVER_BUSY), for a call that the pool has no room for.
absl::Status ServerBusy();

// Calls `function` and turns an exception, which is a defect or memory that ran out, into a status.
absl::Status CatchAll(const std::function<absl::Status()>& function);

// A stream, of the kind of reactor `Reactor`, that ends at once with `status`.
template <typename Reactor>
class EndedStream : public Reactor {
 public:
  explicit EndedStream(const grpc::Status& status) { this->Finish(status); }
  void OnDone() override { delete this; }
};

// The same for a unary call.
inline grpc::ServerUnaryReactor* EndedUnary(grpc::CallbackServerContext* context,
                                            const grpc::Status& status) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(status);
  return reactor;
}

// Runs a unary handler, which returns StatusOr<Response>, on `pool` and finishes the call. A
// handler that takes a `const Caller&` gets it. A call that was cancelled, or whose deadline
// passed, while it waited for a thread is not run.
template <typename Response, typename Handler>
grpc::ServerUnaryReactor* RunUnary(grpc::CallbackServerContext* context, RequestPool& pool,
                                   const Method& method, Response* response, Handler handler) {
  const absl::StatusOr<Call> begun = Call::Begin(context, method);
  if (!begun.ok()) return EndedUnary(context, ToGrpcStatus(begun.status()));
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const Call& call = *begun;
  const bool posted = pool.Post([=, handler = std::move(handler)]() mutable {
    const absl::Status status = CatchAll([&]() -> absl::Status {
      if (context->IsCancelled()) return absl::CancelledError("the client went away");
      absl::StatusOr<Response> result = [&] {
        if constexpr (std::is_invocable_v<Handler&, const Caller&>)
          return handler(call.caller());
        else
          return handler();
      }();
      if (result.ok()) *response = *std::move(result);
      return result.status();
    });
    std::string resource;
    if constexpr (requires { response->name(); }) resource = response->name();
    reactor->Finish(call.End(status, resource));
  });
  if (!posted) reactor->Finish(call.End(ServerBusy()));
  return reactor;
}

}  // namespace homolog::rpc

#endif  // HOMOLOG_SERVER_RPC_CALL_H_
