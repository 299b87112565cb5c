// Certificates for tests of TLS, made on the spot.
#ifndef HOMOLOG_TESTS_SUPPORT_CERTIFICATES_H_
#define HOMOLOG_TESTS_SUPPORT_CERTIFICATES_H_

#include <chrono>
#include <memory>
#include <string>

namespace homolog::testing {

// Both in PEM.
struct CertifiedKey {
  std::string certificate, key;
};

class CertificateAuthority {
 public:
  CertificateAuthority();
  ~CertificateAuthority();

  // Its own certificate, in PEM.
  const std::string& certificate() const;
  // For localhost and 127.0.0.1, valid since yesterday and for `validity` from now.
  CertifiedKey Issue(const std::string& common_name,
                     std::chrono::seconds validity = std::chrono::hours(24)) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace homolog::testing

#endif  // HOMOLOG_TESTS_SUPPORT_CERTIFICATES_H_
