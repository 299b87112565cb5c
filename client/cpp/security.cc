#include "client/cpp/security.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "common/error.h"
#include "common/loopback.h"
#include "common/text.h"

namespace homolog::client {
namespace {

absl::Status Invalid(const std::string& message) {
  return InvalidArgument("INVALID_SECURITY", message);
}

absl::StatusOr<std::string> ReadFile(const std::string& flag, const std::string& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (file) text << file.rdbuf();
  if (file && !text.str().empty()) return text.str();
  const std::string why = file || errno == 0 ? "is empty or no file" : std::strerror(errno);
  return Invalid(flag + " " + Quoted(path) + " cannot be read: " + why);
}

// The text of a PEM file, which holds a `kind` (CERTIFICATE); "" where none was given.
absl::StatusOr<std::string> ReadPem(const std::string& flag, const std::string& path,
                                    const std::string& kind) {
  if (path.empty()) return std::string();
  HOMOLOG_ASSIGN_OR_RETURN(std::string text, ReadFile(flag, path));
  const size_t begin = text.find("-----BEGIN ");
  if (begin != text.npos && text.find(kind + "-----", begin) != text.npos) return text;
  return Invalid(flag + " " + Quoted(path) + " has no -----BEGIN ... " + kind +
                 "-----; must be a file in PEM");
}

absl::StatusOr<std::string> ReadToken(const SecuritySources& sources) {
  std::string text = sources.token;
  std::string source = "HOMOLOG_TOKEN";
  if (!sources.token_file.empty()) {
    source = "--token-file " + Quoted(sources.token_file);
    HOMOLOG_ASSIGN_OR_RETURN(text, ReadFile("--token-file", sources.token_file));
  }
  const size_t begin = text.find_first_not_of(" \t\r\n"), end = text.find_last_not_of(" \t\r\n");
  if (begin == text.npos) {
    return source == "HOMOLOG_TOKEN"
               ? absl::StatusOr<std::string>("")
               : Invalid(source + " holds white space alone; must be a token");
  }
  std::string token = text.substr(begin, end - begin + 1);
  for (const char c : token) {
    if (c > ' ' && c < 0x7f) continue;
    return Invalid(source + " holds more than one word; must be the token alone");
  }
  return token;
}

}  // namespace

absl::StatusOr<Security> ReadSecurity(const SecuritySources& sources) {
  Security security;
  if (sources.certificate_file.empty() != sources.key_file.empty()) {
    return Invalid(sources.key_file.empty()
                       ? "--cert is given without --key; give both or neither"
                       : "--key is given without --cert; give both or neither");
  }
  HOMOLOG_ASSIGN_OR_RETURN(security.ca, ReadPem("--ca", sources.ca_file, "CERTIFICATE"));
  HOMOLOG_ASSIGN_OR_RETURN(security.certificate,
                           ReadPem("--cert", sources.certificate_file, "CERTIFICATE"));
  HOMOLOG_ASSIGN_OR_RETURN(security.key, ReadPem("--key", sources.key_file, "PRIVATE KEY"));
  HOMOLOG_ASSIGN_OR_RETURN(security.token, ReadToken(sources));
  security.tls = sources.tls || !security.ca.empty() || !security.certificate.empty();
  security.insecure = sources.insecure;
  return security;
}

absl::Status CheckToken(const std::string& server, const Security& security) {
  const bool safe = security.token.empty() || security.tls || IsLoopback(server);
  if (safe || security.insecure) return absl::OkStatus();
  return InvalidArgument("TOKEN_IN_THE_CLEAR",
                         "the token would go to " + server +
                             " unencrypted, for anybody on the way to read; use --ca or --tls, or "
                             "--insecure if that is meant");
}

}  // namespace homolog::client
