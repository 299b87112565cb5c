#include "server/app/exposure.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/error.h"
#include "common/loopback.h"

namespace homolog::app {
namespace {

std::vector<std::string> Missing(const Config& config) {
  std::vector<std::string> missing;
  if (config.tls_cert.empty()) missing.push_back("encryption (--tls-cert and --tls-key)");
  if (config.token_file.empty() && config.tls_client_ca.empty()) {
    missing.push_back("a way to know its clients (--token-file or --tls-client-ca)");
  }
  return missing;
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

bool IsExposed(const Config& config) {
  return !IsLoopback(config.listen) && !Missing(config).empty();
}

absl::Status CheckExposure(const Config& config) {
  HOMOLOG_RETURN_IF_ERROR(CheckTlsFlags(config));
  if (!IsExposed(config) || config.insecure) return absl::OkStatus();
  return InvalidFlag(
      "listen", config.listen,
      absl::StrCat("others than this machine reach it, and it lacks ",
                   absl::StrJoin(Missing(config), " and "),
                   "; add that, listen on 127.0.0.1, or say --insecure to let anybody who reaches "
                   "the port do anything"));
}

}  // namespace homolog::app
