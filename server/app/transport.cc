#include "server/app/transport.h"

#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>

#include "common/error.h"
#include "server/app/pem_files.h"

namespace homolog::app {

absl::Status CheckTransport(const Config& config) {
  if (config.tls_cert.empty()) return absl::OkStatus();
  HOMOLOG_RETURN_IF_ERROR(CheckServerCertificate(config.tls_cert, config.tls_key));
  return config.tls_client_ca.empty() ? absl::OkStatus() : CheckClientCa(config.tls_client_ca);
}

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeServerCredentials(
    const Config& config) {
  using grpc::experimental::FileWatcherCertificateProvider;
  HOMOLOG_RETURN_IF_ERROR(CheckTransport(config));
  if (config.tls_cert.empty()) return grpc::InsecureServerCredentials();
  const bool mutual = !config.tls_client_ca.empty();
  grpc::experimental::TlsServerCredentialsOptions options(
      std::make_shared<FileWatcherCertificateProvider>(
          config.tls_key, config.tls_cert, config.tls_client_ca, config.tls_refresh_seconds));
  options.watch_identity_key_cert_pairs();
  if (mutual) options.watch_root_certs();
  options.set_cert_request_type(mutual ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                                       : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE);
  return grpc::experimental::TlsServerCredentials(options);
}

}  // namespace homolog::app
