#include "server/app/pem_files.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "server/app/config.h"

namespace homolog::app {
namespace {

constexpr char kCert[] = "tls-cert", kKey[] = "tls-key", kClientCa[] = "tls-client-ca";

template <auto Free>
struct Freer {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Bio = std::unique_ptr<BIO, Freer<BIO_free>>;
using Certificate = std::unique_ptr<X509, Freer<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;

absl::StatusOr<Bio> Open(const char* flag, const std::string& path) {
  errno = 0;
  Bio file(BIO_new_file(path.c_str(), "r"));
  if (file != nullptr) return file;
  const int error = errno;
  ERR_clear_error();
  return InvalidFlag(flag, path, absl::StrCat("it cannot be read: ", std::strerror(error)));
}

// A pass phrase cannot be asked for: the server reads the key again when it changes.
int NoPassPhrase(char*, int, int, void*) { return -1; }

absl::StatusOr<std::vector<Certificate>> ReadCertificates(const char* flag,
                                                          const std::string& path) {
  HOMOLOG_ASSIGN_OR_RETURN(const Bio file, Open(flag, path));
  std::vector<Certificate> certificates;
  while (X509* next = PEM_read_bio_X509(file.get(), nullptr, NoPassPhrase, nullptr)) {
    certificates.emplace_back(next);
  }
  // At the end there is no further one to begin; anything else is a damaged one.
  const bool ended = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (!certificates.empty() && ended) return certificates;
  return InvalidFlag(flag, path,
                     "must hold certificates in PEM (-----BEGIN CERTIFICATE-----), none damaged");
}

std::string TimeText(const ASN1_TIME* time) {
  const Bio text(BIO_new(BIO_s_mem()));
  if (text == nullptr || ASN1_TIME_print(text.get(), time) != 1) return "another time";
  char* data = nullptr;
  const long size = BIO_get_mem_data(text.get(), &data);
  return std::string(data, static_cast<size_t>(size));
}

absl::Status CheckTime(const char* flag, const std::string& path, const X509* certificate) {
  const ASN1_TIME* until = X509_get0_notAfter(certificate);
  const ASN1_TIME* from = X509_get0_notBefore(certificate);
  if (X509_cmp_current_time(until) < 0) {
    return InvalidFlag(
        flag, path,
        absl::StrCat("its certificate was valid until ", TimeText(until), "; renew it"));
  }
  if (X509_cmp_current_time(from) > 0) {
    return InvalidFlag(flag, path,
                       absl::StrCat("its certificate is not valid before ", TimeText(from),
                                    "; is the clock right?"));
  }
  return absl::OkStatus();
}

absl::StatusOr<Key> ReadKey(const std::string& path) {
  HOMOLOG_ASSIGN_OR_RETURN(const Bio file, Open(kKey, path));
  Key key(PEM_read_bio_PrivateKey(file.get(), nullptr, NoPassPhrase, nullptr));
  ERR_clear_error();
  if (key != nullptr) return key;
  return InvalidFlag(kKey, path,
                     "must hold a private key in PEM (-----BEGIN PRIVATE KEY-----), without a pass "
                     "phrase");
}

}  // namespace

absl::Status CheckServerCertificate(const std::string& cert, const std::string& key) {
  HOMOLOG_ASSIGN_OR_RETURN(const std::vector<Certificate> chain, ReadCertificates(kCert, cert));
  HOMOLOG_RETURN_IF_ERROR(CheckTime(kCert, cert, chain[0].get()));
  HOMOLOG_ASSIGN_OR_RETURN(const Key private_key, ReadKey(key));
  const bool fits = X509_check_private_key(chain[0].get(), private_key.get()) == 1;
  ERR_clear_error();
  if (fits) return absl::OkStatus();
  return InvalidFlag(kKey, key,
                     absl::StrCat("it is not the key of the first certificate in ", cert,
                                  "; name the two that were made together, the server's own "
                                  "certificate before those that signed it"));
}

absl::Status CheckClientCa(const std::string& ca) {
  HOMOLOG_ASSIGN_OR_RETURN(const std::vector<Certificate> certificates,
                           ReadCertificates(kClientCa, ca));
  for (const Certificate& certificate : certificates) {
    HOMOLOG_RETURN_IF_ERROR(CheckTime(kClientCa, ca, certificate.get()));
  }
  return absl::OkStatus();
}

}  // namespace homolog::app
