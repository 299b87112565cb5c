// How long a job took, for its result.
//
// Thread-safety: immutable.
#ifndef HOMOLOG_SERVER_OPERATIONS_TIMING_H_
#define HOMOLOG_SERVER_OPERATIONS_TIMING_H_

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>
#include <google/protobuf/util/time_util.h>

#include <chrono>

namespace homolog::operations {

class Stopwatch {
 public:
  google::protobuf::Duration elapsed() const {
    return google::protobuf::util::TimeUtil::MicrosecondsToDuration(
        std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() -
                                                              start_)
            .count());
  }
  static google::protobuf::Timestamp now() {
    return google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(
        std::chrono::duration_cast<std::chrono::microseconds>(
            std::chrono::system_clock::now().time_since_epoch())
            .count());
  }

 private:
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace homolog::operations

#endif  // HOMOLOG_SERVER_OPERATIONS_TIMING_H_
