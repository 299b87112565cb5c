#include "server/app/exposure.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "common/error.h"

namespace homolog::app {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

constexpr char kHere[] = "127.0.0.1:7431", kEverywhere[] = "0.0.0.0:7431";
constexpr char kNoTls[] = "encryption (--tls-cert and --tls-key)";
constexpr char kNoClients[] = "a way to know its clients (--token-file or --tls-client-ca)";

// Every combination of the flags.
std::vector<Config> All() {
  std::vector<Config> all;
  for (int bits = 0; bits < 1 << 6; ++bits) {
    Config config;
    config.listen = (bits & 1) != 0 ? kEverywhere : kHere;
    if ((bits & 2) != 0) config.tls_cert = "cert.pem";
    if ((bits & 4) != 0) config.tls_key = "key.pem";
    if ((bits & 8) != 0) config.tls_client_ca = "ca.pem";
    if ((bits & 16) != 0) config.token_file = "tokens";
    config.insecure = (bits & 32) != 0;
    all.push_back(config);
  }
  return all;
}

std::string Text(const Config& config) {
  return "listen " + config.listen + " cert " + config.tls_cert + " key " + config.tls_key +
         " ca " + config.tls_client_ca + " tokens " + config.token_file +
         (config.insecure ? " insecure" : "");
}

bool HasTls(const Config& config) { return config.tls_cert == "cert.pem"; }
bool HasTokens(const Config& config) { return config.token_file == "tokens"; }
bool HasClientCa(const Config& config) { return config.tls_client_ca == "ca.pem"; }
bool TlsFits(const Config& config) {
  return HasTls(config) == (config.tls_key == "key.pem") &&
         (HasTls(config) || !HasClientCa(config));
}
bool HasDoor(const Config& config) {
  return HasTls(config) && (HasTokens(config) || HasClientCa(config));
}

TEST(ExposureTest, RefusesTlsWhoseFlagsDoNotFitWhereverItListens) {
  for (const Config& config : All()) {
    if (TlsFits(config)) continue;
    const absl::Status status = CheckExposure(config);
    EXPECT_EQ(ErrorReason(status), "INVALID_FLAG") << Text(config);
    EXPECT_THAT(std::string(status.message()), StartsWith("--tls-")) << Text(config);
  }
}

TEST(ExposureTest, NamesTheFileOfTlsThatIsMissing) {
  Config config;
  config.listen = kHere;
  config.tls_cert = "cert.pem";
  EXPECT_THAT(std::string(CheckExposure(config).message()),
              AllOf(StartsWith("--tls-key is "), HasSubstr("belongs to --tls-cert")));
  config.tls_cert = "";
  config.tls_key = "key.pem";
  EXPECT_THAT(std::string(CheckExposure(config).message()),
              AllOf(StartsWith("--tls-cert is "), HasSubstr("belongs to --tls-key")));
  config.tls_key = "";
  config.tls_client_ca = "ca.pem";
  EXPECT_THAT(std::string(CheckExposure(config).message()),
              AllOf(StartsWith("--tls-client-ca is \"ca.pem\""), HasSubstr("--tls-cert")));
}

TEST(ExposureTest, TakesLoopbackADoorOrInsecure) {
  for (const Config& config : All()) {
    if (!TlsFits(config)) continue;
    const bool fine = config.listen == kHere || HasDoor(config) || config.insecure;
    EXPECT_EQ(CheckExposure(config).ok(), fine) << Text(config);
  }
}

TEST(ExposureTest, SaysWhatAServerLacksThatItRefuses) {
  for (const Config& config : All()) {
    if (!TlsFits(config) || CheckExposure(config).ok()) continue;
    const absl::Status status = CheckExposure(config);
    const std::string message(status.message());
    EXPECT_EQ(ErrorReason(status), "INVALID_FLAG") << Text(config);
    EXPECT_THAT(message, AllOf(StartsWith("--listen is \"0.0.0.0:7431\""), HasSubstr("--insecure")))
        << Text(config);
    EXPECT_EQ(message.find(kNoTls) != message.npos, !HasTls(config)) << Text(config);
    EXPECT_EQ(message.find(kNoClients) != message.npos, !HasTokens(config) && !HasClientCa(config))
        << Text(config);
  }
}

TEST(ExposureTest, WarnsOfWhatIsMissingAndOfNothingElse) {
  for (const Config& config : All()) {
    if (!CheckExposure(config).ok()) continue;
    const std::string warning = ExposureWarning(config);
    if (config.listen == kHere || HasDoor(config)) {
      EXPECT_THAT(warning, IsEmpty()) << Text(config);
      continue;
    }
    EXPECT_THAT(warning, StartsWith("--insecure: 0.0.0.0:7431 lacks ")) << Text(config);
    EXPECT_EQ(warning.find(kNoTls) != warning.npos, !HasTls(config)) << Text(config);
    EXPECT_EQ(warning.find(kNoClients) != warning.npos, !HasTokens(config) && !HasClientCa(config))
        << Text(config);
  }
}

TEST(ExposureTest, WarnsOfWhatOthersMayDo) {
  Config config;
  config.listen = kEverywhere;
  config.insecure = true;
  EXPECT_THAT(ExposureWarning(config), AllOf(HasSubstr(kNoTls), HasSubstr(kNoClients),
                                             HasSubstr("whoever reaches it may do anything")));
  config.token_file = "tokens";
  EXPECT_THAT(ExposureWarning(config),
              AllOf(HasSubstr("whoever sees the traffic"), Not(HasSubstr("may do anything"))));
  config.token_file = "";
  config.tls_cert = "cert.pem";
  config.tls_key = "key.pem";
  EXPECT_THAT(ExposureWarning(config), AllOf(HasSubstr("whoever reaches it may do anything"),
                                             Not(HasSubstr("sees the traffic"))));
}

}  // namespace
}  // namespace homolog::app
