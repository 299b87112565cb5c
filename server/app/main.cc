// homologd: see README.md.
#include <glog/logging.h>
#include <signal.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <memory>

#include "common/error.h"
#include "server/app/config.h"
#include "server/app/drain.h"
#include "server/app/server.h"
#include "server/app/stop_request.h"
#include "server/app/stop_signals.h"
#include "server/app/version.h"
#include "server/engine/device.h"

namespace {

// 3 and 4: server/app/drain.h.
constexpr int kFailure = 1, kBadUsage = 2;

int Fail(const absl::Status& status) {
  std::cerr << "homologd: " << absl::StatusCodeToString(status.code()) << ": " << status.message()
            << "\n";
  if (homolog::ErrorReason(status) == "DEVICE_LOST") return homolog::app::kDeviceLost;
  return absl::IsInvalidArgument(status) ? kBadUsage : kFailure;
}

// Whatever the process is busy with when it is told to end, it does so within --drain-timeout.
std::shared_ptr<homolog::app::StopRequest> MakeStopRequest(std::chrono::seconds drain) {
  return std::make_shared<homolog::app::StopRequest>([drain](int exit_code) {
    homolog::app::ExitAfter(drain,
                            exit_code == EXIT_SUCCESS ? homolog::app::kDrainTimedOut : exit_code);
  });
}

int Serve(const homolog::app::Config& config, homolog::app::StopRequest& stop,
          homolog::app::Server& server) {
  LOG(INFO) << "homologd " << homolog::app::kVersion << " serves on port " << server.port()
            << ", admin port " << server.admin_port() << ", repository " << config.repository
            << ", data " << config.data;
  const int exit_code = stop.Wait();
  LOG(INFO) << "shutting down";
  server.Shutdown();
  LOG(INFO) << "homologd has stopped";
  return exit_code;
}

}  // namespace

int main(int argc, char** argv) {
  homolog::app::BlockStopSignals();
  signal(SIGPIPE, SIG_IGN);
  homolog::engine::UseWidestVectors();
  FLAGS_logtostderr = true;
  google::InitGoogleLogging(argv[0]);
  const absl::StatusOr<homolog::app::Config> config = homolog::app::ReadConfig(argc, argv);
  if (!config.ok()) return Fail(config.status());
  const auto stop = MakeStopRequest(std::chrono::seconds(config->drain_seconds));
  const homolog::app::StopSignals signals([&stop](int signal) {
    stop->Make(EXIT_SUCCESS);
    LOG(INFO) << "signal " << strsignal(signal) << ": to end";
  });
  if (const absl::Status status = homolog::app::CheckEnvironment(*config); !status.ok()) {
    return Fail(status);
  }
  if (config->check) {
    std::cout << "homologd: the configuration is valid\n";
    return EXIT_SUCCESS;
  }
  const absl::StatusOr<std::unique_ptr<homolog::app::Server>> server =
      homolog::app::Server::Start(*config, stop);
  if (server.ok()) return Serve(*config, *stop, **server);
  if (homolog::ErrorReason(server.status()) != homolog::app::kStopped) {
    return Fail(server.status());
  }
  LOG(INFO) << "homologd was stopped during start-up";
  return stop->Wait();
}
