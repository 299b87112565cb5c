// Ctrl-C (SIGINT) and SIGTERM. At most one object of this file may live at a time.
#ifndef HOMOLOG_CLIENT_CLI_INTERRUPT_H_
#define HOMOLOG_CLIENT_CLI_INTERRUPT_H_

#include <csignal>
#include <string>

namespace homolog::cli {

// While it lives, the signals run `handler`; then what was before.
class SignalScope {
 public:
  explicit SignalScope(void (*handler)(int));
  ~SignalScope();
  SignalScope(const SignalScope&) = delete;
  SignalScope& operator=(const SignalScope&) = delete;

 private:
  struct sigaction old_interrupt_;
  struct sigaction old_terminate_;
};

// While it lives, Ctrl-C prints `last_words` to standard error and ends the process with 130: for
// waiting on what goes on without us.
class LastWords {
 public:
  explicit LastWords(std::string last_words);
  ~LastWords();

 private:
  const std::string last_words_;
  SignalScope scope_;
};

// While it lives, the first Ctrl-C only sets a flag, so that the work can be put down properly; the
// second one ends the process.
class InterruptFlag {
 public:
  InterruptFlag();
  bool IsSet() const;

 private:
  SignalScope scope_;
};

}  // namespace homolog::cli

#endif  // HOMOLOG_CLIENT_CLI_INTERRUPT_H_
