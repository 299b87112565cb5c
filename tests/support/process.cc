#include "tests/support/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdexcept>

#include "tests/support/temporary_folder.h"

namespace homolog::testing {
namespace {

int ExitCode(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// Starts the program with its output in the given files.
pid_t Start(const std::vector<std::string>& arguments, const std::string& out,
            const std::string& err) {
  std::vector<char*> pointers;
  for (const std::string& argument : arguments)
    pointers.push_back(const_cast<char*>(argument.data()));
  pointers.push_back(nullptr);
  const pid_t pid = fork();
  if (pid < 0) throw std::runtime_error("fork failed");
  if (pid > 0) return pid;
  const int flags = O_WRONLY | O_CREAT | O_APPEND;
  dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
  dup2(open(out.c_str(), flags, 0600), STDOUT_FILENO);
  dup2(open(err.c_str(), flags, 0600), STDERR_FILENO);
  execv(pointers[0], pointers.data());
  _exit(127);
}

}  // namespace

ProcessResult RunProcess(const std::vector<std::string>& arguments) {
  const TemporaryFolder folder;
  const pid_t pid = Start(arguments, folder / "out", folder / "err");
  int status = 0;
  waitpid(pid, &status, 0);
  return {ExitCode(status), ReadFile(folder / "out"), ReadFile(folder / "err")};
}

BackgroundProcess::BackgroundProcess(const std::vector<std::string>& arguments,
                                     const std::filesystem::path& log)
    : pid_(Start(arguments, log, log)) {}

BackgroundProcess::~BackgroundProcess() {
  if (!Running()) return;
  Signal(SIGKILL);
  Wait();
}

void BackgroundProcess::Signal(int signal) const { kill(pid_, signal); }

bool BackgroundProcess::Running() {
  if (pid_ < 0) return false;
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) == 0) return true;
  exit_code_ = ExitCode(status);
  pid_ = -1;
  return false;
}

int BackgroundProcess::Wait() {
  if (pid_ < 0) return exit_code_;
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  return exit_code_ = ExitCode(status);
}

}  // namespace homolog::testing
