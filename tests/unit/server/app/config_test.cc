#include "server/app/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/reflection.h"
#include "common/error.h"
#include "tests/support/temporary_folder.h"

namespace homolog::app {
namespace {

using ::homolog::testing::TemporaryFolder;
using ::homolog::testing::WriteFile;
using ::testing::AllOf;
using ::testing::ExitedWithCode;
using ::testing::HasSubstr;

absl::StatusOr<Config> Read(std::vector<std::string> arguments) {
  const absl::FlagSaver saver;  // every test starts from the defaults
  arguments.insert(arguments.begin(), "homologd");
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  return ReadConfig(static_cast<int>(argv.size()), argv.data());
}

// With the required flags.
absl::StatusOr<Config> ReadWith(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"--repository=models", "--data=store"});
  return Read(std::move(arguments));
}

void ExpectRefused(const absl::Status& status, const std::string& flag, const std::string& value) {
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_EQ(ErrorReason(status), "INVALID_FLAG");
  EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr(flag), HasSubstr(value)));
}

TEST(ConfigTest, HasDefaultsForAllButRepositoryAndData) {
  const auto config = ReadWith({});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->repository, "models");
  EXPECT_EQ(config->data, "store");
  EXPECT_EQ(config->listen, "127.0.0.1:7431");
  EXPECT_EQ(config->admin, "127.0.0.1:7432");
  EXPECT_EQ(config->device, "auto");
  EXPECT_EQ(config->threads, 0);
  EXPECT_EQ(config->memory_budget_bytes, 0);
  EXPECT_EQ(config->limits.queue, 256);
  EXPECT_EQ(config->drain_seconds, 60);
  EXPECT_EQ(config->store_budget_bytes, 0);
  EXPECT_EQ(config->snapshot_interval, std::chrono::minutes(10));
  EXPECT_EQ(config->operation_ttl, std::chrono::hours(7 * 24));
  EXPECT_TRUE(config->preload.empty());
  EXPECT_FALSE(config->check);
}

TEST(ConfigTest, NamesARequiredFlagThatIsMissing) {
  ExpectRefused(Read({"--data=store"}).status(), "--repository", "");
  ExpectRefused(Read({"--repository=models"}).status(), "--data", "");
}

TEST(ConfigTest, TakesTimesWithTheirUnits) {
  const auto config = ReadWith({"--snapshot-interval=90s", "--operation-ttl=2h",
                                "--store-budget=3GiB", "--preload=a/1,b/main"});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->snapshot_interval, std::chrono::seconds(90));
  EXPECT_EQ(config->operation_ttl, std::chrono::hours(2));
  EXPECT_EQ(config->store_budget_bytes, int64_t{3} << 30);
  EXPECT_EQ(config->preload, (std::vector<std::string>{"a/1", "b/main"}));
  ExpectRefused(ReadWith({"--operation-ttl=1h", "--store-budget=much", "--preload="}).status(),
                "--store-budget", "much");
}

TEST(ConfigTest, TakesTimesUpToTheEndsOfTheirRanges) {
  const auto shortest = ReadWith({"--snapshot-interval=1s", "--operation-ttl=1000ms"});
  ASSERT_TRUE(shortest.ok()) << shortest.status();
  EXPECT_EQ(shortest->snapshot_interval, std::chrono::seconds(1));
  EXPECT_EQ(shortest->operation_ttl, std::chrono::seconds(1));
  const auto longest = ReadWith({"--snapshot-interval=24h", "--operation-ttl=8760h"});
  ASSERT_TRUE(longest.ok()) << longest.status();
  EXPECT_EQ(longest->snapshot_interval, std::chrono::hours(24));
  EXPECT_EQ(longest->operation_ttl, std::chrono::hours(8760));
  // A fraction of an hour has whole seconds.
  EXPECT_EQ(ReadWith({"--snapshot-interval=1.5h"})->snapshot_interval, std::chrono::minutes(90));
}

TEST(ConfigTest, RefusesTimesOutOfRangeWithTheRange) {
  for (const std::string value : {"0", "-1s", "24h1s", "inf", "-inf"}) {
    const absl::Status status = ReadWith({"--snapshot-interval=" + value}).status();
    ExpectRefused(status, "--snapshot-interval", "\"" + value + "\"");
    ExpectRefused(status, "must be 1s to 24h", "whole seconds");
  }
  for (const std::string value : {"0", "-1h", "9999h", "inf"}) {
    const absl::Status status = ReadWith({"--operation-ttl=" + value}).status();
    ExpectRefused(status, "--operation-ttl", "\"" + value + "\"");
    ExpectRefused(status, "must be 1s to 8760h", "whole seconds");
  }
}

