// How a client shows who it is and knows whom it talks to.
//
// Thread-safety: values and pure functions.
#ifndef HOMOLOG_CLIENT_CPP_SECURITY_H_
#define HOMOLOG_CLIENT_CPP_SECURITY_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace homolog::client {

struct Security {
  bool tls = false;  // encrypted
  // PEM: who may have signed the server's certificate; empty: whoever this machine trusts.
  std::string ca = {};
  // PEM: of the client, where the server asks for one.
  std::string certificate = {}, key = {};
  std::string token = {};  // sent with every call; empty: none
  bool insecure = false;   // send the token in the clear to other machines, too
};

// Where ReadSecurity finds a Security. Empty: not given.
struct SecuritySources {
  bool tls = false;
  std::string ca_file = {}, certificate_file = {}, key_file = {};
  std::string token_file = {};  // counts before `token`
  std::string token = {};
  bool insecure = false;
};

// Reads the files. Any of the first three means TLS. INVALID_ARGUMENT (reason INVALID_SECURITY),
// with the flag of `homolog` and the path, where a file cannot be read or has not what it should;
// nothing of what is in it.
absl::StatusOr<Security> ReadSecurity(const SecuritySources& sources);

// INVALID_ARGUMENT (reason TOKEN_IN_THE_CLEAR) where a token would go to another machine without
// encryption, and `insecure` does not allow it.
absl::Status CheckToken(const std::string& server, const Security& security);

}  // namespace homolog::client

#endif  // HOMOLOG_CLIENT_CPP_SECURITY_H_
