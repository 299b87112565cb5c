// homologd as a process: its flags, its ports, its end.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/support/tiny_model.h"
#include "tests/system/binaries.h"

namespace homolog::testing {
namespace {

using ::testing::HasSubstr;

class ServerProcessTest : public ::testing::Test {
 protected:
  ServerProcessTest() { WriteTinyModel(folder_ / "models/a/1", {.seed = 1}); }
  ProcessResult Check(std::vector<std::string> flags) {
    flags.insert(flags.begin(), Binary("homologd"));
    flags.push_back("--check");
    return RunProcess(flags);
  }
  TemporaryFolder folder_;
};

TEST_F(ServerProcessTest, ValidatesItsConfigurationAndExits) {
  const std::string repository = folder_ / "models", data = folder_ / "data";
  EXPECT_EQ(Check({"--repository", repository, "--data", data}).exit_code, 0);
  EXPECT_FALSE(std::filesystem::exists(data));

  const ProcessResult no_data = Check({"--repository", repository});
  EXPECT_EQ(no_data.exit_code, 2);
  EXPECT_THAT(no_data.err, HasSubstr("--data"));
  const ProcessResult device =
      Check({"--repository", repository, "--data", data, "--device", "tpu"});
  EXPECT_EQ(device.exit_code, 2);
  EXPECT_THAT(device.err, HasSubstr("tpu"));
  const ProcessResult address =
      Check({"--repository", repository, "--data", data, "--listen", "7431"});
  EXPECT_EQ(address.exit_code, 2);
  EXPECT_THAT(address.err, HasSubstr("HOST:PORT"));
  const ProcessResult missing = Check({"--repository", folder_ / "none", "--data", data});
  EXPECT_NE(missing.exit_code, 0);
  EXPECT_THAT(missing.err, HasSubstr("none"));
  EXPECT_NE(Check({"--repository", repository, "--data", data, "--nonsense"}).exit_code, 0);
}

TEST_F(ServerProcessTest, ReadsItsFlagsFromAFile) {
  WriteFile(folder_ / "flags", "--repository=" + (folder_ / "models").string() +
                                   "\n--data=" + (folder_ / "data").string() + "\n");
  EXPECT_EQ(Check({"--flagfile=" + (folder_ / "flags").string()}).exit_code, 0);
}

TEST_F(ServerProcessTest, EndsWithZeroOnSigterm) {
  ServerProcess server(folder_);
  server.WaitUntilReady();
  server.process().Signal(SIGTERM);
  EXPECT_EQ(server.process().Wait(), 0);
  EXPECT_THAT(server.Log(), HasSubstr("homologd has stopped"));
}

TEST_F(ServerProcessTest, RefusesADataFolderThatAnotherServerHasOpen) {
  ServerProcess first(folder_);
  first.WaitUntilReady();
  ServerProcess second(folder_);
  EXPECT_EQ(second.process().Wait(), 1);
  EXPECT_THAT(second.Log(), HasSubstr((folder_ / "data").string()));
}

TEST_F(ServerProcessTest, NamesItsMetricsByTheConventions) {
  ServerProcess server(folder_);
  server.WaitUntilReady();
  server.ClientJson({"checkpoints", "list"});
  const std::string page = "http://127.0.0.1:" + std::to_string(server.admin_port()) + "/metrics";
  const std::string fetch = "import urllib.request; print(urllib.request.urlopen('" + page +
                            "').read().decode(), end='')";
  const ProcessResult checked =
      RunProcess({"/bin/sh", "-c", "python3 -c \"$1\" | promtool check metrics", "sh", fetch});
  EXPECT_EQ(checked.exit_code, 0) << checked.out << checked.err;
  EXPECT_EQ(checked.out + checked.err, "");
}

TEST_F(ServerProcessTest, LoadsWhatItIsToldToBeforeItServes) {
  ServerProcess server(folder_, {"--preload=a/1"});
  server.WaitUntilReady();
  EXPECT_THAT(server.ClientJson({"checkpoints", "list"}).dump(),
              HasSubstr("CHECKPOINT_STATE_LOADED"));
  const ProcessResult missing =
      RunProcess({Binary("homologd"), "--repository", folder_ / "models", "--data",
                  folder_ / "other", "--listen=127.0.0.1:0", "--admin=", "--preload=none/1"});
  EXPECT_EQ(missing.exit_code, 1);
  EXPECT_THAT(missing.err, HasSubstr("--preload none/1"));
}

TEST_F(ServerProcessTest, RefusesPortsThatAreTaken) {
  ServerProcess first(folder_);
  first.WaitUntilReady();
  const std::string taken = "127.0.0.1:" + std::to_string(first.admin_port());
  for (const char* flag : {"--listen=", "--admin="}) {
    const ProcessResult second = RunProcess({Binary("homologd"), "--repository", folder_ / "models",
                                             "--data", folder_ / "other", "--listen=127.0.0.1:0",
                                             "--admin=127.0.0.1:0", flag + taken});
    EXPECT_EQ(second.exit_code, 1);
    EXPECT_THAT(second.err, HasSubstr(taken));
  }
}

}  // namespace
}  // namespace homolog::testing
