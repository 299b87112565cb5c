#include "server/app/exposure.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/error.h"
#include "common/loopback.h"

namespace homolog::app {
namespace {

bool Encrypts(const Config& config) { return !config.tls_cert.empty(); }

bool KnowsItsClients(const Config& config) {
  return !config.token_file.empty() || !config.tls_client_ca.empty();
}

bool IsExposed(const Config& config) {
  return !IsLoopback(config.listen) && !(Encrypts(config) && KnowsItsClients(config));
}

std::string Missing(const Config& config) {
  std::vector<std::string> missing;
  if (!Encrypts(config)) missing.push_back("encryption (--tls-cert and --tls-key)");
  if (!KnowsItsClients(config)) {
    missing.push_back("a way to know its clients (--token-file or --tls-client-ca)");
  }
  return absl::StrJoin(missing, " and ");
}

absl::Status CheckTlsFlags(const Config& config) {
  if (config.tls_cert.empty() != config.tls_key.empty()) {
    const bool no_key = config.tls_key.empty();
    return InvalidFlag(
        no_key ? "tls-key" : "tls-cert", "",
        absl::StrCat("name the file that belongs to --", no_key ? "tls-cert" : "tls-key"));
  }
  if (config.tls_cert.empty() && !config.tls_client_ca.empty()) {
    return InvalidFlag("tls-client-ca", config.tls_client_ca,
                       "client certificates need --tls-cert and --tls-key, too");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckExposure(const Config& config) {
  HOMOLOG_RETURN_IF_ERROR(CheckTlsFlags(config));
  if (!IsExposed(config) || config.insecure) return absl::OkStatus();
  return InvalidFlag(
      "listen", config.listen,
      absl::StrCat("others than this machine reach it, and it lacks ", Missing(config),
                   "; add that, listen on 127.0.0.1, or say --insecure to let anybody who reaches "
                   "the port do anything"));
}

std::string ExposureWarning(const Config& config) {
  if (!IsExposed(config)) return "";
  return absl::StrCat("--insecure: ", config.listen, " lacks ", Missing(config), ": ",
                      KnowsItsClients(config)
                          ? "whoever sees the traffic can read it, and use the tokens in it"
                          : "whoever reaches it may do anything");
}

}  // namespace homolog::app
