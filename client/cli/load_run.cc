#include "client/cli/load_run.h"

#include <sys/resource.h>

#include <latch>
#include <thread>
#include <vector>

namespace homolog::cli {
namespace {

using std::chrono::steady_clock;

// Shells allow 1024 open files, which is less than 1000 connections take.
void AllowManyFiles() {
  struct rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);  // where refused, calls say so
}

// The end of the load, known once its clock has started.
class Clock {
 public:
  void Start(std::chrono::milliseconds duration) {
    start_ = steady_clock::now();
    end_ = start_ + duration;
  }
  bool IsOver() const { return steady_clock::now() >= end_; }
  double Seconds() const {
    return std::chrono::duration<double>(steady_clock::now() - start_).count();
  }

 private:
  steady_clock::time_point start_, end_;
};

}  // namespace

LoadResult RunLoad(const std::function<std::shared_ptr<client::Connection>()>& connect,
                   const LoadTarget& target, const LoadOptions& options,
                   const std::function<bool()>& interrupted) {
  AllowManyFiles();
  LatestOperation latest(options.latest_operation);
  Clock clock;
  const auto is_over = [&] { return clock.IsOver() || interrupted(); };
  std::vector<std::unique_ptr<LoadClient>> clients;
  for (int i = 0; i < options.clients; ++i) {
    clients.push_back(std::make_unique<LoadClient>(connect(), target, latest, is_over,
                                                   options.seed + static_cast<uint64_t>(i)));
  }
  std::latch connected(options.clients), started(1);
  std::vector<std::thread> threads;
  for (const auto& load_client : clients) {
    threads.emplace_back([&, client = load_client.get()] {
      client->Connect();
      connected.count_down();
      started.wait();
      while (!is_over()) client->MakeCall(options.mix);
    });
  }
  connected.wait();
  clock.Start(options.duration);
  started.count_down();
  for (std::thread& thread : threads) thread.join();
  LoadResult result;
  result.seconds = clock.Seconds();
  for (const auto& load_client : clients) {
    for (size_t i = 0; i < kLoadCalls; ++i) result.tally[i].Merge(load_client->tally()[i]);
  }
  return result;
}

}  // namespace homolog::cli
