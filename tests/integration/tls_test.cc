// TLS and mutual TLS, and what becomes of their files when they change.

#include "absl/strings/str_cat.h"
#include "client/cpp/connect.h"
#include "common/error.h"
#include "tests/integration/capture_log.h"
#include "tests/integration/server_fixture.h"
#include "tests/support/certificates.h"

namespace homolog::testing {
namespace {

using ::testing::HasSubstr;

constexpr char kAda[] = "ada-token-0123456789";

class TlsTest : public ServerTest {
 protected:
  TlsTest() {
    WriteServer(authority_.Issue("server"));
    config_.tls_cert = Path("cert.pem");
    config_.tls_key = Path("key.pem");
    config_.tls_refresh_seconds = 1;
  }
  std::string Path(const std::string& name) { return repository().parent_path() / name; }
  void WriteServer(const CertifiedKey& key) {
    WriteFile(Path("key.pem"), key.key);
    WriteFile(Path("cert.pem"), key.certificate);
  }
  void AskForCertificates(const CertificateAuthority& authority) {
    WriteFile(Path("client_ca.pem"), authority.certificate());
    config_.tls_client_ca = Path("client_ca.pem");
  }
  client::Security Trusting(const CertificateAuthority& authority) const {
    client::Security security;
    security.tls = true;
    security.ca = authority.certificate();
    return security;
  }
  client::Security Showing(const CertifiedKey& own) const {
    client::Security security = Trusting(authority_);
    security.certificate = own.certificate;
    security.key = own.key;
    return security;
  }
  // A call over a connection of its own, as credentials made anew share none with others.
  absl::Status List(const client::Security& security) {
    client::ConnectOptions options;
    options.security = security;
    options.call_timeout = std::chrono::seconds(10);
    const auto connection = client::Connect("localhost:" + std::to_string(port()), options);
    if (!connection.ok()) return connection.status();
    return (*connection)->ListDatasets({}).status();
  }
  template <typename Wanted>
  bool Soon(Wanted wanted) {
    for (int i = 0; i < 300; ++i) {
      if (wanted()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    return false;
  }

  const CertificateAuthority authority_, other_;
};

TEST_F(TlsTest, TalksToWhoTrustsItsAuthority) {
  StartServer();
  EXPECT_TRUE(List(Trusting(authority_)).ok()) << List(Trusting(authority_));
  EXPECT_TRUE(absl::IsUnavailable(List(Trusting(other_))));
  EXPECT_TRUE(absl::IsUnavailable(List({})));  // in the clear
}

TEST_F(TlsTest, TakesTokensInsideOfIt) {
  WriteFile(Path("tokens"), absl::StrCat("ada viewer ", kAda, "\n"));
  std::filesystem::permissions(Path("tokens"), std::filesystem::perms(0600));
  config_.token_file = Path("tokens");
  StartServer();
  client::Security security = Trusting(authority_);
  EXPECT_EQ(CodeAndReason(List(security)), "UNAUTHENTICATED TOKEN_REQUIRED");
  security.token = kAda;
  EXPECT_TRUE(List(security).ok()) << List(security);
}

TEST_F(TlsTest, KnowsClientsByTheirCertificates) {
  const CapturedLog log;
  AskForCertificates(authority_);
  StartServer();
  EXPECT_TRUE(absl::IsUnavailable(List(Trusting(authority_))));  // shows none
  EXPECT_TRUE(absl::IsUnavailable(List(Showing(other_.Issue("eve")))));
  EXPECT_TRUE(absl::IsUnavailable(List(Showing(authority_.Issue("late", -std::chrono::hours(1))))));
  const absl::Status ada = List(Showing(authority_.Issue("ada l")));
  EXPECT_TRUE(ada.ok()) << ada;
  EXPECT_THAT(log.text(),
              HasSubstr("client=cert:ada?l method=DatasetService/ListDatasets code=OK"));
}

TEST_F(TlsTest, ShowsARenewedCertificateWithoutARestart) {
  StartServer();
  EXPECT_TRUE(List(Trusting(authority_)).ok());
  WriteServer(other_.Issue("server"));
  EXPECT_TRUE(Soon([&] { return List(Trusting(other_)).ok(); }));
  EXPECT_FALSE(List(Trusting(authority_)).ok());
}

TEST_F(TlsTest, TrustsAChangedClientAuthorityWithoutARestart) {
  AskForCertificates(authority_);
  StartServer();
  const client::Security before = Showing(authority_.Issue("ada")),
                         after = Showing(other_.Issue("ada"));
  EXPECT_TRUE(List(before).ok());
  EXPECT_FALSE(List(after).ok());
  AskForCertificates(other_);
  EXPECT_TRUE(Soon([&] { return List(after).ok(); }));
  EXPECT_FALSE(List(before).ok());
}

TEST_F(TlsTest, KeepsWhatItHasWhereTheFilesVanish) {
  StartServer();
  std::filesystem::remove(Path("cert.pem"));
  std::filesystem::remove(Path("key.pem"));
  std::this_thread::sleep_for(std::chrono::milliseconds(2500));
  EXPECT_TRUE(List(Trusting(authority_)).ok()) << List(Trusting(authority_));
}

TEST_F(TlsTest, ServesAgainOnceAKeyAndItsCertificateFit) {
  StartServer();
  const CertifiedKey next = other_.Issue("server");
  WriteFile(Path("key.pem"), next.key);
  std::this_thread::sleep_for(std::chrono::milliseconds(2500));  // it has seen the half of it
  WriteFile(Path("cert.pem"), next.certificate);
  EXPECT_TRUE(Soon([&] { return List(Trusting(other_)).ok(); }));
}

TEST_F(TlsTest, ShowsARenewedCertificateWhereALinkToItsFolderIsReplaced) {
  const auto write_folder = [this](const std::string& name, const CertifiedKey& key) {
    std::filesystem::create_directory(Path(name));
    WriteFile(Path(name + "/key.pem"), key.key);
    WriteFile(Path(name + "/cert.pem"), key.certificate);
  };
  write_folder("before", authority_.Issue("server"));
  write_folder("after", other_.Issue("server"));
  std::filesystem::create_symlink("before", Path("tls"));
  std::filesystem::create_symlink("after", Path("tls.new"));
  config_.tls_cert = Path("tls/cert.pem");
  config_.tls_key = Path("tls/key.pem");
  StartServer();
  EXPECT_TRUE(List(Trusting(authority_)).ok());
  std::filesystem::rename(Path("tls.new"), Path("tls"));
  EXPECT_TRUE(Soon([&] { return List(Trusting(other_)).ok(); }));
}

TEST_F(TlsTest, DoesNotStartWithFilesThatDoNotFit) {
  WriteFile(Path("key.pem"), other_.Issue("server").key);
  const absl::Status status = app::Server::Start(config_).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("--tls-key"));
  EXPECT_EQ(app::CheckEnvironment(config_), status);
}

}  // namespace
}  // namespace homolog::testing