TEST(ConfigTest, RefusesTimesThatAreNoWholeSeconds) {
  const std::pair<std::string, std::string> given_and_shown[] = {
      {"0.5s", "500ms"},      {"10ms", "10ms"},         {"1.5s", "1.5s"},
      {"1m0.25s", "1m0.25s"}, {"59m59.9s", "59m59.9s"}, {"1s1ns", "1.000000001s"}};
  for (const auto& [given, shown] : given_and_shown) {
    for (const std::string flag : {"--snapshot-interval", "--operation-ttl"}) {
      const absl::Status status = ReadWith({flag + "=" + given}).status();
      ExpectRefused(status, flag, "\"" + shown + "\"");
      ExpectRefused(status, flag, "whole seconds");
    }
  }
}

TEST(ConfigTest, TakesDashesAndUnderscoresBetweenWordsAndLeavesValuesAlone) {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"--queue-limit=7", "--memory-budget=1-GiB-no"},
        std::vector<std::string>{"--queue_limit=7", "--memory_budget=1-GiB-no"}}) {
    ExpectRefused(ReadWith(arguments).status(), "--memory-budget", "1-GiB-no");
  }
  const auto config = ReadWith({"--queue-limit", "7", "--memory-budget=12GiB", "--drain-timeout=1",
                                "--data=my-store", "--check", "--admin="});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->limits.queue, 7);
  EXPECT_EQ(config->memory_budget_bytes, int64_t{12} << 30);
  EXPECT_EQ(config->drain_seconds, 1);
  EXPECT_EQ(config->data, "my-store");
  EXPECT_EQ(config->admin, "");
  EXPECT_TRUE(config->check);
}

TEST(ConfigTest, ReadsFlagfilesWithDashesToo) {
  TemporaryFolder folder;
  const std::string outer = (folder / "outer.flags").string();
  const std::string inner = (folder / "inner.flags").string();
  WriteFile(inner, "--drain-timeout=3\n");
  WriteFile(outer, "# the node's settings\n\n  --queue-limit=7\r\n--flagfile=" + inner +
                       "\n--memory_budget=1GB\n");
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"--flagfile=" + outer},
        std::vector<std::string>{"--flagfile", outer}}) {
    const auto config = ReadWith(arguments);
    ASSERT_TRUE(config.ok()) << config.status();
    EXPECT_EQ(config->limits.queue, 7);
    EXPECT_EQ(config->drain_seconds, 3);
    EXPECT_EQ(config->memory_budget_bytes, 1'000'000'000);
  }
  // What stands later wins.
  EXPECT_EQ(ReadWith({"--flagfile=" + outer, "--queue-limit=8"})->limits.queue, 8);
  EXPECT_EQ(ReadWith({"--queue-limit=8", "--flagfile=" + outer})->limits.queue, 7);
}

TEST(ConfigTest, SaysWhatIsWrongWithAFlagfile) {
  TemporaryFolder folder;
  const std::string path = (folder / "f").string();
  ExpectRefused(ReadWith({"--flagfile=" + path}).status(), "--flagfile", path);
  WriteFile(path, "queue-limit=7\n");
  ExpectRefused(ReadWith({"--flagfile=" + path}).status(), "--flagfile", "queue-limit=7");
  WriteFile(path, "--flagfile=" + path + "\n");  // itself
  ExpectRefused(ReadWith({"--flagfile=" + path}).status(), "--flagfile", "deep");
}

TEST(ConfigTest, RefusesNumbersOutOfRange) {
  ExpectRefused(ReadWith({"--threads=-1"}).status(), "--threads", "-1");
  ExpectRefused(ReadWith({"--threads=1025"}).status(), "--threads", "0 to 1024");
  ExpectRefused(ReadWith({"--queue-limit=0"}).status(), "--queue-limit", "1 to 100000");
  ExpectRefused(ReadWith({"--drain-timeout=3601"}).status(), "--drain-timeout", "3601");
}

TEST(ConfigTest, ListensOnLoopbackAsItIs) {
  for (const std::string listen : {"127.0.0.1:1", "127.0.0.2:1", "localhost:1", "[::1]:1"}) {
    EXPECT_TRUE(ReadWith({"--listen=" + listen}).ok()) << listen;
  }
}

