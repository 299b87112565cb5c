// homologd: see README.md.
#include <glog/logging.h>
#include <signal.h>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <memory>

#include "common/error.h"
#include "server/app/config.h"
#include "server/app/drain.h"
#include "server/app/server.h"
#include "server/app/version.h"
#include "server/engine/device.h"

namespace {

// 3: app::kDrainTimedOut.
constexpr int kFailure = 1, kBadUsage = 2, kDeviceLost = 4;

int Fail(const absl::Status& status) {
  std::cerr << "homologd: " << absl::StatusCodeToString(status.code()) << ": " << status.message()
            << "\n";
  return absl::IsInvalidArgument(status) ? kBadUsage : kFailure;
}

// Blocked before the first thread, so that every thread inherits it and one place waits.
sigset_t BlockSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  return signals;
}

}  // namespace

int main(int argc, char** argv) {
  homolog::engine::UseWidestVectors();
  const sigset_t signals = BlockSignals();
  FLAGS_logtostderr = true;
  google::InitGoogleLogging(argv[0]);
  const absl::StatusOr<homolog::app::Config> config = homolog::app::ReadConfig(argc, argv);
  if (!config.ok()) return Fail(config.status());
  if (const absl::Status status = homolog::app::CheckEnvironment(*config); !status.ok()) {
    return Fail(status);
  }
  if (config->check) {
    std::cout << "homologd: the configuration is valid\n";
    return EXIT_SUCCESS;
  }
  absl::StatusOr<std::unique_ptr<homolog::app::Server>> server =
      homolog::app::Server::Start(*config);
  if (!server.ok()) return Fail(server.status());
  LOG(INFO) << "homologd " << homolog::app::kVersion << " serves on port " << (*server)->port()
            << ", admin port " << (*server)->admin_port() << ", repository " << config->repository
            << ", data " << config->data;
  int received = 0;
  sigwait(&signals, &received);
  LOG(INFO) << "signal " << strsignal(received) << ": shutting down";
  const bool device_lost = (*server)->device_lost();
  homolog::app::ExitAfter(std::chrono::seconds(config->drain_seconds));
  (*server)->Shutdown();
  LOG(INFO) << "homologd has stopped";
  return device_lost ? kDeviceLost : EXIT_SUCCESS;
}
