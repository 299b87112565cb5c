#include <filesystem>

#include "common/digest.h"
#include "tests/integration/server_fixture.h"

namespace homolog::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Stub = v1::CheckpointService::Stub;

class CheckpointsTest : public ServerTest {
 protected:
  absl::StatusOr<v1::Checkpoint> Get(const std::string& name) {
    v1::GetCheckpointRequest request;
    request.set_name(name);
    return Unary(checkpoints(), &Stub::GetCheckpoint, request);
  }
  absl::StatusOr<v1::Checkpoint> Load(const std::string& name) {
    v1::LoadCheckpointRequest request;
    request.set_name(name);
    return Unary(checkpoints(), &Stub::LoadCheckpoint, request);
  }
  absl::StatusOr<v1::Checkpoint> Unload(const std::string& name) {
    v1::UnloadCheckpointRequest request;
    request.set_name(name);
    return Unary(checkpoints(), &Stub::UnloadCheckpoint, request);
  }
  std::vector<std::string> Names(const std::string& model, int page_size) {
    std::vector<std::string> names;
    v1::ListCheckpointsRequest request;
    request.set_model(model);
    request.set_page_size(page_size);
    do {
      const auto page = Unary(checkpoints(), &Stub::ListCheckpoints, request);
      EXPECT_TRUE(page.ok()) << page.status();
      if (!page.ok()) break;
      EXPECT_LE(page->checkpoints_size(), page_size);
      for (const v1::Checkpoint& checkpoint : page->checkpoints()) {
        names.push_back(checkpoint.name());
      }
      request.set_page_token(page->next_page_token());
    } while (!request.page_token().empty());
    return names;
  }
};

TEST_F(CheckpointsTest, ListsStepsByValueWithMainLastPageByPage) {
  for (const char* step : {"main", "1000", "200"}) {
    WriteTinyModel(repository() / "a" / step, {.seed = 9});
  }
  StartServer();
  EXPECT_THAT(Names("a", 3), ElementsAre("models/a/checkpoints/1", "models/a/checkpoints/200",
                                         "models/a/checkpoints/1000", "models/a/checkpoints/main"));
  EXPECT_EQ(Names("", 2).size(), 6u);
}

TEST_F(CheckpointsTest, StatesShapeParametersAndDigestOfTheWeights) {
  StartServer();
  const auto checkpoint = Get("models/a/checkpoints/1");
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_EQ(checkpoint->family(), "gpt2");
  EXPECT_EQ(checkpoint->nonlinearity(), "gelu_new");
  EXPECT_EQ(checkpoint->tokenizer(), "bytes");
  EXPECT_EQ(checkpoint->shape().layers(), 2);
  EXPECT_EQ(checkpoint->shape().d_mlp(), 24);
  EXPECT_EQ(checkpoint->shape().context_length(), 32);
  EXPECT_EQ(checkpoint->state(), v1::CHECKPOINT_STATE_AVAILABLE);
  EXPECT_EQ(checkpoint->weights_sha256(),
            Sha256Hex(ReadFile(repository() / "a" / "1" / "model.safetensors")));
  // wte + wpe + per layer (2 norms, qkv, projection, both MLP matrices, biases) + final norm
  const int64_t d = 16, m = 24;
  const int64_t block = 4 * d + (d * 3 * d + 3 * d) + (d * d + d) + (d * m + m) + (m * d + d);
  EXPECT_EQ(checkpoint->parameter_count(), 256 * d + 32 * d + 2 * block + 2 * d);
}

TEST_F(CheckpointsTest, LoadsAndUnloads) {
  StartServer();
  const auto loaded = Load("models/a/checkpoints/1");
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->state(), v1::CHECKPOINT_STATE_LOADED);
  EXPECT_EQ(loaded->device(), "cpu");
  EXPECT_EQ(loaded->device_bytes(), 4 * loaded->parameter_count());
  const auto unloaded = Unload("models/a/checkpoints/1");
  ASSERT_TRUE(unloaded.ok()) << unloaded.status();
  EXPECT_EQ(unloaded->state(), v1::CHECKPOINT_STATE_AVAILABLE);
  EXPECT_EQ(unloaded->device_bytes(), 0);
}