TEST(ConfigTest, ListensOnMoreOnlyWithADoorOrWhenToldToGoWithout) {
  const std::string tls_cert = "--tls-cert=c", tls_key = "--tls-key=k", tokens = "--token-file=t",
                    client_ca = "--tls-client-ca=a";
  for (const std::string listen : {"--listen=0.0.0.0:1", "--listen=[::]:1", "--listen=10.0.0.1:1",
                                   "--listen=gpu-3.example.org:1"}) {
    ExpectRefused(ReadWith({listen}).status(), "--listen", "--insecure");
    ExpectRefused(ReadWith({listen}).status(), "--tls-cert", "--token-file");
    ExpectRefused(ReadWith({listen, tokens}).status(), "--listen", "--tls-cert");
    ExpectRefused(ReadWith({listen, tls_cert, tls_key}).status(), "--listen", "--token-file");
    EXPECT_TRUE(ReadWith({listen, tls_cert, tls_key, tokens}).ok());
    EXPECT_TRUE(ReadWith({listen, tls_cert, tls_key, client_ca}).ok());
    EXPECT_TRUE(ReadWith({listen, "--insecure"}).ok());
  }
}

TEST(ConfigTest, RefusesHalfOfTls) {
  ExpectRefused(ReadWith({"--tls-cert=c"}).status(), "--tls-key", "--tls-cert");
  ExpectRefused(ReadWith({"--tls-key=k"}).status(), "--tls-cert", "--tls-key");
  ExpectRefused(ReadWith({"--tls-client-ca=a"}).status(), "--tls-client-ca", "--tls-key");
}

TEST(ConfigTest, RefusesArgumentsThatAreNoFlags) {
  ExpectRefused(ReadWith({"serve"}).status(), "\"serve\"", "flags only");
  ExpectRefused(ReadWith({"--", "--threads=1"}).status(), "\"--threads=1\"", "flags only");
}

TEST(ConfigDeathTest, EndsAtAFlagThatDoesNotExist) {
  EXPECT_EXIT(ReadWith({"--no-such-flag=1"}).IgnoreError(), ExitedWithCode(1), "no_such_flag");
  EXPECT_EXIT(ReadWith({"--threads=many"}).IgnoreError(), ExitedWithCode(1), "threads");
}

TEST(CheckAddressTest, TakesHostAndPort) {
  for (const std::string address : {"127.0.0.1:7431", "0.0.0.0:0", "localhost:65535", "[::1]:7431",
                                    "[::]:0", "gpu-3.example.org:80"}) {
    EXPECT_TRUE(CheckAddress("listen", address).ok()) << address;
  }
}

TEST(CheckAddressTest, RefusesWhatIsNone) {
  for (const std::string address : {"",
                                    ":",
                                    ":7431",
                                    "127.0.0.1",
                                    "127.0.0.1:",
                                    "127.0.0.1:65536",
                                    "127.0.0.1:-1",
                                    "127.0.0.1:+1",
                                    "127.0.0.1: 80",
                                    "127.0.0.1:80 ",
                                    "127.0.0.1:http",
                                    "127.0.0.1:99999999999",
                                    "::1:7431",
                                    "[::1:7431",
                                    "::1]:7431",
                                    "[::1]",
                                    "[]:80",
                                    "[localhost]:80",
                                    "[[::1]]:80",
                                    "unix:/tmp/socket",
                                    "a b:80",
                                    "http://localhost:80",
                                    "[::1]x:80"}) {
    ExpectRefused(CheckAddress("listen", address), "--listen", address);
  }
}

TEST(ParseBytesTest, ReadsUnitsOfTwoAndOfTen) {
  EXPECT_EQ(*ParseBytes("f", "1073741824"), 1073741824);
  EXPECT_EQ(*ParseBytes("f", "1B"), 1);
  EXPECT_EQ(*ParseBytes("f", "2kB"), 2000);
  EXPECT_EQ(*ParseBytes("f", "2KiB"), 2048);
  EXPECT_EQ(*ParseBytes("f", "1.5MiB"), 1572864);
  EXPECT_EQ(*ParseBytes("f", "500MB"), 500'000'000);
  EXPECT_EQ(*ParseBytes("f", "12GiB"), int64_t{12} << 30);
  EXPECT_EQ(*ParseBytes("f", "12 GB"), 12'000'000'000);
  EXPECT_EQ(*ParseBytes("f", "2TiB"), int64_t{2} << 40);
}

TEST(ParseBytesTest, RefusesWhatIsNoAmountOfMemory) {
  for (const std::string text :
       {"", " ", "0", "0GiB", "-1", "-1GiB", "0.5", "GiB", "12gib", "12G", "12GiBs", "nan", "inf",
        "1e300", "9223372036854775807", "99999999TiB", "1,5GiB", "12 Gi B"}) {
    ExpectRefused(ParseBytes("memory-budget", text).status(), "--memory-budget", text);
  }
}

}  // namespace
}  // namespace homolog::app
