// Who calls, and whether they may.
//
// Thread-safety: all methods may be called from any thread.
#ifndef HOMOLOG_SERVER_RPC_DOORKEEPER_H_
#define HOMOLOG_SERVER_RPC_DOORKEEPER_H_

#include <grpcpp/server_context.h>

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "server/rpc/role.h"
#include "server/rpc/token_file.h"

namespace homolog::rpc {

struct Caller {
  // "token:NAME"; without tokens "cert:COMMON_NAME" of the client's certificate; without either the
  // address without its port: "ipv4:127.0.0.1", "ipv6:[::1]", "unix". Plain characters: it is
  // logged.
  std::string name;
  Role role = Role::kAnalyst;
};

class Doorkeeper {
 public:
  // Without tokens (null) everybody whom the transport lets in is an analyst.
  explicit Doorkeeper(std::unique_ptr<TokenFile> tokens = nullptr);
  ~Doorkeeper();

  // The caller, who has at least the role `needed`. The token comes as the metadata "authorization:
  // Bearer TOKEN" and never stands in a message.
  //
  // UNAUTHENTICATED (reason TOKEN_REQUIRED; TOKEN_INVALID, also for a header of another form);
  // PERMISSION_DENIED (ROLE_TOO_LOW).
  absl::StatusOr<Caller> Admit(const grpc::CallbackServerContext& context, Role needed);

 private:
  absl::StatusOr<Caller> Identify(const grpc::CallbackServerContext& context);

  const std::unique_ptr<TokenFile> tokens_;
};

// "ipv4:127.0.0.1:5000" without its port, as Caller::name has it.
std::string AddressOf(std::string_view peer);

}  // namespace homolog::rpc

#endif  // HOMOLOG_SERVER_RPC_DOORKEEPER_H_
