#include "server/rpc/doorkeeper.h"

#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/error.h"

namespace homolog::rpc {
namespace {

constexpr size_t kLongestName = 100;

// What names of callers are made of; anything else of a certificate becomes '?'.
std::string Plain(std::string_view name) {
  std::string plain(name.substr(0, kLongestName));
  for (char& c : plain) {
    const bool visible = c > ' ' && c < 0x7f && c != '"' && c != '\\';
    if (!visible) c = '?';
  }
  return plain;
}

absl::Status Unauthenticated(const char* reason, const char* message) {
  return MakeError(absl::StatusCode::kUnauthenticated, reason, message);
}

// The token of "Bearer TOKEN".
absl::StatusOr<std::string_view> BearerToken(const grpc::CallbackServerContext& context) {
  const auto& metadata = context.client_metadata();
  const auto header = metadata.find("authorization");
  if (header == metadata.end()) {
    return Unauthenticated("TOKEN_REQUIRED",
                           "the call has no token; this server needs the metadata "
                           "\"authorization: Bearer TOKEN\" (homolog --token-file)");
  }
  constexpr absl::string_view kScheme = "Bearer ";
  const absl::string_view value(header->second.data(), header->second.size());
  if (metadata.count("authorization") > 1 || !absl::StartsWithIgnoreCase(value, kScheme)) {
    return Unauthenticated("TOKEN_INVALID",
                           "the metadata \"authorization\" has another form than this server "
                           "takes; send \"Bearer TOKEN\", once");
  }
  return std::string_view(value.data(), value.size()).substr(kScheme.size());
}

// The common name of the client's certificate, which the transport has verified; "" without one.
std::string CertificateName(const grpc::CallbackServerContext& context) {
  const std::shared_ptr<const grpc::AuthContext> peer = context.auth_context();
  if (peer == nullptr || !peer->IsPeerAuthenticated()) return "";
  std::vector<grpc::string_ref> names = peer->FindPropertyValues("x509_common_name");
  if (names.empty()) names = peer->GetPeerIdentity();
  return names.empty() ? "" : Plain({names[0].data(), names[0].size()});
}

const char* NameOf(Role role) { return role == Role::kViewer ? "viewer" : "analyst"; }

}  // namespace

Doorkeeper::Doorkeeper(std::unique_ptr<TokenFile> tokens) : tokens_(std::move(tokens)) {}
Doorkeeper::~Doorkeeper() = default;

absl::StatusOr<Caller> Doorkeeper::Identify(const grpc::CallbackServerContext& context) {
  if (tokens_ != nullptr) {
    HOMOLOG_ASSIGN_OR_RETURN(const std::string_view token, BearerToken(context));
    const std::optional<TokenEntry> entry = tokens_->Find(token);
    if (entry) return Caller{absl::StrCat("token:", entry->name), entry->role};
    return Unauthenticated("TOKEN_INVALID",
                           "the token is none that this server knows; ask its operator for one");
  }
  const std::string certificate = CertificateName(context);
  return Caller{
      certificate.empty() ? AddressOf(context.peer()) : absl::StrCat("cert:", certificate),
      Role::kAnalyst};
}

absl::StatusOr<Caller> Doorkeeper::Admit(const grpc::CallbackServerContext& context, Role needed) {
  HOMOLOG_ASSIGN_OR_RETURN(Caller caller, Identify(context));
  if (caller.role >= needed) return caller;
  return MakeError(
      absl::StatusCode::kPermissionDenied, "ROLE_TOO_LOW",
      absl::StrCat(caller.name, " is a ", NameOf(caller.role), "; this method needs the role ",
                   NameOf(needed), " (ask the server's operator for it)"),
      {{"role", NameOf(caller.role)}, {"needed", NameOf(needed)}});
}

std::string AddressOf(std::string_view peer) {
  if (peer.starts_with("unix")) return "unix";
  // gRPC writes the brackets of an IPv6 address as in a URI.
  const std::string address = absl::StrReplaceAll(absl::string_view(peer.data(), peer.size()),
                                                  {{"%5B", "["}, {"%5D", "]"}});
  const size_t colon = address.rfind(':');
  const bool has_port = colon != address.npos && colon > address.find(':') &&
                        address.find_first_not_of("0123456789", colon + 1) == address.npos &&
                        address.find(']', colon) == address.npos;
  return Plain(has_port ? address.substr(0, colon) : address);
}

}  // namespace homolog::rpc
