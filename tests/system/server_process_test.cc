// homologd as a process: its flags, its ports, its end.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/tiny_model.h"
#include "tests/system/binaries.h"

namespace homolog::testing {
namespace {

using std::chrono::milliseconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// A named pipe to and from a program under test, which waits where it is full or empty.
class Pipe {
 public:
  explicit Pipe(const std::filesystem::path& path) {
    EXPECT_EQ(mkfifo(path.c_str(), 0600), 0) << path;
    fd_ = open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
    EXPECT_GE(fd_, 0) << path;
  }
  ~Pipe() { Close(); }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  // Writes as many of `bytes` bytes as fit; how many did.
  size_t Write(size_t bytes) {
    const std::string text(bytes, 'a');
    return static_cast<size_t>(std::max<ssize_t>(0, write(fd_, text.data(), text.size())));
  }
  void Fill() {
    while (Write(4096) > 0) {
    }
  }
  // What is in it.
  std::string Read() {
    std::string text, piece(4096, '\0');
    for (ssize_t bytes; (bytes = read(fd_, piece.data(), piece.size())) > 0;) {
      text.append(piece, 0, static_cast<size_t>(bytes));
    }
    return text;
  }
  // The program that reads comes to the end.
  void Close() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

 private:
  int fd_ = -1;
};

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

TEST_F(ServerProcessTest, EndsWithZeroOnSigtermWhileItStarts) {
  Pipe log(folder_ / "log");
  log.Fill();  // the server waits where it logs for the first time: that it has preloaded
  BackgroundProcess server(
      {Binary("homologd"), "--repository", folder_ / "models", "--data", folder_ / "data",
       "--listen=127.0.0.1:0", "--admin=", "--device=cpu", "--threads=1", "--preload=a/1"},
      folder_ / "log");
  while (server.Running() && !std::filesystem::exists(folder_ / "data")) {
    std::this_thread::sleep_for(milliseconds(1));
  }
  server.Signal(SIGTERM);
  std::this_thread::sleep_for(std::chrono::seconds(1));  // it has heard that
  std::string text;
  while (server.Running()) {
    text += log.Read();
    std::this_thread::sleep_for(milliseconds(1));
  }
  text += log.Read();
  EXPECT_EQ(server.Wait(), 0) << text;
  EXPECT_THAT(text, AllOf(HasSubstr("stopped during start-up"), Not(HasSubstr("serves on port"))));
}

TEST_F(ServerProcessTest, EndsWithZeroAlthoughACallDoesNotEnd) {
  ServerProcess server(folder_, {"--drain-timeout=16"});
  server.WaitUntilReady();
  Pipe text(folder_ / "text");
  BackgroundProcess client(
      {Binary("homolog"), "--server", "localhost:" + std::to_string(server.port()), "datasets",
       "create", "t", "--text", folder_ / "text", "--checkpoint", "a/1"},
      folder_ / "client-log");
  // More than the client holds: some of it is on its way, and the rest never comes.
  for (size_t left = size_t{4} << 20; left > 0;) {
    const size_t bytes = text.Write(std::min<size_t>(left, 4096));
    left -= bytes;
    ASSERT_TRUE(client.Running()) << ReadFile(folder_ / "client-log");
    if (bytes == 0) std::this_thread::sleep_for(milliseconds(1));
  }
  server.process().Signal(SIGTERM);
  EXPECT_EQ(server.process().Wait(), 0) << server.Log();
  text.Close();
  EXPECT_NE(client.Wait(), 0);
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

TEST_F(ServerProcessTest, ChecksWhatItIsToldToLoad) {
  const std::vector<std::string> flags = {"--repository", folder_ / "models", "--data",
                                          folder_ / "data"};
  const auto check = [&](const std::string& preload) {
    std::vector<std::string> more = flags;
    more.push_back("--preload=" + preload);
    return Check(more);
  };
  EXPECT_EQ(check("a/1,models/a/checkpoints/1").exit_code, 0);
  const ProcessResult missing = check("a/1,a/2");
  EXPECT_EQ(missing.exit_code, 1);
  EXPECT_THAT(missing.err, AllOf(HasSubstr("--preload a/2"), HasSubstr("a/2/config.json")));
  const ProcessResult no_name = check("a/1,nonsense");
  EXPECT_EQ(no_name.exit_code, 2);
  EXPECT_THAT(no_name.err, HasSubstr("--preload nonsense"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "data"));
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
