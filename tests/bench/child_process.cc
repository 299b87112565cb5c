#include "tests/bench/child_process.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <exception>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace homolog::bench {
namespace {

// {"value": ...} or {"error": message}, as CBOR.
std::vector<uint8_t> Outcome(const std::function<absl::StatusOr<nlohmann::json>()>& work) {
  nlohmann::json outcome;
  try {
    absl::StatusOr<nlohmann::json> value = work();
    if (value.ok()) {
      outcome["value"] = *std::move(value);
    } else {
      outcome["error"] = std::string(value.status().message());
    }
  } catch (const std::exception& error) {
    outcome["error"] = error.what();
  }
  return nlohmann::json::to_cbor(outcome);
}

[[noreturn]] void RunChild(int out, const std::function<absl::StatusOr<nlohmann::json>()>& work) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // an interrupted benchmark leaves nothing running
  const std::vector<uint8_t> bytes = Outcome(work);
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t written = write(out, bytes.data() + done, bytes.size() - done);
    if (written < 0 && errno != EINTR) _exit(1);
    if (written > 0) done += static_cast<size_t>(written);
  }
  _exit(0);  // nothing of the parent's is to be flushed or destroyed here
}

std::vector<uint8_t> ReadAll(int in) {
  std::vector<uint8_t> bytes;
  std::vector<uint8_t> piece(1 << 16);
  while (true) {
    const ssize_t got = read(in, piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return bytes;
    bytes.insert(bytes.end(), piece.begin(), piece.begin() + got);
  }
}

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

absl::StatusOr<ChildResult> Collect(const std::vector<uint8_t>& bytes, pid_t child) {
  int status = 0;
  rusage usage{};
  while (wait4(child, &status, 0, &usage) < 0) {
    if (errno != EINTR) return absl::InternalError(absl::StrCat("wait4: ", strerror(errno)));
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    const std::string how = WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "an error";
    return absl::InternalError(absl::StrCat("a measured process ended by ", how));
  }
  nlohmann::json outcome = nlohmann::json::from_cbor(bytes);
  if (outcome.contains("error")) {
    return absl::InternalError(outcome["error"].get<std::string>());
  }
  return ChildResult{std::move(outcome["value"]), int64_t{usage.ru_maxrss} * 1024,
                     Seconds(usage.ru_utime) + Seconds(usage.ru_stime)};
}

}  // namespace

absl::StatusOr<ChildResult> RunInChild(
    const std::function<absl::StatusOr<nlohmann::json>()>& work) {
  int ends[2];
  if (pipe(ends) != 0) return absl::InternalError(absl::StrCat("pipe: ", strerror(errno)));
  const pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    RunChild(ends[1], work);
  }
  close(ends[1]);
  if (child < 0) {
    close(ends[0]);
    return absl::InternalError(absl::StrCat("fork: ", strerror(errno)));
  }
  const std::vector<uint8_t> bytes = ReadAll(ends[0]);
  close(ends[0]);
  return Collect(bytes, child);
}

}  // namespace homolog::bench
