#include "server/operations/correlation_job.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/error.h"
#include "server/store/dataset_upload.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

namespace homolog::operations {
namespace {

using ::homolog::testing::TemporaryFolder;
using ::homolog::testing::WriteTinyModel;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr int64_t kLength = 32, kSequences = 20, kTokens = kLength * kSequences;

// Remembers what it was told; cancels at check number `cancel_at` (from 1; 0: never).
class Control : public analysis::RunControl {
 public:
  explicit Control(int64_t cancel_at = 0) : cancel_at_(cancel_at) {}
  absl::Status Check() override {
    return ++checks == cancel_at_ ? absl::CancelledError("enough") : absl::OkStatus();
  }
  void OnPlan(const analysis::CorrelationPlan& plan) override { plans.push_back(plan); }
  void OnStage(std::string_view stage) override {
    stages.emplace_back(stage);
    if (stage == "storing" && before_storing) before_storing();
  }
  void OnTotalTokens(int64_t total) override { total_tokens = total; }
  void OnTokens(int64_t more) override { tokens += more; }

  int64_t checks = 0, tokens = 0, total_tokens = 0;
  std::vector<std::string> stages;
  std::vector<analysis::CorrelationPlan> plans;
  std::function<void()> before_storing;

 private:
  const int64_t cancel_at_;
};

class CorrelationJobTest : public ::testing::Test {
 protected:
  CorrelationJobTest() {
    store::StoreOptions options;
    options.env = env_.get();
    store_ = *store::Store::Open((folder_ / "store").string(), options);
    for (const char model : {'a', 'b', 'c', 'd'}) {
      WriteTinyModel(folder_ / "models" / std::string(1, model) / "1",
                     {.seed = static_cast<uint64_t>(model)});
    }
    registry_ = std::make_unique<checkpoints::Registry>(
        *checkpoints::Repository::Open((folder_ / "models").string()), at::kCPU, 1 << 30, &memo_);
    PutDataset();
  }

  void PutDataset(int64_t step = 7) {
    std::vector<int32_t> ids;
    for (int64_t i = 0; i < kTokens; ++i) ids.push_back(static_cast<int32_t>(i * i * step % 251));
    store::DatasetUpload upload(store_.get());
    ASSERT_TRUE(upload.Append(ids).ok());
    const std::string digest = upload.FinishTokens();
    v1::Dataset dataset;
    dataset.set_name("datasets/d");
    dataset.set_tokenizer_sha256(datasets::MakeByteTokenizer()->digest());
    dataset.set_sha256(digest);
    dataset.set_vocabulary_size(256);
    dataset.set_sequence_length(kLength);
    dataset.set_sequence_count(kSequences);
    ASSERT_TRUE(upload.Commit("d", digest, dataset.SerializeAsString()).ok());
  }

  AnalysisContext Context() {
    return {registry_.get(), &tokenizers_, store_.get(), memory_budget_};
  }
  // The first model against the others.
  CorrelationInputs Inputs(const std::string& models, bool every_reference = false) {
    const auto name = [](char model) { return std::string("models/") + model + "/checkpoints/1"; };
    v1::ComputeCorrelationsRequest request;
    request.set_reference(name(models[0]));
    for (const char partner : models.substr(1)) request.add_partners(name(partner));
    request.set_dataset("datasets/d");
    request.set_every_reference(every_reference);
    auto inputs = ValidateCorrelation(Context(), request);
    EXPECT_TRUE(inputs.ok()) << inputs.status();
    return inputs.ok() ? *std::move(inputs) : CorrelationInputs();
  }
  CorrelationWork Plan(const CorrelationInputs& inputs) {
    const auto work = PlanWork(Context(), inputs);
    EXPECT_TRUE(work.ok()) << work.status();
    return work.ok() ? *work : CorrelationWork();
  }
  // Runs, and does what was planned.
  Control Run(const CorrelationInputs& inputs) {
    const CorrelationWork work = Plan(inputs);
    Control control;
    EXPECT_EQ(RunCorrelation(Context(), inputs, "operations/1", control), absl::OkStatus());
    EXPECT_EQ(control.tokens, work.forward_tokens);
    EXPECT_EQ(control.total_tokens, work.forward_tokens);
    EXPECT_EQ(work.forward_tokens, work.forward_passes * kTokens);
    double multiplications = 0, forward = 0;
    for (const analysis::CorrelationPlan& plan : control.plans) {
      multiplications += plan.multiplications;
      forward += plan.forward_multiplications;
    }
    EXPECT_EQ(multiplications, work.multiplications);
    EXPECT_EQ(forward, work.forward_multiplications);
    ExpectDone(inputs);
    return control;
  }
  void ExpectDone(const CorrelationInputs& inputs) {
    const CorrelationWork work = Plan(inputs);
    EXPECT_EQ(work.stored_results, static_cast<int64_t>(inputs.ids.size()));
    EXPECT_EQ(work.forward_passes, 0);
    EXPECT_EQ(work.forward_tokens, 0);
    EXPECT_EQ(work.multiplications, 0);
    EXPECT_EQ(work.forward_multiplications, 0);
  }