TEST_F(CheckpointsTest, EvictsTheLeastRecentlyUsedToStayWithinTheBudget) {
  StartServer();
  const int64_t bytes = 4 * Get("models/a/checkpoints/1")->parameter_count();
  StopServer();
  config_.memory_budget_bytes = 2 * bytes;
  WriteTinyModel(repository() / "c" / "1", {.seed = 4});
  StartServer();
  ASSERT_TRUE(Load("models/a/checkpoints/1").ok());
  ASSERT_TRUE(Load("models/b/checkpoints/1").ok());
  ASSERT_TRUE(Load("models/a/checkpoints/1").ok());  // b is now the older one
  ASSERT_TRUE(Load("models/c/checkpoints/1").ok());
  EXPECT_EQ(Get("models/a/checkpoints/1")->state(), v1::CHECKPOINT_STATE_LOADED);
  EXPECT_EQ(Get("models/b/checkpoints/1")->state(), v1::CHECKPOINT_STATE_AVAILABLE);
}

TEST_F(CheckpointsTest, RefusesWhatCanNeverFitWithBothNumbers) {
  config_.memory_budget_bytes = 1000;
  StartServer();
  const absl::Status status = Load("models/a/checkpoints/1").status();
  EXPECT_EQ(CodeAndReason(status), "RESOURCE_EXHAUSTED MEMORY_BUDGET");
  EXPECT_THAT(std::string(status.message()), HasSubstr("1000"));
  EXPECT_EQ(Get("models/a/checkpoints/1")->state(), v1::CHECKPOINT_STATE_AVAILABLE);
}

TEST_F(CheckpointsTest, ListsADamagedCheckpointWithTheReasonAndServesTheOthers) {
  const std::filesystem::path file = repository() / "b" / "1" / "model.safetensors";
  WriteFile(file, ReadFile(file).substr(0, 4000));
  WriteTinyModel(repository() / "c" / "1", {.d_mlp = 25, .seed = 4});
  WriteFile(repository() / "c" / "1" / "config.json",
            ReadFile(repository() / "a" / "1" / "config.json"));
  WriteFile(repository() / "d" / "1" / "config.json", R"({"model_type": "mamba"})");
  StartServer();
  v1::ListCheckpointsRequest request;
  const auto page = Unary(checkpoints(), &Stub::ListCheckpoints, request);
  ASSERT_TRUE(page.ok()) << page.status();
  ASSERT_EQ(page->checkpoints_size(), 5);
  EXPECT_EQ(page->checkpoints(0).state(), v1::CHECKPOINT_STATE_AVAILABLE);
  EXPECT_EQ(page->checkpoints(1).state(), v1::CHECKPOINT_STATE_FAILED);
  EXPECT_THAT(page->checkpoints(1).state_message(), HasSubstr("model.safetensors"));
  EXPECT_EQ(page->checkpoints(2).state(), v1::CHECKPOINT_STATE_FAILED);
  EXPECT_THAT(page->checkpoints(2).state_message(), HasSubstr("[16, 25]"));
  EXPECT_EQ(page->checkpoints(3).state(), v1::CHECKPOINT_STATE_FAILED);
  EXPECT_THAT(page->checkpoints(3).state_message(), HasSubstr("mamba"));
  EXPECT_EQ(CodeAndReason(Load("models/b/checkpoints/1").status()),
            "FAILED_PRECONDITION CHECKPOINT_INVALID");
  EXPECT_TRUE(Load("models/a/checkpoints/1").ok());
}

TEST_F(CheckpointsTest, DoesNotFollowLinksOutOfTheRepository) {
  const TemporaryFolder outside;
  WriteTinyModel(outside / "1", {.seed = 5});
  std::filesystem::create_directory_symlink(outside.path(), repository() / "linked");
  StartServer();
  EXPECT_THAT(Names("linked", 10), ElementsAre());
  EXPECT_EQ(CodeAndReason(Get("models/linked/checkpoints/1").status()),
            "NOT_FOUND CHECKPOINT_NOT_FOUND");
}

}  // namespace
}  // namespace homolog::testing
