// One study's progress out of that of its parts.
#ifndef HOMOLOG_SERVER_OPERATIONS_STUDY_CONTROL_H_
#define HOMOLOG_SERVER_OPERATIONS_STUDY_CONTROL_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "common/error.h"
#include "server/analysis/run_control.h"

namespace homolog::operations {

// What the parts are given as their control.
//
// Thread-safety: as RunControl's.
class StudyControl : public analysis::RunControl {
 public:
  // planned_tokens: of all parts. tokens: counts those that go through a model. Both outlive it.
  StudyControl(analysis::RunControl& study, int64_t planned_tokens, int64_t* tokens)
      : study_(study), tokens_(*tokens), rest_(planned_tokens) {
    Announce();
  }

  // A part begins, the one before has ended. label: what people call it; planned_tokens: its share
  // of the constructor's.
  void BeginPart(std::string label, int64_t planned_tokens) {
    label_ = std::move(label);
    before_ += done_;
    done_ = 0;
    part_ = planned_tokens;
    rest_ -= planned_tokens;
    Announce();
  }
  // The last part has ended.
  void EndParts() { BeginPart("study", 0); }
  // All of the part is stored. Yields to others where the part took the device.
  absl::Status EndPart() {
    if (done_ == 0) return absl::OkStatus();
    study_.OnLastingProgress();
    if (!study_.ShouldYield()) return absl::OkStatus();
    return MakeError(absl::StatusCode::kAborted, analysis::kYielded,
                     "others wait for the device; the rest comes later");
  }
  int64_t tokens() const { return tokens_; }

  absl::Status Check() override { return study_.Check(); }
  void OnStage(std::string_view stage) override {
    study_.OnStage(label_ + ": " + std::string(stage));
  }
  void OnTotalTokens(int64_t tokens) override {
    part_ = tokens;
    Announce();
  }
  void OnResumedTokens(int64_t tokens) override {
    done_ += tokens;
    study_.OnResumedTokens(tokens);
  }
  void OnLastingProgress() override { study_.OnLastingProgress(); }
  void OnTokens(int64_t tokens) override {
    done_ += tokens;
    tokens_ += tokens;
    study_.OnTokens(tokens);
  }

 private:
  void Announce() { study_.OnTotalTokens(before_ + part_ + rest_); }

  analysis::RunControl& study_;
  int64_t& tokens_;
  std::string label_;
  int64_t before_ = 0;  // tokens of parts that have ended
  int64_t part_ = 0;    // of the part under way, in all
  int64_t done_ = 0;    // of the part under way, so far
  int64_t rest_;        // of parts to come
};

}  // namespace homolog::operations

#endif  // HOMOLOG_SERVER_OPERATIONS_STUDY_CONTROL_H_