  TemporaryFolder folder_;
  testing::Faults faults_;
  const std::unique_ptr<rocksdb::Env> env_ =
      rocksdb::NewCompositeEnv(std::make_shared<testing::FaultyFileSystem>(&faults_));
  std::unique_ptr<store::Store> store_;
  checkpoints::MemoryDigestMemo memo_;
  std::unique_ptr<checkpoints::Registry> registry_;
  datasets::TokenizerCache tokenizers_;
  int64_t memory_budget_ = 1 << 30;
};

TEST_F(CorrelationJobTest, RunsWhatItPlansAndNothingTwice) {
  const Control first = Run(Inputs("ab"));
  EXPECT_EQ(first.tokens, 2 * kTokens);
  EXPECT_THAT(first.stages,
              ElementsAre("loading checkpoints", "reading activations", "correlating", "storing"));
  const Control again = Run(Inputs("ab"));
  EXPECT_EQ(again.tokens, 0);
  EXPECT_THAT(again.stages, IsEmpty());
}

TEST_F(CorrelationJobTest, RunsTheModelsOfMissingPairs) {
  Run(Inputs("ab"));
  EXPECT_EQ(Plan(Inputs("abcd")).stored_results, 0);
  EXPECT_EQ(Run(Inputs("abcd")).tokens, 3 * kTokens);
  const Control other_order = Run(Inputs("adb"));
  EXPECT_EQ(other_order.tokens, 0);
  EXPECT_THAT(other_order.stages, ElementsAre("storing"));
  EXPECT_THAT(other_order.plans, IsEmpty());
}

TEST_F(CorrelationJobTest, CountsTheResultsOfEveryReferenceThatAreStored) {
  Run(Inputs("abc"));
  Run(Inputs("bac"));
  // Of c as the reference no pair is known; that of a and b is.
  const CorrelationInputs inputs = Inputs("abc", /*every_reference=*/true);
  const CorrelationWork work = Plan(inputs);
  EXPECT_EQ(work.stored_results, 2);
  EXPECT_EQ(work.forward_passes, 3);
  const Control control = Run(inputs);
  ASSERT_EQ(control.plans.size(), 1u);
  for (const analysis::CrossTile& tile : control.plans[0].passes[0].cross) {
    EXPECT_EQ(tile.column_model, 2);
  }
}

TEST_F(CorrelationJobTest, CountsEveryPassOfAModel) {
  Run(Inputs("ab", true));
  int64_t needed = memory_budget_;
  CorrelationInputs inputs = Inputs("abcd", true);
  // A budget that takes more than one pass.
  while (inputs.ids.size() == 4 && Plan(inputs).forward_passes == 4) {
    needed = needed * 9 / 10;
    inputs.options.memory_bytes = needed;
  }
  EXPECT_GT(Plan(inputs).forward_passes, 4);
  EXPECT_GT(Run(inputs).tokens, 4 * kTokens);
}

TEST_F(CorrelationJobTest, LoadsNoMoreThanItRuns) {
  Run(Inputs("abc"));
  for (const char* model : {"a", "b", "c"}) ASSERT_TRUE(registry_->Unload({model, "1"}).ok());
  const int64_t loads = registry_->usage().loads;
  Run(Inputs("acb"));
  EXPECT_EQ(registry_->usage().loads, loads);
  Run(Inputs("abd"));
  EXPECT_EQ(registry_->usage().loads, loads + 2);
}

TEST_F(CorrelationJobTest, EndsWhenTold) {
  Run(Inputs("abc"));
  // All is in the store, and half of it.
  for (const std::string models : {"acb", "acd"}) {
    const CorrelationInputs inputs = Inputs(models);
    for (int64_t check = 1; check <= 4; ++check) {
      Control control(check);
      const absl::Status status = RunCorrelation(Context(), inputs, "operations/1", control);
      EXPECT_EQ(status, absl::CancelledError("enough")) << models << " at check " << check;
      EXPECT_EQ(Plan(inputs).stored_results, 0);
    }
  }
  Run(Inputs("acb"));
}

TEST_F(CorrelationJobTest, RefusesADataSetThatIsNotWhatItWasValidatedWith) {
  Run(Inputs("abc"));
  CorrelationInputs inputs = Inputs("acb");
  ASSERT_TRUE(store_->DeleteDataset("d").ok());
  PutDataset(/*step=*/11);
  Control control;
  const absl::Status status = RunCorrelation(Context(), inputs, "operations/1", control);
  EXPECT_EQ(ErrorReason(status), "DATASET_CHANGED") << status;
}

// Snapshots on the store's own disk, which has little space left once a result is to be stored.
class CorrelationJobOnAFullDiskTest : public CorrelationJobTest {
 protected:
  static constexpr int64_t kMebibyte = 1 << 20, kStaysFree = 64 * kMebibyte;

