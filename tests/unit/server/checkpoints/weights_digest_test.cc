#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/digest.h"
#include "server/checkpoints/inspection.h"
#include "server/checkpoints/weights.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"
#include "tests/unit/server/checkpoints/raw_tensors.h"

namespace homolog::checkpoints {
namespace {

using ::homolog::testing::FileOf;
using ::homolog::testing::Find;
using ::homolog::testing::RawTensor;
using ::homolog::testing::ReadFile;
using ::homolog::testing::ReadTensors;
using ::homolog::testing::TemporaryFolder;
using ::homolog::testing::WriteFile;
using ::homolog::testing::WriteTinyModel;

class WeightsDigestTest : public ::testing::Test {
 protected:
  WeightsDigestTest() {
    WriteTinyModel(folder_.path(), {.layers = 2, .d_model = 48, .d_mlp = 64, .context = 64});
    config_ = *ReadConfig(folder_.path().string());
    tensors_ = ReadTensors(ReadFile(folder_ / "model.safetensors"));
  }
  std::string Digest() {
    WriteFile(folder_ / "model.safetensors", FileOf(tensors_));
    return WeightFiles::Open(folder_.path().string())->Digest(*config_.architecture).value();
  }
  std::string SampleDigest() {
    WriteFile(folder_ / "model.safetensors", FileOf(tensors_));
    return WeightFiles::Open(folder_.path().string())->SampleDigest(*config_.architecture).value();
  }

  TemporaryFolder folder_;
  CheckpointConfig config_;
  std::vector<RawTensor> tensors_;
};

TEST_F(WeightsDigestTest, IsOverNamesDtypesShapesAndBytesByName) {
  std::map<std::string, const RawTensor*> by_name;
  for (const RawTensor& tensor : tensors_) by_name[tensor.name.substr(12)] = &tensor;
  std::string lines;
  for (const auto& [name, tensor] : by_name) {
    absl::StrAppend(&lines, name, " F32 [", absl::StrJoin(tensor->shape, ", "), "] ",
                    Sha256Hex(tensor->bytes), "\n");
  }
  EXPECT_EQ(Digest(), Sha256Hex(lines));
}

TEST_F(WeightsDigestTest, IsTheSameWhateverTheOrderTheMetadataAndTheMasks) {
  const std::string digest = Digest(), sample = SampleDigest();
  std::reverse(tensors_.begin(), tensors_.end());
  tensors_.push_back({"h.0.attn.bias", "BOOL", {3}, std::string(3, '\1')});
  tensors_.push_back({"h.0.attn.mask", "U8", {3}, std::string(3, '\1')});
  EXPECT_EQ(Digest(), digest);
  EXPECT_EQ(SampleDigest(), sample);
}

TEST_F(WeightsDigestTest, ChangesWithEveryWeight) {
  std::set<std::string> digests = {Digest()};
  for (RawTensor& tensor : tensors_) {
    tensor.bytes.back() ^= 1;
    EXPECT_TRUE(digests.insert(Digest()).second) << tensor.name;
    tensor.bytes.back() ^= 1;
  }
}

TEST_F(WeightsDigestTest, SamplesTheMiddleOfLargeWeightsAlone) {
  const std::string sample = SampleDigest();
  RawTensor& large = Find(tensors_, "wte.weight");
  large.bytes.back() ^= 1;
  EXPECT_EQ(SampleDigest(), sample);
  large.bytes[large.bytes.size() / 2] ^= 1;
  EXPECT_NE(SampleDigest(), sample);
}

TEST_F(WeightsDigestTest, SamplesShapesAsWell) {
  const std::string sample = SampleDigest();
  WriteTinyModel(folder_.path(), {.layers = 2, .d_model = 48, .d_mlp = 64, .context = 65});
  config_ = *ReadConfig(folder_.path().string());
  tensors_ = ReadTensors(ReadFile(folder_ / "model.safetensors"));
  EXPECT_NE(SampleDigest(), sample);
}

}  // namespace
}  // namespace homolog::checkpoints
