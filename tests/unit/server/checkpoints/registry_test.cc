#include "server/checkpoints/registry.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/digest.h"
#include "common/error.h"
#include "server/checkpoints/inspection.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"
#include "tests/unit/server/checkpoints/raw_tensors.h"

namespace homolog::checkpoints {
namespace {

namespace fs = std::filesystem;
using ::homolog::testing::FileOf;
using ::homolog::testing::Find;
using ::homolog::testing::RawTensor;
using ::homolog::testing::ReadFile;
using ::homolog::testing::ReadTensors;
using ::homolog::testing::TemporaryFolder;
using ::homolog::testing::WriteFile;
using ::homolog::testing::WriteShards;
using ::homolog::testing::WriteTinyModel;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Counts, and calls `on_get` at the first Get: the moment in which a checkpoint is loading.
class SpyMemo : public MemoryDigestMemo {
 public:
  std::optional<std::string> Get(const std::string& key) override {
    ++gets;
    if (const auto hook = std::exchange(on_get, nullptr)) hook();
    return MemoryDigestMemo::Get(key);
  }
  void Put(const std::string& key, const std::string& digest) override {
    ++puts;
    MemoryDigestMemo::Put(key, digest);
  }

  std::atomic<int> gets = 0, puts = 0;
  std::function<void()> on_get;
};

class RegistryTest : public ::testing::Test {
 protected:
  RegistryTest() {
    uint64_t seed = 0;
    for (const CheckpointName& name : {a_, b_, c_}) {
      WriteTinyModel(Folder(name), {.layers = 1, .seed = seed++});
    }
    bytes_ = WeightBytes(*ReadConfig(Folder(a_).string())->architecture);
  }
  fs::path Folder(const CheckpointName& name) { return folder_ / name.ToShortString(); }
  std::string Digest(const CheckpointName& name) {
    const std::string folder = Folder(name).string();
    return WeightFiles::Open(folder)->Digest(*ReadConfig(folder)->architecture).value();
  }
  // A registry with room for `models` of the three models.
  std::unique_ptr<Registry> Make(int models) {
    return std::make_unique<Registry>(*Repository::Open(folder_.path().string()), at::kCPU,
                                      models * bytes_, &memo_);
  }
  CheckpointState State(const Registry& registry, const CheckpointName& name) {
    return registry.Describe(name)->state;
  }
  // Writes without replacing the file, at a time that is not that of the write before.
  void WriteInPlace(const CheckpointName& name) {
    const fs::path path = Folder(name) / "model.safetensors";
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-4, std::ios::end);
    file << "abcd";
    file.close();
    fs::last_write_time(path, fs::last_write_time(path) + std::chrono::seconds(1));
  }

  const CheckpointName a_{"a", "1"}, b_{"b", "1"}, c_{"c", "1"};
  TemporaryFolder folder_;
  SpyMemo memo_;
  int64_t bytes_ = 0;
};

TEST_F(RegistryTest, DescribesACheckpointWithoutLoadingIt) {
  const auto registry = Make(1);
  const auto info = registry->Describe(a_);
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->state, CheckpointState::kAvailable);
  EXPECT_EQ(info->parameter_count * 4, bytes_);
  EXPECT_EQ(info->weights_sha256, "");
  EXPECT_EQ(info->description->shape.layers, 1);
  EXPECT_EQ(registry->usage().bytes, 0);
}

TEST_F(RegistryTest, RefusesFilesThatLeadOutOfTheRepository) {
  const TemporaryFolder outside;
  fs::rename(Folder(a_) / "model.safetensors", outside / "weights");
  fs::create_symlink(outside / "weights", Folder(a_) / "model.safetensors");
  const auto registry = Make(3);
  const auto info = registry->Describe(a_);
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->state, CheckpointState::kFailed);
  EXPECT_THAT(info->state_message, AllOf(HasSubstr("model.safetensors"),
                                         HasSubstr(fs::canonical(outside / "weights").string())));
  EXPECT_EQ(ErrorReason(registry->Identify(a_).status()), "CHECKPOINT_INVALID");
  EXPECT_EQ(ErrorReason(registry->Acquire(a_).status()), "CHECKPOINT_INVALID");
  EXPECT_TRUE(registry->Acquire(b_).ok());
}

