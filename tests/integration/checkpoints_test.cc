#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "tests/integration/server_fixture.h"

namespace homolog::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
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
  EXPECT_THAT(checkpoint->weights_sha256(), MatchesRegex("[0-9a-f]{64}"));
  // wte + wpe + per layer (2 norms, qkv, projection, both MLP matrices, biases) + final norm
  const int64_t d = 16, m = 24;
  const int64_t block = 4 * d + (d * 3 * d + 3 * d) + (d * d + d) + (d * m + m) + (m * d + d);
  EXPECT_EQ(checkpoint->parameter_count(), 256 * d + 32 * d + 2 * block + 2 * d);
}

TEST_F(CheckpointsTest, GivesTheSameDigestInEveryFormat) {
  const std::filesystem::path golden =
      std::filesystem::path(std::getenv("HOMOLOG_TEST_DATA")) / "golden";
  for (const std::string family : {"gpt2", "gpt_neox"}) {
    for (const std::string file : {"model.safetensors", "pytorch_model.bin"}) {
      const auto folder = repository() / family / (file[0] == 'm' ? "1" : "2");
      std::filesystem::create_directories(folder);
      for (const std::string& name : {std::string("config.json"), file}) {
        std::filesystem::copy(golden / family / name, folder / name);
      }
    }
  }
  StartServer();
  for (const std::string family : {"gpt2", "gpt_neox"}) {
    const auto one = Load("models/" + family + "/checkpoints/1");
    const auto two = Load("models/" + family + "/checkpoints/2");
    ASSERT_TRUE(one.ok() && two.ok()) << one.status() << two.status();
    EXPECT_EQ(one->family(), family);
    EXPECT_EQ(one->weights_sha256(), two->weights_sha256());
    EXPECT_THAT(one->equal_weights(), ElementsAre(two->name()));
  }
}

TEST_F(CheckpointsTest, FlagsEqualWeightsInListings) {
  std::filesystem::create_directories(repository() / "c");
  std::filesystem::copy(repository() / "a" / "1", repository() / "c" / "5");
  StartServer();
  const auto list = Unary(checkpoints(), &Stub::ListCheckpoints, v1::ListCheckpointsRequest());
  ASSERT_TRUE(list.ok()) << list.status();
  std::map<std::string, std::vector<std::string>> equal;
  for (const v1::Checkpoint& checkpoint : list->checkpoints()) {
    equal[checkpoint.name()] = {checkpoint.equal_weights().begin(),
                                checkpoint.equal_weights().end()};
  }
  EXPECT_THAT(equal["models/a/checkpoints/1"], ElementsAre("models/c/checkpoints/5"));
  EXPECT_THAT(equal["models/c/checkpoints/5"], ElementsAre("models/a/checkpoints/1"));
  EXPECT_THAT(equal["models/b/checkpoints/1"], IsEmpty());
}

TEST_F(CheckpointsTest, ListsWhatCannotBeLoadedWithTheReasonAndLoadsTheRest) {
  const auto broken = repository() / "broken";
  for (const char* step : {"pickle", "cut", "setting", "empty"}) {
    WriteTinyModel(broken / step, {.seed = 9});
  }
  std::filesystem::remove(broken / "pickle" / "model.safetensors");
  WriteFile(broken / "pickle" / "pytorch_model.bin", "\x80\x02c__builtin__\neval\n.");
  std::filesystem::resize_file(broken / "cut" / "model.safetensors", 1000);
  WriteFile(broken / "setting" / "config.json", R"({"model_type": "llama"})");
  std::filesystem::remove(broken / "empty" / "model.safetensors");
  StartServer();
  v1::ListCheckpointsRequest request;
  request.set_model("broken");
  const auto list = Unary(checkpoints(), &Stub::ListCheckpoints, request);
  ASSERT_TRUE(list.ok()) << list.status();
  ASSERT_EQ(list->checkpoints_size(), 4);
  std::map<std::string, std::string> why;
  for (const v1::Checkpoint& checkpoint : list->checkpoints()) {
    EXPECT_EQ(checkpoint.state(), v1::CHECKPOINT_STATE_FAILED) << checkpoint.name();
    why[checkpoint.name().substr(std::string("models/broken/checkpoints/").size())] =
        checkpoint.state_message();
  }
  EXPECT_THAT(why["pickle"], HasSubstr("pytorch_model.bin"));
  EXPECT_THAT(why["cut"], HasSubstr("model.safetensors"));
  EXPECT_THAT(why["setting"], HasSubstr("llama"));
  EXPECT_THAT(why["empty"], HasSubstr("pytorch_model.bin.index.json"));
  EXPECT_TRUE(Load("models/a/checkpoints/1").ok());
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
