// What every handler does besides its one thing: an id, a log line, metrics, the status.
#ifndef HOMOLOG_SERVER_RPC_CALL_H_
#define HOMOLOG_SERVER_RPC_CALL_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <chrono>
#include <functional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/metrics/metrics.h"
#include "server/rpc/grpc_status.h"
#include "server/rpc/request_pool.h"

namespace homolog::rpc {

// One RPC from its arrival to its end.
//
// Thread-safety: End is called once, by the one thread that ends the call.
class Call {
 public:
  // Takes the client's "x-request-id", or makes an id up, and sends it back in the initial
  // metadata. `metrics` outlives the call.
  Call(grpc::CallbackServerContext* context, std::string method, metrics::MethodMetrics* metrics);
  // Counts and logs the end, and returns the status for gRPC.
  grpc::Status End(const absl::Status& status) const;

 private:
  std::string method_, id_;
  metrics::MethodMetrics* metrics_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// RESOURCE_EXHAUSTED (reason SERVER_BUSY), for a call that the pool has no room for.
absl::Status ServerBusy();

// Calls `function` and turns an exception, which is a defect or memory that ran out, into a status.
absl::Status CatchAll(const std::function<absl::Status()>& function);

// A method: its name for logs and its metrics.
struct Method {
  std::string name;
  std::unique_ptr<metrics::MethodMetrics> metrics;
};

inline Method MakeMethod(metrics::Metrics& metrics, const std::string& name) {
  return {name, metrics.Method(name)};
}

// Runs a unary handler, which returns StatusOr<Response>, on `pool` and finishes the call. A call
// that was cancelled, or whose deadline passed, while it waited for a thread is not run.
template <typename Response, typename Handler>
grpc::ServerUnaryReactor* RunUnary(grpc::CallbackServerContext* context, RequestPool& pool,
                                   const Method& method, Response* response, Handler handler) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const Call call(context, method.name, method.metrics.get());
  const bool posted = pool.Post([=, handler = std::move(handler)]() mutable {
    const absl::Status status = CatchAll([&]() -> absl::Status {
      if (context->IsCancelled()) return absl::CancelledError("the client went away");
      absl::StatusOr<Response> result = handler();
      if (result.ok()) *response = *std::move(result);
      return result.status();
    });
    reactor->Finish(call.End(status));
  });
  if (!posted) reactor->Finish(call.End(ServerBusy()));
  return reactor;
}

}  // namespace homolog::rpc

#endif  // HOMOLOG_SERVER_RPC_CALL_H_