  CorrelationJobOnAFullDiskTest() {
    for (const char model : {'w', 'x'}) {
      WriteTinyModel(folder_ / "models" / std::string(1, model) / "1",
                     {.d_mlp = 128, .seed = static_cast<uint64_t>(model)});
    }
    context_ = Context();
    context_.snapshots = {.folder = (folder_ / "snapshots").string(),
                          .interval = std::chrono::seconds(0),
                          .on_failure = [](const std::string& problem) { FAIL() << problem; }};
    faults_.free_space = [this] { return disk_ - Snapshots(); };
  }

  int64_t Snapshots() { return SnapshotBytes(context_.snapshots, "operations/1"); }
  // The snapshots grow by 4 MiB before the result is stored; without them the disk would have
  // `without_snapshots` left.
  absl::Status RunOnDiskOf(int64_t without_snapshots) {
    const CorrelationInputs inputs = Inputs("wx");
    Control control;
    control.before_storing = [&] {
      EXPECT_GT(Snapshots(), 0);
      std::ofstream(folder_ / "snapshots" / "1" / "more") << std::string(4 * kMebibyte, 'x');
      disk_ = without_snapshots;
    };
    return RunCorrelation(context_, inputs, "operations/1", control);
  }

  AnalysisContext context_;
  int64_t disk_ = int64_t{1} << 40;
};

TEST_F(CorrelationJobOnAFullDiskTest, AResultMayTakeTheSpaceOfItsOwnSnapshots) {
  EXPECT_EQ(RunOnDiskOf(kStaysFree + 4 * kMebibyte), absl::OkStatus());
  EXPECT_EQ(Plan(Inputs("wx")).stored_results, 1);
  EXPECT_EQ(Snapshots(), 0);
}

TEST_F(CorrelationJobOnAFullDiskTest, SnapshotsWhoseSpaceWouldNotDoStay) {
  const absl::Status status = RunOnDiskOf(kStaysFree - kMebibyte);
  EXPECT_EQ(ErrorReason(status), "STORE_FULL") << status;
  // With the snapshots' space the result needs no more: the least that is waited for.
  EXPECT_EQ(ErrorValue(status, "bytes"), std::to_string(store::kLargeWriteBytes));
  EXPECT_GT(Snapshots(), 4 * kMebibyte);
  EXPECT_EQ(Plan(Inputs("wx")).stored_results, 0);
}

}  // namespace
}  // namespace homolog::operations
