#include "client/cpp/security.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/error.h"
#include "tests/support/certificates.h"
#include "tests/support/temporary_folder.h"

namespace homolog::client {
namespace {

using ::homolog::testing::CertificateAuthority;
using ::homolog::testing::CertifiedKey;
using ::homolog::testing::TemporaryFolder;
using ::homolog::testing::WriteFile;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class SecurityTest : public ::testing::Test {
 protected:
  std::string Write(const std::string& name, const std::string& text) {
    WriteFile(folder_ / name, text);
    return folder_ / name;
  }
  static void ExpectRefused(const SecuritySources& sources, const std::string& flag,
                            const std::string& path) {
    const absl::Status status = ReadSecurity(sources).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    EXPECT_EQ(ErrorReason(status), "INVALID_SECURITY");
    EXPECT_THAT(std::string(status.message()),
                AllOf(HasSubstr(flag), HasSubstr(path), Not(HasSubstr("secret"))));
  }
  TemporaryFolder folder_;
};

TEST_F(SecurityTest, IsInTheClearAndWithoutATokenUnlessToldOtherwise) {
  const auto security = ReadSecurity({});
  ASSERT_TRUE(security.ok()) << security.status();
  EXPECT_FALSE(security->tls);
  EXPECT_EQ(security->token, "");
}

TEST_F(SecurityTest, ReadsFiles) {
  const CertificateAuthority authority;
  const CertifiedKey client = authority.Issue("ada");
  const auto security = ReadSecurity({.ca_file = Write("ca.pem", authority.certificate()),
                                      .certificate_file = Write("cert.pem", client.certificate),
                                      .key_file = Write("key.pem", client.key),
                                      .token_file = Write("token", " secret-token\n"),
                                      .token = "another"});
  ASSERT_TRUE(security.ok()) << security.status();
  EXPECT_TRUE(security->tls);
  EXPECT_EQ(security->ca, authority.certificate());
  EXPECT_EQ(security->certificate, client.certificate);
  EXPECT_EQ(security->key, client.key);
  EXPECT_EQ(security->token, "secret-token");
}

TEST_F(SecurityTest, EncryptsWithoutFilesToo) {
  EXPECT_TRUE(ReadSecurity({.tls = true})->tls);
  EXPECT_EQ(ReadSecurity({.token = "secret-token"})->token, "secret-token");
}

TEST_F(SecurityTest, NamesTheFlagAndTheFileThatCannotBeUsed) {
  const std::string none = folder_ / "none", empty = Write("empty", ""), dir = folder_.path();
  const std::string pem = Write("cert.pem", CertificateAuthority().certificate());
  const std::string text = Write("text", "secret, but no PEM");
  for (const std::string& path : {none, empty, dir, text}) {
    ExpectRefused({.ca_file = path}, "--ca", path);
    ExpectRefused({.certificate_file = path, .key_file = path}, "--cert", path);
    ExpectRefused({.certificate_file = pem, .key_file = path}, "--key", path);
  }
  for (const std::string& path :
       {none, empty, dir, text, Write("blank", " \n"), Write("two", "secret\nsecret\n")}) {
    ExpectRefused({.token_file = path}, "--token-file", path);
  }
  ExpectRefused({.certificate_file = pem}, "--cert", "--key");
  ExpectRefused({.key_file = pem}, "--key", "--cert");
  ExpectRefused({.token = "secret secret"}, "HOMOLOG_TOKEN", "");
}

TEST(CheckTokenTest, KeepsTokensFromGoingOverTheNetworkInTheClear) {
  const Security plain{.token = "secret-token"};
  EXPECT_TRUE(CheckToken("localhost:7431", plain).ok());
  EXPECT_TRUE(CheckToken("unix:/run/homolog", plain).ok());
  const absl::Status status = CheckToken("gpu-3:7431", plain);
  EXPECT_EQ(ErrorReason(status), "TOKEN_IN_THE_CLEAR");
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("gpu-3:7431"), HasSubstr("--insecure"), Not(HasSubstr("secret"))));
  EXPECT_TRUE(CheckToken("gpu-3:7431", {.tls = true, .token = "secret-token"}).ok());
  EXPECT_TRUE(CheckToken("gpu-3:7431", {.token = "secret-token", .insecure = true}).ok());
  EXPECT_TRUE(CheckToken("gpu-3:7431", {}).ok());
}

}  // namespace
}  // namespace homolog::client
