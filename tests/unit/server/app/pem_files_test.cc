#include "server/app/pem_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "common/error.h"
#include "tests/support/certificates.h"
#include "tests/support/temporary_folder.h"

namespace homolog::app {
namespace {

using ::homolog::testing::CertificateAuthority;
using ::homolog::testing::CertifiedKey;
using ::homolog::testing::TemporaryFolder;
using ::homolog::testing::WriteFile;
using ::testing::AllOf;
using ::testing::HasSubstr;

class PemFilesTest : public ::testing::Test {
 protected:
  std::string Write(const std::string& name, const std::string& text) {
    WriteFile(folder_ / name, text);
    return folder_ / name;
  }
  // That it names the flag and the file.
  static void ExpectRefused(const absl::Status& status, const std::string& flag,
                            const std::string& file, const std::string& why) {
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    EXPECT_EQ(ErrorReason(status), "INVALID_FLAG");
    EXPECT_THAT(std::string(status.message()),
                AllOf(HasSubstr(flag), HasSubstr(file), HasSubstr(why)));
  }

  TemporaryFolder folder_;
  const CertificateAuthority authority_;
  const CertifiedKey server_ = authority_.Issue("server");
  const std::string cert_ = Write("cert.pem", server_.certificate);
  const std::string key_ = Write("key.pem", server_.key);
};

TEST_F(PemFilesTest, TakesACertificateWithItsKey) {
  EXPECT_TRUE(CheckServerCertificate(cert_, key_).ok());
  const std::string chain = Write("chain.pem", server_.certificate + authority_.certificate());
  EXPECT_TRUE(CheckServerCertificate(chain, key_).ok());
  EXPECT_TRUE(CheckClientCa(Write("ca.pem", authority_.certificate())).ok());
}

TEST_F(PemFilesTest, SaysWhichFileCannotBeRead) {
  const std::string none = folder_ / "none.pem";
  ExpectRefused(CheckServerCertificate(none, key_), "--tls-cert", none, "No such file");
  ExpectRefused(CheckServerCertificate(cert_, none), "--tls-key", none, "No such file");
  ExpectRefused(CheckClientCa(none), "--tls-client-ca", none, "No such file");
}

TEST_F(PemFilesTest, SaysWhatAFileShouldHold) {
  const std::string text = Write("text", "no PEM"), empty = Write("empty", "");
  const std::string damaged =
      Write("damaged", server_.certificate + "-----BEGIN CERTIFICATE-----\nAAAA\n");
  for (const std::string& file : {text, empty, key_, damaged}) {
    ExpectRefused(CheckServerCertificate(file, key_), "--tls-cert", file, "BEGIN CERTIFICATE");
    ExpectRefused(CheckClientCa(file), "--tls-client-ca", file, "BEGIN CERTIFICATE");
  }
  for (const std::string& file : {text, empty, cert_}) {
    ExpectRefused(CheckServerCertificate(cert_, file), "--tls-key", file, "BEGIN PRIVATE KEY");
  }
}

TEST_F(PemFilesTest, RefusesTheKeyOfAnother) {
  const std::string other = Write("other.pem", authority_.Issue("other").key);
  ExpectRefused(CheckServerCertificate(cert_, other), "--tls-key", other, cert_);
  const std::string wrong_order =
      Write("wrong_order.pem", authority_.certificate() + server_.certificate);
  ExpectRefused(CheckServerCertificate(wrong_order, key_), "--tls-key", key_, wrong_order);
}

TEST_F(PemFilesTest, RefusesACertificateThatHasExpired) {
  const CertifiedKey old = authority_.Issue("server", -std::chrono::hours(1));
  const std::string cert = Write("old.pem", old.certificate);
  ExpectRefused(CheckServerCertificate(cert, Write("old_key.pem", old.key)), "--tls-cert", cert,
                "valid until");
  ExpectRefused(CheckClientCa(cert), "--tls-client-ca", cert, "valid until");
}

}  // namespace
}  // namespace homolog::app
