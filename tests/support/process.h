// Real programs: run to their end, or kept running beside the test.
#ifndef HOMOLOG_TESTS_SUPPORT_PROCESS_H_
#define HOMOLOG_TESTS_SUPPORT_PROCESS_H_

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

namespace homolog::testing {

struct ProcessResult {
  int exit_code = -1;  // 128 + signal where a signal ended it
  std::string out, err;
};

// Runs `arguments` (the program first) to the end.
ProcessResult RunProcess(const std::vector<std::string>& arguments);

// A program that runs until it is stopped, at the latest by the destructor (SIGKILL).
class BackgroundProcess {
 public:
  // Standard output and error go to `log`.
  BackgroundProcess(const std::vector<std::string>& arguments, const std::filesystem::path& log);
  ~BackgroundProcess();
  BackgroundProcess(const BackgroundProcess&) = delete;
  BackgroundProcess& operator=(const BackgroundProcess&) = delete;

  void Signal(int signal) const;
  bool Running();
  // Waits for the end and returns the exit code, as in ProcessResult.
  int Wait();

 private:
  pid_t pid_ = -1;
  int exit_code_ = -1;
};

}  // namespace homolog::testing

#endif  // HOMOLOG_TESTS_SUPPORT_PROCESS_H_