TEST_F(RegistryTest, LoadsOnceForTwoWhoAskAtOnce) {
  const auto registry = Make(1);
  std::promise<void> loading, go_on;
  memo_.on_get = [&] {
    loading.set_value();
    go_on.get_future().wait();
  };
  auto first = std::async(std::launch::async, [&] { return registry->Acquire(a_); });
  loading.get_future().wait();
  EXPECT_EQ(State(*registry, a_), CheckpointState::kLoading);
  EXPECT_EQ(registry->usage().loading, 1);
  EXPECT_EQ(registry->usage().loaded, 0);
  EXPECT_EQ(ErrorReason(registry->Unload(a_)), "CHECKPOINT_IN_USE");
  const int gets = memo_.gets;
  auto second = std::async(std::launch::async, [&] { return registry->Acquire(a_); });
  EXPECT_EQ(second.wait_for(std::chrono::milliseconds(20)), std::future_status::timeout);
  go_on.set_value();
  const auto one = first.get(), other = second.get();
  ASSERT_TRUE(one.ok()) << one.status();
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_EQ(*one, *other);
  EXPECT_EQ(memo_.gets, gets);  // a second load would have asked again
  EXPECT_EQ(registry->usage().bytes, bytes_);
  EXPECT_EQ(registry->usage().loads, 1);
}

TEST_F(RegistryTest, LoadsOthersMeanwhile) {
  const auto registry = Make(2);
  std::promise<void> loading, go_on;
  memo_.on_get = [&] {
    loading.set_value();
    go_on.get_future().wait();
  };
  auto first = std::async(std::launch::async, [&] { return registry->Acquire(a_); });
  loading.get_future().wait();
  EXPECT_TRUE(registry->Acquire(b_).ok());
  // What is being loaded has its part of the budget and cannot be dropped.
  const auto held = registry->Acquire(b_);
  const absl::Status status = registry->Acquire(c_).status();
  EXPECT_EQ(ErrorReason(status), "MEMORY_BUDGET");
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr(absl::StrCat("needs ", bytes_, " bytes, and 0 of the budget of ",
                                           2 * bytes_)),
                    HasSubstr("others are in use or being loaded")));
  go_on.set_value();
  EXPECT_TRUE(first.get().ok());
}

TEST_F(RegistryTest, SurvivesManyThreadsThatLoadAndUnload) {
  const auto registry = Make(2);
  std::vector<std::future<int>> threads;
  for (int t = 0; t < 4; ++t) {
    threads.push_back(std::async(std::launch::async, [&, t] {
      int loaded = 0;
      for (int i = 0; i < 20; ++i) {
        const CheckpointName name = std::vector{a_, b_, c_}[(t + i) % 3];
        const auto handle = registry->Acquire(name);
        loaded += handle.ok() && (*handle)->info.name == name ? 1 : 0;
        if (i % 4 == 0) registry->Unload(name).IgnoreError();
      }
      return loaded;
    }));
  }
  int loaded = 0;
  for (auto& thread : threads) loaded += thread.get();
  EXPECT_GT(loaded, 0);
  EXPECT_LE(registry->usage().bytes, 2 * bytes_);
  for (const CheckpointName& name : {a_, b_, c_}) EXPECT_TRUE(registry->Unload(name).ok());
  EXPECT_EQ(registry->usage().bytes, 0);
  // Nothing of the budget was lost on the way.
  const auto one = registry->Acquire(a_), other = registry->Acquire(b_);
  EXPECT_TRUE(one.ok() && other.ok());
}

TEST_F(RegistryTest, RefusesToUnloadWhatIsHeld) {
  const auto registry = Make(1);
  auto handle = registry->Acquire(a_);
  ASSERT_TRUE(handle.ok());
  EXPECT_EQ(State(*registry, a_), CheckpointState::kLoaded);
  EXPECT_EQ(ErrorReason(registry->Unload(a_)), "CHECKPOINT_IN_USE");
  handle->reset();
  EXPECT_TRUE(registry->Unload(a_).ok());
  EXPECT_EQ(State(*registry, a_), CheckpointState::kAvailable);
  EXPECT_TRUE(registry->Unload(a_).ok());  // again: nothing to do
  EXPECT_EQ(ErrorReason(registry->Unload({"none", "1"})), "CHECKPOINT_NOT_FOUND");
}

