// Computations that are interrupted and go on from what was kept.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "common/error.h"
#include "equal_results.h"
#include "fake_model.h"
#include "oracle.h"
#include "server/analysis/correlation.h"
#include "server/analysis/correlation_plan.h"

namespace homolog::analysis {
namespace {

// The parts of a state, in order.
struct State {
  std::vector<at::Tensor> tensors;
  std::vector<std::string> bytes;
};

class Writer : public StateArchive {
 public:
  explicit Writer(State* state) : state_(state) {}
  using StateArchive::Part;
  void Part(at::Tensor& tensor, at::Device /*device*/) override {
    state_->tensors.push_back(tensor.defined() ? tensor.clone() : at::Tensor());
  }
  void Part(std::span<std::byte> bytes) override {
    state_->bytes.emplace_back(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  void Part(std::string& bytes) override { state_->bytes.push_back(bytes); }

 private:
  State* const state_;
};

class Reader : public StateArchive {
 public:
  explicit Reader(const State& state) : state_(state) {}
  ~Reader() override {
    EXPECT_EQ(tensor_, state_.tensors.size());
    EXPECT_EQ(byte_, state_.bytes.size());
  }
  using StateArchive::Part;
  void Part(at::Tensor& tensor, at::Device /*device*/) override {
    const at::Tensor& kept = state_.tensors.at(tensor_++);
    tensor = kept.defined() ? kept.clone() : at::Tensor();
  }
  void Part(std::span<std::byte> bytes) override {
    const std::string& kept = state_.bytes.at(byte_++);
    ASSERT_EQ(kept.size(), bytes.size());
    std::copy_n(reinterpret_cast<const std::byte*>(kept.data()), kept.size(), bytes.data());
  }
  void Part(std::string& bytes) override { bytes = state_.bytes.at(byte_++); }

 private:
  const State& state_;
  size_t tensor_ = 0, byte_ = 0;
};

class KeptInMemory : public Snapshots {
 public:
  bool IsDue() override { return due; }
  void Save(const std::string& key, absl::FunctionRef<void(StateArchive&)> write) override {
    State state;
    Writer writer(&state);
    write(writer);
    states[key] = std::move(state);
    ++saved;
  }
  bool Load(const std::string& key, absl::FunctionRef<void(StateArchive&)> read) override {
    const auto found = states.find(key);
    if (found == states.end()) return false;
    Reader reader(found->second);
    read(reader);
    ++loaded;
    return true;
  }

  bool due = false;
  int saved = 0, loaded = 0;
  std::map<std::string, State> states;
};

// Shuts down at check number `at` (0: never).
class ShutdownControl : public RunControl {
 public:
  explicit ShutdownControl(int64_t at = 0) : at_(at) {}
  absl::Status Check() override {
    if (++checks != at_) return absl::OkStatus();
    return MakeError(absl::StatusCode::kUnavailable, "SHUTTING_DOWN", "back soon");
  }
  void OnTokens(int64_t more) override { tokens += more; }
  void OnResumedTokens(int64_t more) override { resumed += more; }

  int64_t checks = 0, tokens = 0, resumed = 0;

 private:
  const int64_t at_;
};

class CorrelationSnapshotsTest : public ::testing::TestWithParam<Pairing> {
 protected:
  CorrelationSnapshotsTest()
      : a_(RandomModel(shape_, 1)), b_(RandomModel(shape_, 2)), c_(RandomModel(shape_, 3)) {}

  CorrelationOptions Options(int64_t memory_bytes = 0) const {
    CorrelationOptions options = {
        .pairing = GetParam(), .rotations = 3, .excluded_token_ids = {7}, .every_reference = true};
    if (memory_bytes > 0) options.memory_bytes = memory_bytes;
    return options;
  }
  absl::StatusOr<CorrelationSet> Compute(const CorrelationOptions& options, RunControl& control,
                                         Snapshots* snapshots) {
    return ComputeCorrelations({&a_, &b_, &c_}, tokens_, options, control, {snapshots, "key"});
  }
  // Too few for a single pass.
  int64_t FewBytes() {
    PlanRequest request = {.models = {shape_, shape_, shape_},
                           .sequence_length = tokens_.sequence_length(),
                           .sequence_count = tokens_.sequence_count(),
                           .options = Options()};
    auto plan = PlanCorrelation(request);
    while (plan.ok() && plan->passes.size() == 1) {
      request.options.memory_bytes = plan->memory_bytes * 99 / 100;
      plan = PlanCorrelation(request);
    }
    EXPECT_TRUE(plan.ok()) << plan.status();
    return request.options.memory_bytes;
  }
  // Interrupts at checks from the first to the last, and goes on.
  void ExpectSameResultAfterAnyInterruption(const CorrelationOptions& options) {
    ShutdownControl whole_control;
    const auto whole = Compute(options, whole_control, nullptr);
    ASSERT_TRUE(whole.ok()) << whole.status();
    int resumed = 0;
    const int64_t step = std::max<int64_t>(1, whole_control.checks / 12);
    int interruptions = 0;
    for (int64_t at = 1; at <= whole_control.checks; at += step) {
      ++interruptions;
      KeptInMemory kept;
      kept.due = interruptions % 2 == 0;
      ShutdownControl interrupted(at), rest;
      ASSERT_FALSE(Compute(options, interrupted, &kept).ok());
      const auto set = Compute(options, rest, &kept);
      ASSERT_TRUE(set.ok()) << set.status();
      ASSERT_EQ(set->results.size(), whole->results.size());
      for (size_t i = 0; i < set->results.size(); ++i) {
        ExpectEqualResults(set->results[i], whole->results[i]);
      }
      EXPECT_EQ(rest.resumed + rest.tokens, whole_control.tokens) << "check " << at;
      resumed += rest.resumed > 0 ? 1 : 0;
      kept.states.clear();
    }
    EXPECT_GT(resumed, interruptions / 3);
  }

  const engine::ModelShape shape_ = Shape(3, 24, 300);
  const FakeModel a_, b_, c_;
  const FakeTokens tokens_ = RandomTokens(12300, 20, 300);
};

TEST_P(CorrelationSnapshotsTest, GoOnWithTheIdenticalResultFromAnyInterruption) {
  ExpectSameResultAfterAnyInterruption(Options());
}

TEST_P(CorrelationSnapshotsTest, GoOnInTheMidstOfManyPasses) {
  ShutdownControl control;
  const auto set = Compute(Options(FewBytes()), control, nullptr);
  ASSERT_TRUE(set.ok()) << set.status();
  ASSERT_GT(set->plan.passes.size(), 1U);
  ExpectSameResultAfterAnyInterruption(Options(FewBytes()));
}

TEST_P(CorrelationSnapshotsTest, AreKeptWhereTheyAreDueAndOnlyThen) {
  KeptInMemory kept;
  ShutdownControl control;
  ASSERT_TRUE(Compute(Options(), control, &kept).ok());
  EXPECT_EQ(kept.saved, 0);
  kept.due = true;
  ASSERT_TRUE(Compute(Options(), control, &kept).ok());
  EXPECT_EQ(kept.saved, 4);  // blocks
}

TEST_P(CorrelationSnapshotsTest, OfAnotherPlanAreNotTaken) {
  KeptInMemory kept;
  ShutdownControl interrupted(5), rest;
  ASSERT_FALSE(Compute(Options(), interrupted, &kept).ok());
  EXPECT_EQ(kept.saved, 1);
  ASSERT_TRUE(Compute(Options(FewBytes()), rest, &kept).ok());
  EXPECT_EQ(kept.loaded, 0);
  EXPECT_EQ(rest.resumed, 0);
}

INSTANTIATE_TEST_SUITE_P(Pairings, CorrelationSnapshotsTest,
                         ::testing::Values(Pairing::kBest, Pairing::kSameIndex));

}  // namespace
}  // namespace homolog::analysis
