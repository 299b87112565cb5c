// What a long computation tells its caller, and what the caller can tell it.
#ifndef HOMOLOG_SERVER_ANALYSIS_RUN_CONTROL_H_
#define HOMOLOG_SERVER_ANALYSIS_RUN_CONTROL_H_

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"

namespace homolog::analysis {

struct CorrelationPlan;
struct StudyPlan;

// Thread-safety: the computation calls from its own thread only.
class RunControl {
 public:
  virtual ~RunControl() = default;
  // Asked between batches: anything but OK ends the computation with that status.
  virtual absl::Status Check() { return absl::OkStatus(); }
  // How a correlation goes about it, said before it begins; again where it must begin anew.
  virtual void OnPlan(const CorrelationPlan& /*plan*/) {}
  // What a study is going to compute, said before it begins.
  virtual void OnStudyPlan(const StudyPlan& /*plan*/) {}
  // What begins now, for people.
  virtual void OnStage(std::string_view /*stage*/) {}
  // Tokens that will go through a model in all, said before the first.
  virtual void OnTotalTokens(int64_t /*tokens*/) {}
  // `tokens` more went through a model.
  virtual void OnTokens(int64_t /*tokens*/) {}
  // `tokens` went through a model in a former process, and need not again.
  virtual void OnResumedTokens(int64_t /*tokens*/) {}
  // Something was stored that the work need not do again, should the process end.
  virtual void OnLastingProgress() {}
  // Whether others wait for the device. Where the work done so far is stored, so that nothing is
  // lost, the computation then ends with a status of reason kYielded, and is called again later.
  virtual bool ShouldYield() { return false; }
};

inline constexpr char kYielded[] = "YIELDED";

}  // namespace homolog::analysis

#endif  // HOMOLOG_SERVER_ANALYSIS_RUN_CONTROL_H_