TEST_F(RegistryTest, FreesTheMemoryOfACheckpointWhoseFolderIsGone) {
  const auto registry = Make(1);
  ASSERT_TRUE(registry->Acquire(a_).ok());
  fs::remove_all(Folder(a_));
  EXPECT_EQ(ErrorReason(registry->Acquire(a_).status()), "CHECKPOINT_NOT_FOUND");
  EXPECT_TRUE(registry->Unload(a_).ok());
  EXPECT_EQ(registry->usage().bytes, 0);
}

TEST_F(RegistryTest, DropsTheLeastRecentlyUsedToMakeRoom) {
  const auto registry = Make(2);
  ASSERT_TRUE(registry->Acquire(a_).ok());
  ASSERT_TRUE(registry->Acquire(b_).ok());
  ASSERT_TRUE(registry->Acquire(a_).ok());
  ASSERT_TRUE(registry->Acquire(c_).ok());
  EXPECT_EQ(State(*registry, a_), CheckpointState::kLoaded);
  EXPECT_EQ(State(*registry, b_), CheckpointState::kAvailable);
  EXPECT_EQ(State(*registry, c_), CheckpointState::kLoaded);
  const RegistryUsage usage = registry->usage();
  EXPECT_EQ(usage.loaded, 2);
  EXPECT_EQ(usage.loads, 3);
  EXPECT_EQ(usage.evictions, 1);
  EXPECT_EQ(usage.load_failures, 0);
  EXPECT_GT(usage.last_load_seconds, 0);
}

TEST_F(RegistryTest, DropsNothingForWhatCannotFit) {
  WriteTinyModel(folder_ / "large/1", {.layers = 4, .d_mlp = 4096});
  const auto registry = Make(2);
  const auto held = registry->Acquire(a_);
  ASSERT_TRUE(held.ok() && registry->Acquire(b_).ok());
  const absl::Status status = registry->Acquire({"large", "1"}).status();
  EXPECT_EQ(ErrorReason(status), "MEMORY_BUDGET");
  const int64_t large = WeightBytes(*ReadConfig((folder_ / "large/1").string())->architecture);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr(absl::StrCat("needs ", large, " bytes; the budget is ", 2 * bytes_,
                                     " bytes, so that it never fits")));
  EXPECT_EQ(State(*registry, b_), CheckpointState::kLoaded);
  EXPECT_EQ(registry->usage().evictions, 0);
}

TEST_F(RegistryTest, ReleasesTheBudgetOfALoadThatFailed) {
  const auto registry = Make(1);
  memo_.on_get = [&] { WriteInPlace(a_); };  // the budget is taken, the weights are read
  const absl::Status status = registry->Acquire(a_).status();
  EXPECT_EQ(ErrorReason(status), "CHECKPOINT_INVALID") << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("written to"));
  EXPECT_EQ(State(*registry, a_), CheckpointState::kAvailable);
  EXPECT_TRUE(registry->Acquire(b_).ok());
  const auto again = registry->Acquire(a_);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ((*again)->info.weights_sha256, Digest(a_));
}

TEST_F(RegistryTest, LoadsOnAfterALoadThatThrew) {
  const auto registry = Make(1);
  memo_.on_get = [] { throw std::bad_alloc(); };
  EXPECT_EQ(ErrorReason(registry->Acquire(a_).status()), "OUT_OF_MEMORY");
  EXPECT_EQ(registry->usage().bytes, 0);
  EXPECT_EQ(registry->usage().load_failures, 1);
  EXPECT_EQ(registry->usage().loads, 0);
  EXPECT_TRUE(registry->Acquire(a_).ok());
}

TEST_F(RegistryTest, SaysWhyACheckpointCannotBeLoaded) {
  WriteFile(Folder(a_) / "model.safetensors", "short");
  const auto registry = Make(1);
  const auto info = registry->Describe(a_);
  ASSERT_TRUE(info.ok());
  EXPECT_EQ(info->state, CheckpointState::kFailed);
  EXPECT_THAT(info->state_message, HasSubstr("5 bytes"));
  for (const absl::Status& status :
       {registry->Acquire(a_).status(), registry->Identify(a_).status()}) {
    EXPECT_EQ(ErrorReason(status), "CHECKPOINT_INVALID");
    EXPECT_THAT(std::string(status.message()),
                AllOf(HasSubstr("models/a/checkpoints/1"), HasSubstr("5 bytes")));
  }
}

