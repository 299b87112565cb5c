#include "server/training/workers.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/error.h"

namespace homolog::training {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kPatience = std::chrono::seconds(10);
constexpr int kPollMilliseconds = 100;
constexpr size_t kLongestLine = 1 << 16;

// The reading end of a pipe, cut into lines.
class LineReader {
 public:
  LineReader() = default;
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;
  ~LineReader() { Close(); }

  // Opens a pipe; returns its writing end, or -1 with errno set.
  int Open() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return -1;
    fd_ = ends[0];
    ::fcntl(fd_, F_SETFL, O_NONBLOCK);
    return ends[1];
  }
  void Close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  int fd() const { return fd_; }  // -1 once the other end is closed: poll passes over it

  // Reads what is there and calls `line` for each whole line of it.
  template <typename Function>
  void Read(Function&& line) {
    char bytes[4096];
    while (fd_ >= 0) {
      const ssize_t count = ::read(fd_, bytes, sizeof(bytes));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0 && errno == EAGAIN) return;
      if (count <= 0) {
        Close();
        if (!rest_.empty()) line(std::exchange(rest_, {}));
        return;
      }
      Append(std::string_view(bytes, static_cast<size_t>(count)), line);
    }
  }

 private:
  template <typename Function>
  void Append(std::string_view bytes, Function& line) {
    for (const char c : bytes) {
      if (c != '\n') rest_ += c;
      if (c == '\n' || rest_.size() >= kLongestLine) line(std::exchange(rest_, {}));
    }
  }

  int fd_ = -1;
  std::string rest_;
};

std::string DescribeEnd(int status) {
  if (WIFSIGNALED(status)) {
    const int signal = WTERMSIG(status);
    return absl::StrCat("was killed by signal ", signal, " (", ::strsignal(signal), ")",
                        signal == SIGKILL ? "; perhaps memory ran out: lower --jobs" : "");
  }
  return absl::StrCat("failed with exit code ", WEXITSTATUS(status));
}

class Worker {
 public:
  explicit Worker(const WorkerCommand& command) : name_(command.name) {}
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker() {
    if (pid_ < 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }

  absl::Status Start(const std::vector<std::string>& arguments) {
    const int report_end = reports_.Open(), error_end = errors_.Open();
    int error = report_end < 0 || error_end < 0 ? errno : 0;
    if (error == 0) error = Spawn(arguments, report_end, error_end);
    if (report_end >= 0) ::close(report_end);
    if (error_end >= 0) ::close(error_end);
    if (error == 0) return absl::OkStatus();
    return MakeError(
        absl::StatusCode::kInternal, "WORKER_FAILED",
        absl::StrCat(name_, ": starting ", arguments.front(), ": ", std::strerror(error)));
  }

  void Read(const WorkerEvents& events) {
    reports_.Read([&](const std::string& line) {
      if (const std::optional<Report> report = ParseReport(line)) events.report(*report);
    });
    errors_.Read([&](const std::string& line) { events.message(absl::StrCat(name_, ": ", line)); });
  }

  // How it ended, or nothing while it runs.
  std::optional<absl::Status> Ended() {
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) != pid_) return std::nullopt;
    pid_ = -1;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return absl::OkStatus();
    return MakeError(absl::StatusCode::kInternal, "WORKER_FAILED",
                     absl::StrCat(name_, " ", DescribeEnd(status)));
  }

  void Signal(int signal) const { ::kill(pid_, signal); }

  void AddTo(std::vector<pollfd>& waited) const {
    waited.push_back({reports_.fd(), POLLIN, 0});
    waited.push_back({errors_.fd(), POLLIN, 0});
  }

 private:
  // Returns 0 or an errno. posix_spawn, not fork: libtorch's libraries may hold locks.
  int Spawn(const std::vector<std::string>& arguments, int report_end, int error_end) {
    std::vector<char*> argv;
    for (const std::string& argument : arguments)
      argv.push_back(const_cast<char*>(argument.data()));
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    // Standard error first: its pipe's end may itself have the number of the report descriptor.
    posix_spawn_file_actions_adddup2(&actions, error_end, STDERR_FILENO);
    posix_spawn_file_actions_adddup2(&actions, report_end, kReportDescriptor);
    const int error = ::posix_spawn(&pid_, argv.front(), &actions, nullptr, argv.data(), ::environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0) pid_ = -1;
    return error;
  }

  const std::string name_;
  pid_t pid_ = -1;
  LineReader reports_, errors_;
};

class Pool {
 public:
  Pool(const std::vector<WorkerCommand>& commands, int64_t jobs, const WorkerEvents& events)
      : commands_(commands), jobs_(static_cast<size_t>(jobs)), events_(events) {}

  absl::Status Run() {
    while (true) {
      if (!stopping_ && events_.stopped()) Stop();
      while (!stopping_ && running_.size() < jobs_ && next_ < commands_.size()) StartNext();
      if (running_.empty()) break;
      Wait();
      Collect();
      if (stopping_ && Clock::now() > kill_at_) SignalAll(SIGKILL);
    }
    return stopping_ ? absl::CancelledError("stopped; finished checkpoints are kept") : result_;
  }

 private:
  void StartNext() {
    const WorkerCommand& command = commands_[next_++];
    auto worker = std::make_unique<Worker>(command);
    const absl::Status started = worker->Start(command.arguments);
    result_.Update(started);
    if (started.ok()) running_.push_back(std::move(worker));
  }

  void Stop() {
    stopping_ = true;
    kill_at_ = Clock::now() + kPatience;
    SignalAll(SIGTERM);
  }

  void SignalAll(int signal) {
    for (const auto& worker : running_) worker->Signal(signal);
  }

  // Until a worker writes or ends. The end itself wakes nobody, but closes its pipes; where another
  // process holds them open, the time limit notices.
  void Wait() const {
    std::vector<pollfd> waited;
    for (const auto& worker : running_) worker->AddTo(waited);
    ::poll(waited.data(), waited.size(), kPollMilliseconds);
  }

  void Collect() {
    for (auto it = running_.begin(); it != running_.end();) {
      const std::optional<absl::Status> ended = (*it)->Ended();
      (*it)->Read(events_);  // after Ended, so that its last words are not lost
      if (ended) result_.Update(*ended);
      it = ended ? running_.erase(it) : it + 1;
    }
  }

  const std::vector<WorkerCommand>& commands_;
  const size_t jobs_;
  const WorkerEvents& events_;
  size_t next_ = 0;
  std::vector<std::unique_ptr<Worker>> running_;
  absl::Status result_;
  bool stopping_ = false;
  Clock::time_point kill_at_;
};

}  // namespace

absl::Status RunWorkers(const std::vector<WorkerCommand>& commands, int64_t jobs,
                        const WorkerEvents& events) {
  return Pool(commands, jobs, events).Run();
}

}  // namespace homolog::training
