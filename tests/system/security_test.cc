// Real binaries over TLS with tokens, and a server that will not stand open by accident.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "tests/support/certificates.h"
#include "tests/support/tiny_model.h"
#include "tests/system/binaries.h"

namespace homolog::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kAda[] = "ada-token-0123456789";
constexpr char kBob[] = "bob-token-0123456789";

class SecurityTest : public ::testing::Test {
 protected:
  SecurityTest() {
    WriteTinyModel(folder_ / "models/a/1", {.seed = 1});
    const CertifiedKey server = authority_.Issue("server");
    WriteFile(folder_ / "cert.pem", server.certificate);
    WriteFile(folder_ / "key.pem", server.key);
    WriteFile(folder_ / "ca.pem", authority_.certificate());
    WriteFile(folder_ / "tokens", absl::StrCat("ada analyst ", kAda, "\nbob viewer ", kBob, "\n"));
    std::filesystem::permissions(folder_ / "tokens", std::filesystem::perms(0600));
    WriteFile(folder_ / "ada", kAda);
    WriteFile(folder_ / "bob", kBob);
    WriteFile(folder_ / "eve", "eve-token-0123456789");
  }
  std::string Path(const std::string& name) const { return folder_ / name; }
  std::vector<std::string> Tls() const {
    return {"--tls-cert=" + Path("cert.pem"), "--tls-key=" + Path("key.pem"),
            "--token-file=" + Path("tokens")};
  }
  ProcessResult Check(std::vector<std::string> flags) {
    flags.insert(flags.begin(), {Binary("homologd"), "--check", "--repository", Path("models"),
                                 "--data", Path("data")});
    return RunProcess(flags);
  }
  // Runs homolog as `who` (ada, bob, eve).
  ProcessResult As(const ServerProcess& server, const std::string& who,
                   std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--ca", Path("ca.pem"), "--token-file", Path(who)});
    return server.Client(arguments);
  }

  TemporaryFolder folder_;
  const CertificateAuthority authority_;
};

TEST_F(SecurityTest, ListensOnMoreThanLoopbackOnlyWithADoorOrWhenToldToGoWithout) {
  const ProcessResult open = Check({"--listen=0.0.0.0:0"});
  EXPECT_EQ(open.exit_code, 2);
  EXPECT_THAT(open.err, AllOf(HasSubstr("0.0.0.0:0"), HasSubstr("--tls-cert"),
                              HasSubstr("--token-file"), HasSubstr("--insecure")));
  std::vector<std::string> flags = Tls();
  flags.push_back("--listen=0.0.0.0:0");
  const ProcessResult guarded = Check(flags);
  EXPECT_EQ(guarded.exit_code, 0) << guarded.err;
  EXPECT_EQ(Check({"--listen=0.0.0.0:0", "--insecure"}).exit_code, 0);
  ServerProcess insecure(folder_, {"--listen=0.0.0.0:0", "--insecure"});
  insecure.WaitUntilReady();
  EXPECT_THAT(insecure.Log(),
              AllOf(HasSubstr("--insecure"), HasSubstr("--tls-cert"), HasSubstr("--token-file")));
}

TEST_F(SecurityTest, SaysWhatAnInsecureServerLacks) {
  ServerProcess in_the_clear(
      folder_, {"--listen=0.0.0.0:0", "--insecure", "--token-file=" + Path("tokens")});
  in_the_clear.WaitUntilReady();
  EXPECT_THAT(in_the_clear.Log(), AllOf(HasSubstr("lacks encryption (--tls-cert and --tls-key):"),
                                        Not(HasSubstr("--token-file"))));
}

TEST_F(SecurityTest, ChecksTheFilesOfTlsAndTokens) {
  WriteFile(folder_ / "other.pem", authority_.Issue("other").key);
  const ProcessResult key =
      Check({"--tls-cert=" + Path("cert.pem"), "--tls-key=" + Path("other.pem")});
  EXPECT_EQ(key.exit_code, 2);
  EXPECT_THAT(key.err, AllOf(HasSubstr("--tls-key"), HasSubstr("other.pem")));
  std::filesystem::permissions(folder_ / "tokens", std::filesystem::perms(0644));
  const ProcessResult tokens = Check({"--token-file=" + Path("tokens")});
  EXPECT_EQ(tokens.exit_code, 2);
  EXPECT_THAT(tokens.err, AllOf(HasSubstr("--token-file"), HasSubstr("chmod 600")));
}

TEST_F(SecurityTest, ServesOverTlsWhoHasAToken) {
  ServerProcess server(folder_, Tls());
  server.WaitUntilReady();
  const ProcessResult list = As(server, "bob", {"checkpoints", "list"});
  EXPECT_EQ(list.exit_code, 0) << list.err;
  EXPECT_THAT(list.out, HasSubstr("a/1"));
  EXPECT_EQ(As(server, "ada", {"checkpoints", "load", "a/1"}).exit_code, 0);
  const ProcessResult viewer = As(server, "bob", {"checkpoints", "load", "a/1"});
  EXPECT_EQ(viewer.exit_code, 6);
  EXPECT_THAT(viewer.err, AllOf(HasSubstr("PERMISSION_DENIED"), HasSubstr("analyst")));
  EXPECT_EQ(As(server, "eve", {"checkpoints", "list"}).exit_code, 6);
  EXPECT_EQ(server.Client({"checkpoints", "list", "--ca", Path("ca.pem")}).exit_code, 6);
  EXPECT_EQ(server.Client({"checkpoints", "list"}).exit_code, 4);  // in the clear
  EXPECT_EQ(As(server, "nobody", {"checkpoints", "list"}).exit_code, 2);
  server.process().Signal(SIGTERM);
  EXPECT_EQ(server.process().Wait(), 0);
  EXPECT_THAT(server.Log(), AllOf(HasSubstr("client=token:ada"), HasSubstr("client=token:bob")));
  EXPECT_THAT(server.Log(),
              AllOf(Not(HasSubstr(kAda)), Not(HasSubstr(kBob)), Not(HasSubstr("eve-token"))));
}

TEST_F(SecurityTest, SendsNoTokenToAnotherMachineInTheClear) {
  const ProcessResult result = RunProcess({Binary("homolog"), "--server", "192.0.2.1:7431",
                                           "--token-file", Path("ada"), "checkpoints", "list"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, AllOf(HasSubstr("192.0.2.1:7431"), HasSubstr("unencrypted")));
}

}  // namespace
}  // namespace homolog::testing