TEST_F(RegistryTest, HashesWeightsOnceUntilTheyChange) {
  const auto registry = Make(1);
  EXPECT_EQ(registry->Identify(a_)->weights_sha256, Digest(a_));
  EXPECT_EQ(registry->Identify(a_)->weights_sha256, Digest(a_));
  EXPECT_EQ(memo_.puts, 1);
  const std::string before = Digest(a_);
  WriteTinyModel(Folder(a_), {.layers = 1, .seed = 9});
  EXPECT_EQ(registry->Describe(a_)->weights_sha256, "");
  EXPECT_EQ(registry->Identify(a_)->weights_sha256, Digest(a_));
  EXPECT_NE(Digest(a_), before);
  EXPECT_EQ(memo_.puts, 2);
  WriteInPlace(a_);
  EXPECT_EQ(registry->Identify(a_)->weights_sha256, Digest(a_));
  EXPECT_EQ(memo_.puts, 3);
}

TEST_F(RegistryTest, NeverRemembersTheDigestOfOldWeightsForNewOnes) {
  const auto registry = Make(1);
  const std::string before = Digest(a_);
  // Replaced once they are open, before they are hashed: Describe asks first, then Identify.
  memo_.on_get = [&] {
    memo_.on_get = [&] { WriteTinyModel(Folder(a_), {.layers = 1, .seed = 9}); };
  };
  EXPECT_EQ(registry->Identify(a_)->weights_sha256, before);
  EXPECT_EQ(registry->Identify(a_)->weights_sha256, Digest(a_));
  EXPECT_NE(Digest(a_), before);
}

TEST_F(RegistryTest, LoadsAgainWhatWasReplacedOnDisk) {
  const auto registry = Make(1);
  auto old = registry->Acquire(a_);
  ASSERT_TRUE(old.ok());
  WriteTinyModel(Folder(a_), {.layers = 1, .seed = 9});
  EXPECT_EQ(State(*registry, a_), CheckpointState::kAvailable);
  EXPECT_EQ(ErrorReason(registry->Acquire(a_).status()), "CHECKPOINT_IN_USE");
  old->reset();
  const auto loaded = registry->Acquire(a_);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ((*loaded)->info.weights_sha256, Digest(a_));
  EXPECT_EQ(registry->usage().bytes, bytes_);
}

TEST_F(RegistryTest, TellsModelsApartThatDifferInTheirConfigAlone) {
  const auto registry = Make(1);
  const auto before = registry->Acquire(a_);
  ASSERT_TRUE(before.ok());
  const std::string digest = (*before)->info.config_sha256;
  EXPECT_EQ(digest, Sha256Hex(ReadFile(Folder(a_) / "config.json")));
  std::string config = ReadFile(Folder(a_) / "config.json");
  config.replace(config.find("gelu_new"), 8, "relu");
  WriteFile(Folder(a_) / "config.json", config);
  const auto after = registry->Identify(a_);
  ASSERT_TRUE(after.ok());
  EXPECT_EQ(after->weights_sha256, (*before)->info.weights_sha256);
  EXPECT_NE(after->config_sha256, digest);
  EXPECT_EQ(after->description->nonlinearity, "relu");
}

TEST_F(RegistryTest, FlagsCheckpointsOfEqualWeights) {
  for (const char* copy : {"a/2", "d/1"}) {
    fs::create_directories(folder_ / copy);
    fs::copy(Folder(a_), folder_ / copy);
  }
  const CheckpointName other{"a", "2"}, third{"d", "1"}, broken{"broken", "1"};
  WriteFile(Folder(broken) / "config.json", "{}");
  const auto registry = Make(1);
  std::vector<CheckpointInfo> infos;
  for (const CheckpointName& name : {a_, b_, third, broken}) {
    infos.push_back(*registry->Describe(name));
  }
  registry->FindEqualWeights(infos);
  EXPECT_THAT(infos[0].equal_weights, ElementsAre(other, third));
  EXPECT_THAT(infos[1].equal_weights, IsEmpty());
  EXPECT_THAT(infos[2].equal_weights, ElementsAre(a_, other));
  EXPECT_THAT(infos[3].equal_weights, IsEmpty());
  WriteTinyModel(Folder(other), {.layers = 1, .seed = 7});
  registry->FindEqualWeights(infos);
  EXPECT_THAT(infos[0].equal_weights, ElementsAre(third));
}

