// What the server logs while a test runs.
#ifndef HOMOLOG_TESTS_INTEGRATION_CAPTURE_LOG_H_
#define HOMOLOG_TESTS_INTEGRATION_CAPTURE_LOG_H_

#include <glog/logging.h>

#include <mutex>
#include <string>

namespace homolog::testing {

// Thread-safety: all methods may be called from any thread.
class CapturedLog : public google::LogSink {
 public:
  CapturedLog() {
    FLAGS_minloglevel = google::GLOG_INFO;
    google::AddLogSink(this);
  }
  ~CapturedLog() override {
    google::RemoveLogSink(this);
    FLAGS_minloglevel = level_;
  }
  std::string text() const {
    const std::lock_guard lock(mutex_);
    return text_;
  }
  void send(google::LogSeverity, const char*, const char*, int, const google::LogMessageTime&,
            const char* message, size_t size) override {
    const std::lock_guard lock(mutex_);
    text_.append(message, size).append("\n");
  }

 private:
  const int level_ = FLAGS_minloglevel;
  mutable std::mutex mutex_;
  std::string text_;
};

}  // namespace homolog::testing

#endif  // HOMOLOG_TESTS_INTEGRATION_CAPTURE_LOG_H_
