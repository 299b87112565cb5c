// The real binaries, as a user starts them.
#ifndef HOMOLOG_TESTS_SYSTEM_BINARIES_H_
#define HOMOLOG_TESTS_SYSTEM_BINARIES_H_

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/process.h"
#include "tests/support/temporary_folder.h"

namespace homolog::testing {

// The path of "homologd", "homolog" or "homolog-train".
std::string Binary(const std::string& name);

// homologd on free ports over `folder`/models and `folder`/data. Where `flags` give one of
// its own flags, theirs counts.
class ServerProcess {
 public:
  explicit ServerProcess(const TemporaryFolder& folder, const std::vector<std::string>& flags = {});

  // Waits until it serves; fails the test where it does not.
  void WaitUntilReady();
  // Runs `homolog` with these arguments against it.
  ProcessResult Client(std::vector<std::string> arguments) const;
  // The same with -o json; fails the test unless it exits with 0.
  nlohmann::json ClientJson(std::vector<std::string> arguments) const;
  BackgroundProcess& process() { return *process_; }
  std::string Log() const;
  int port() const { return port_; }
  int admin_port() const { return admin_port_; }

 private:
  const std::filesystem::path log_;
  std::unique_ptr<BackgroundProcess> process_;
  int port_ = 0, admin_port_ = 0;
};

}  // namespace homolog::testing

#endif  // HOMOLOG_TESTS_SYSTEM_BINARIES_H_
