// Seconds for what a computation says it took.
#ifndef HOMOLOG_SERVER_ANALYSIS_CLOCK_H_
#define HOMOLOG_SERVER_ANALYSIS_CLOCK_H_

#include <chrono>

namespace homolog::analysis {

// Since some moment; never goes back.
inline double Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace homolog::analysis

#endif  // HOMOLOG_SERVER_ANALYSIS_CLOCK_H_
