// Plain HTTP for machines: /metrics (Prometheus), /healthz (the process lives), /readyz (it
// serves).
//
// Thread-safety: Start once; the callbacks are called from the HTTP server's threads.
#ifndef HOMOLOG_SERVER_RPC_ADMIN_SERVER_H_
#define HOMOLOG_SERVER_RPC_ADMIN_SERVER_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace homolog::rpc {

class AdminServer {
 public:
  struct Callbacks {
    std::function<std::string()> metrics;  // text of /metrics
    std::function<bool()> ready;           // 200 or 503 of /readyz
  };

  // Listens on `address` ("127.0.0.1:7432", "[::1]:7432"; port 0: any). UNAVAILABLE (reason
  // ADDRESS_IN_USE) where that fails.
  static absl::StatusOr<std::unique_ptr<AdminServer>> Start(const std::string& address,
                                                            Callbacks callbacks);
  ~AdminServer();  // closes the port, lets requests finish
  // The port it listens on.
  int port() const;

 private:
  struct State;
  explicit AdminServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace homolog::rpc

#endif  // HOMOLOG_SERVER_RPC_ADMIN_SERVER_H_
