#include "client/cli/interrupt.h"

#include <unistd.h>

#include <atomic>
#include <utility>

#include "client/cli/exit_code.h"

namespace homolog::cli {
namespace {

// What a signal handler may touch: lock-free atomics, write() and _exit().
std::atomic<const std::string*> words = nullptr;
std::atomic<bool> flag = false;
static_assert(std::atomic<const std::string*>::is_always_lock_free);

void SayLastWords(int) {
  if (const std::string* text = words.load()) {
    // Nothing is left to do where standard error is closed.
    [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, text->data(), text->size());
  }
  _exit(kExitInterrupted);
}

void SetFlag(int) { flag.store(true); }

}  // namespace

SignalScope::SignalScope(void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  // Back to the default after the first one: a second Ctrl-C always ends the process.
  action.sa_flags = SA_RESTART | static_cast<int>(SA_RESETHAND);
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, &old_interrupt_);
  sigaction(SIGTERM, &action, &old_terminate_);
}

SignalScope::~SignalScope() {
  sigaction(SIGINT, &old_interrupt_, nullptr);
  sigaction(SIGTERM, &old_terminate_, nullptr);
}

LastWords::LastWords(std::string last_words)
    : last_words_(std::move(last_words)), scope_((words.store(&last_words_), SayLastWords)) {}

LastWords::~LastWords() { words.store(nullptr); }

InterruptFlag::InterruptFlag() : scope_((flag.store(false), SetFlag)) {}

bool InterruptFlag::IsSet() const { return flag.load(); }

}  // namespace homolog::cli
