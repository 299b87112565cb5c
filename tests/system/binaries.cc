#include "tests/system/binaries.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <regex>
#include <thread>

namespace homolog::testing {

std::string Binary(const std::string& name) {
  const char* folder = std::getenv("HOMOLOG_BINARIES");
  return std::string(folder == nullptr ? "build/release/bin" : folder) + "/" + name;
}

namespace {

std::vector<std::string> ServerCommand(const TemporaryFolder& folder,
                                       const std::vector<std::string>& flags) {
  std::vector<std::string> command = {
      Binary("homologd"), "--repository",         folder / "models",     "--data",
      folder / "data",    "--listen=127.0.0.1:0", "--admin=127.0.0.1:0", "--device=cpu",
      "--threads=1",      "--drain-timeout=30",   "--memory-budget=1GiB"};
  // Of a flag that is given twice the last counts. A drain takes seconds under sanitizers.
  command.insert(command.end(), flags.begin(), flags.end());
  return command;
}

}  // namespace

ServerProcess::ServerProcess(const TemporaryFolder& folder, const std::vector<std::string>& flags)
    : log_(folder /
           ("log-" + std::to_string(std::chrono::steady_clock::now().time_since_epoch().count()))),
      process_(std::make_unique<BackgroundProcess>(ServerCommand(folder, flags), log_)) {}

std::string ServerProcess::Log() const { return ReadFile(log_); }

void ServerProcess::WaitUntilReady() {
  // It says the ports that it found once it serves.
  const std::regex ports("serves on port ([0-9]+), admin port ([0-9]+)");
  std::string log;
  std::smatch match;  // points into the log
  for (;;) {
    log = Log();
    if (std::regex_search(log, match, ports)) break;
    ASSERT_TRUE(process_->Running()) << log;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  port_ = std::stoi(match[1]);
  admin_port_ = std::stoi(match[2]);
}

ProcessResult ServerProcess::Client(std::vector<std::string> arguments) const {
  arguments.insert(arguments.begin(),
                   {Binary("homolog"), "--server", "localhost:" + std::to_string(port_)});
  return RunProcess(arguments);
}

nlohmann::json ServerProcess::ClientJson(std::vector<std::string> arguments) const {
  arguments.insert(arguments.end(), {"-o", "json"});
  const ProcessResult result = Client(arguments);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  return nlohmann::json::parse(result.out, nullptr, /*allow_exceptions=*/false);
}

}  // namespace homolog::testing
