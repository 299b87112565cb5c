#include "server/app/stop_signals.h"

#include <pthread.h>
#include <signal.h>

#include <utility>

namespace homolog::app {
namespace {

sigset_t Both() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  return signals;
}

}  // namespace

void BlockStopSignals() {
  const sigset_t signals = Both();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

StopSignals::StopSignals(std::function<void(int)> on_signal)
    : on_signal_(std::move(on_signal)), thread_([this] { Run(); }) {}

StopSignals::~StopSignals() {
  closing_ = true;
  pthread_kill(thread_.native_handle(), SIGTERM);  // for this thread alone: wakes it
  thread_.join();
}

void StopSignals::Run() {
  const sigset_t signals = Both();
  int received = 0;
  sigwait(&signals, &received);
  if (!closing_) on_signal_(received);
}

}  // namespace homolog::app
