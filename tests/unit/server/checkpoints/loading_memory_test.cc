// Loading takes the memory of the weights once, not of the files and the weights.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "server/checkpoints/inspection.h"
#include "server/checkpoints/registry.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"
#include "tests/unit/server/checkpoints/raw_tensors.h"

namespace homolog::checkpoints {
namespace {

using ::homolog::testing::ReadFile;
using ::homolog::testing::ReadTensors;
using ::homolog::testing::TemporaryFolder;
using ::homolog::testing::TorchFileOf;
using ::homolog::testing::WriteFile;
using ::homolog::testing::WriteTinyModel;

// A line of /proc/self/status in bytes; 0 where the system has none.
int64_t StatusBytes(const std::string& key) {
  std::ifstream file("/proc/self/status");
  for (std::string word; file >> word;) {
    int64_t kilobytes = 0;
    if (word == key + ":" && file >> kilobytes) return kilobytes * 1024;
  }
  return 0;
}

// The largest resident memory during `work`, above what was resident before.
int64_t PeakBytes(const std::function<void()>& work) {
  malloc_trim(0);  // what was freed and kept would be taken again without being seen
  std::ofstream("/proc/self/clear_refs") << "5";
  const int64_t before = StatusBytes("VmRSS");
  work();
  return StatusBytes("VmHWM") - before;
}

class LoadingMemoryTest : public ::testing::Test {
 protected:
  void SetUp() override {
#ifdef __SANITIZE_ADDRESS__
    GTEST_SKIP() << "the sanitizer keeps what is freed";
#endif
  }
  LoadingMemoryTest() {
    // 88 MB, a third of it in one weight, as of small GPT-2s.
    WriteTinyModel(
        folder_ / "a/1",
        {.layers = 4, .d_model = 576, .d_mlp = 2304, .context = 256, .vocabulary = 12'000});
    bytes_ = WeightBytes(*ReadConfig((folder_ / "a/1").string())->architecture);
  }
  void ExpectLittleMoreThanTheWeights() {
    ASSERT_GE(bytes_, int64_t{64} << 20);
    MemoryDigestMemo memo;
    Registry registry(*Repository::Open(folder_.path().string()), at::kCPU, 2 * bytes_, &memo);
    CheckpointHandle handle;
    const int64_t peak = PeakBytes([&] { handle = *registry.Acquire({"a", "1"}); });
    EXPECT_GE(peak, bytes_);
    EXPECT_LE(static_cast<double>(peak), 1.2 * static_cast<double>(bytes_));
    RecordProperty("peak_over_weights", std::to_string(static_cast<double>(peak) / bytes_));
  }

  TemporaryFolder folder_;
  int64_t bytes_ = 0;
};

TEST_F(LoadingMemoryTest, IsLittleMoreThanTheWeightsOfSafetensors) {
  ExpectLittleMoreThanTheWeights();
}

TEST_F(LoadingMemoryTest, IsLittleMoreThanTheWeightsOfPyTorchsFile) {
  const std::filesystem::path safetensors = folder_ / "a/1/model.safetensors";
  WriteFile(folder_ / "a/1/pytorch_model.bin", TorchFileOf(ReadTensors(ReadFile(safetensors))));
  std::filesystem::remove(safetensors);
  ExpectLittleMoreThanTheWeights();
}

}  // namespace
}  // namespace homolog::checkpoints