TEST_F(RegistryTest, TellsWeightsApartByTheirDigestsWhereTheSampleIsEqual) {
  const CheckpointName copy{"a", "2"};
  fs::create_directories(Folder(copy));
  fs::copy(Folder(a_), Folder(copy));
  std::vector<RawTensor> tensors = ReadTensors(ReadFile(Folder(a_) / "model.safetensors"));
  Find(tensors, "wte.weight").bytes.front() ^= 1;  // samples are from the middle
  WriteFile(Folder(copy) / "model.safetensors", FileOf(tensors));
  const auto registry = Make(1);
  std::vector<CheckpointInfo> infos = {*registry->Describe(a_)};
  registry->FindEqualWeights(infos);
  EXPECT_THAT(infos[0].equal_weights, ElementsAre(copy));
  infos = {*registry->Identify(a_)};
  registry->FindEqualWeights(infos);
  EXPECT_THAT(infos[0].equal_weights, ElementsAre(copy));  // one digest says nothing
  ASSERT_TRUE(registry->Identify(copy).ok());
  registry->FindEqualWeights(infos);
  EXPECT_THAT(infos[0].equal_weights, IsEmpty());
}

TEST_F(RegistryTest, SamplesEveryCheckpointOnceUntilItChanges) {
  const auto registry = Make(1);
  std::vector<CheckpointInfo> infos = {*registry->Describe(a_)};
  registry->FindEqualWeights(infos);
  EXPECT_EQ(memo_.puts, 3);
  registry->FindEqualWeights(infos);
  EXPECT_EQ(memo_.puts, 3);
  Make(1)->FindEqualWeights(infos);  // after a restart
  EXPECT_EQ(memo_.puts, 3);
  WriteTinyModel(Folder(b_), {.layers = 1, .seed = 9});
  registry->FindEqualWeights(infos);
  EXPECT_EQ(memo_.puts, 4);
}

TEST_F(RegistryTest, DigestsAgainWhereTheConfigAsksForOtherWeights) {
  const auto registry = Make(1);
  std::vector<RawTensor> tensors = ReadTensors(ReadFile(Folder(a_) / "model.safetensors"));
  RawTensor head = Find(tensors, "wte.weight");
  head.name = "lm_head.weight";
  tensors.push_back(head);
  WriteFile(Folder(a_) / "model.safetensors", FileOf(tensors));
  const std::string tied = registry->Identify(a_)->weights_sha256;
  nlohmann::json config = nlohmann::json::parse(ReadFile(Folder(a_) / "config.json"));
  config["tie_word_embeddings"] = false;
  WriteFile(Folder(a_) / "config.json", config.dump());
  EXPECT_NE(registry->Identify(a_)->weights_sha256, tied);
}

TEST_F(RegistryTest, SeesAShardThatIsAddedLater) {
  std::vector<RawTensor> tensors = ReadTensors(ReadFile(Folder(a_) / "model.safetensors"));
  fs::remove(Folder(a_) / "model.safetensors");
  const std::vector<std::string> shards =
      WriteShards(Folder(a_), "model", ".safetensors", tensors, FileOf);
  const std::string last = ReadFile(Folder(a_) / shards.back());
  fs::remove(Folder(a_) / shards.back());
  const auto registry = Make(1);
  EXPECT_EQ(registry->Describe(a_)->state, CheckpointState::kFailed);
  EXPECT_THAT(registry->Describe(a_)->state_message, HasSubstr(shards.back()));
  WriteFile(Folder(a_) / shards.back(), last);
  EXPECT_EQ(registry->Describe(a_)->state, CheckpointState::kAvailable);
  EXPECT_TRUE(registry->Acquire(a_).ok());
}

TEST_F(RegistryTest, GivesAModelThatWorks) {
  const auto registry = Make(1);
  const auto handle = registry->Acquire(a_);
  ASSERT_TRUE(handle.ok());
  EXPECT_EQ((*handle)->info.device_bytes, bytes_);
  const engine::Model& model = *(*handle)->model;
  const at::Tensor hidden = model.Hidden(at::zeros({1, 4}, at::kLong), {});
  EXPECT_TRUE(at::isfinite(model.Logits(hidden)).all().item<bool>());
}

}  // namespace
}  // namespace homolog::checkpoints
