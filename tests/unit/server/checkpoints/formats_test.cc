// The same weights in every form in which a folder may hold them.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "common/error.h"
#include "server/checkpoints/inspection.h"
#include "server/checkpoints/weights.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"
#include "tests/unit/server/checkpoints/raw_tensors.h"

namespace homolog::checkpoints {
namespace {

namespace fs = std::filesystem;
using ::homolog::testing::FileOf;
using ::homolog::testing::Find;
using ::homolog::testing::PickleOf;
using ::homolog::testing::RawTensor;
using ::homolog::testing::ReadFile;
using ::homolog::testing::ReadTensors;
using ::homolog::testing::StateDictProgram;
using ::homolog::testing::TemporaryFolder;
using ::homolog::testing::TorchFile;
using ::homolog::testing::TorchFileOf;
using ::homolog::testing::TorchTensor;
using ::homolog::testing::WriteFile;
using ::homolog::testing::WriteShards;
using ::homolog::testing::WriteTinyModel;
using ::testing::HasSubstr;

class FormatsTest : public ::testing::Test {
 protected:
  FormatsTest() {
    WriteTinyModel(folder_.path(), {.layers = 2, .d_model = 8, .d_mlp = 12, .context = 8});
    tensors_ = ReadTensors(ReadFile(folder_ / "model.safetensors"));
    expected_ = Read();
    digest_ = Digest();
    fs::remove(folder_ / "model.safetensors");
  }
  std::string Folder() { return folder_.path().string(); }
  engine::Weights Read() {
    const auto weights = TryRead();
    if (!weights.ok()) throw std::runtime_error(weights.status().ToString());
    return *weights;
  }
  absl::StatusOr<engine::Weights> TryRead() {
    const CheckpointConfig config = *ReadConfig(Folder());
    const auto files = WeightFiles::Open(Folder());
    if (!files.ok()) return files.status();
    return files->Read(*config.architecture, at::kCPU);
  }
  std::string Digest() {
    return WeightFiles::Open(Folder())->Digest(*ReadConfig(Folder())->architecture).value();
  }
  // The weights are `expected_` within `tolerance`, relative to the largest.
  void ExpectWeights(double tolerance) {
    const engine::Weights weights = Read();
    ASSERT_EQ(weights.size(), expected_.size());
    for (const auto& [name, tensor] : expected_) {
      const at::Tensor& found = weights.at(name);
      ASSERT_EQ(found.sizes(), tensor.sizes()) << name;
      EXPECT_EQ(found.scalar_type(), at::kFloat);
      EXPECT_TRUE(found.is_contiguous());
      const double largest = tensor.abs().max().item<double>();
      EXPECT_LE((found - tensor).abs().max().item<double>(), tolerance * largest) << name;
    }
  }
  // The tensors in another dtype.
  std::vector<RawTensor> As(const std::string& dtype, at::ScalarType type) {
    std::vector<RawTensor> tensors = tensors_;
    for (RawTensor& tensor : tensors) {
      const at::Tensor cast =
          at::from_blob(tensor.bytes.data(), tensor.shape, at::kFloat).to(type).contiguous();
      tensor.dtype = dtype;
      tensor.bytes.assign(static_cast<const char*>(cast.data_ptr()), cast.nbytes());
    }
    return tensors;
  }

  TemporaryFolder folder_;
  std::vector<RawTensor> tensors_;
  engine::Weights expected_;
  std::string digest_;
};

TEST_F(FormatsTest, ReadsPyTorchsFile) {
  WriteFile(folder_ / "pytorch_model.bin", TorchFileOf(tensors_));
  ExpectWeights(0);
  EXPECT_EQ(Digest(), digest_);
}

TEST_F(FormatsTest, ReadsThreeShardsOfBothFormats) {
  WriteShards(folder_.path(), "pytorch_model", ".bin", tensors_, TorchFileOf);
  ExpectWeights(0);
  EXPECT_EQ(Digest(), digest_);
  fs::remove(folder_ / "pytorch_model.bin.index.json");
  WriteShards(folder_.path(), "model", ".safetensors", tensors_, FileOf);
  ExpectWeights(0);
  EXPECT_EQ(Digest(), digest_);
}

TEST_F(FormatsTest, ReadsOtherFloatsWithinTheirRounding) {
  const std::tuple<const char*, at::ScalarType, double> dtypes[] = {
      {"F64", at::kDouble, 0}, {"F16", at::kHalf, 1.0 / 2048}, {"BF16", at::kBFloat16, 1.0 / 256}};
  for (const auto& [name, type, tolerance] : dtypes) {
    WriteFile(folder_ / "model.safetensors", FileOf(As(name, type)));
    ExpectWeights(tolerance);
    const std::string digest = Digest();
    fs::remove(folder_ / "model.safetensors");
    WriteFile(folder_ / "pytorch_model.bin", TorchFileOf(As(name, type)));
    ExpectWeights(tolerance);
    EXPECT_EQ(Digest(), digest);
    EXPECT_NE(digest, digest_) << "other bytes are other weights";
  }
}

TEST_F(FormatsTest, ReadsNamesWithAndWithoutTheirPrefix) {
  for (RawTensor& tensor : tensors_) tensor.name = tensor.name.substr(strlen("transformer."));
  WriteFile(folder_ / "model.safetensors", FileOf(tensors_));
  ExpectWeights(0);
  EXPECT_EQ(Digest(), digest_);
}

TEST_F(FormatsTest, ReadsATiedOutputThatStandsInTheFileAsWell) {
  RawTensor head = Find(tensors_, "wte.weight");
  head.name = "lm_head.weight";
  tensors_.push_back(head);
  for (const auto& [file, bytes] : {std::pair("model.safetensors", FileOf(tensors_)),
                                    std::pair("pytorch_model.bin", TorchFileOf(tensors_))}) {
    WriteFile(folder_ / file, bytes);
    ExpectWeights(0);
    EXPECT_EQ(Digest(), digest_);
    fs::remove(folder_ / file);
  }
}

TEST_F(FormatsTest, ReadsTransposedWeights) {
  std::vector<TorchTensor> described;
  std::map<std::string, std::string> storages;
  for (const RawTensor& tensor : tensors_) {
    const std::string key = std::to_string(storages.size());
    const int64_t elements = static_cast<int64_t>(tensor.bytes.size()) / 4;
    TorchTensor torch = {.name = tensor.name,
                         .shape = tensor.shape,
                         .strides = {1},
                         .storage = key,
                         .elements = elements};
    storages[key] = tensor.bytes;
    if (tensor.shape.size() == 2) {
      // As a Linear's weight that was transposed without a copy.
      const at::Tensor turned =
          at::from_blob(storages[key].data(), tensor.shape, at::kFloat).t().contiguous();
      storages[key].assign(static_cast<const char*>(turned.data_ptr()), turned.nbytes());
      torch.strides = {1, tensor.shape[0]};
    }
    described.push_back(torch);
  }
  WriteFile(folder_ / "pytorch_model.bin",
            TorchFile(PickleOf(StateDictProgram(described)), storages));
  ExpectWeights(0);
  EXPECT_EQ(Digest(), digest_);
}

TEST_F(FormatsTest, NamesWhatIsMissingOrTooMuchInPyTorchsFile) {
  std::vector<RawTensor> fewer = tensors_, more = tensors_;
  std::erase_if(fewer, [](const RawTensor& t) { return t.name == "transformer.ln_f.bias"; });
  WriteFile(folder_ / "pytorch_model.bin", TorchFileOf(fewer));
  EXPECT_THAT(std::string(TryRead().status().message()), HasSubstr("\"ln_f.bias\" is missing"));
  more.push_back({"h.7.x", "F16", {1}, "12"});
  WriteFile(folder_ / "pytorch_model.bin", TorchFileOf(more));
  EXPECT_THAT(std::string(TryRead().status().message()), HasSubstr("\"h.7.x\" is none"));
  EXPECT_EQ(ErrorReason(TryRead().status()), "WEIGHTS_MISMATCH");
}

// What PyTorch wrote of Hugging Face's models, with the masks of old checkpoints.
TEST_F(FormatsTest, ReadsGoldenCheckpointsThroughPyTorchsFileAlone) {
  const std::string golden = std::string(std::getenv("HOMOLOG_TEST_DATA")) + "/golden/";
  for (const std::string model : {"gpt2", "gpt2_relu_wide_mlp", "gpt2_scaled_attention"}) {
    WriteFile(folder_ / "config.json", ReadFile(golden + model + "/config.json"));
    WriteFile(folder_ / "model.safetensors", ReadFile(golden + model + "/model.safetensors"));
    expected_ = Read();
    digest_ = Digest();
    fs::remove(folder_ / "model.safetensors");
    WriteFile(folder_ / "pytorch_model.bin", ReadFile(golden + model + "/pytorch_model.bin"));
    ExpectWeights(0);
    EXPECT_EQ(Digest(), digest_);
    fs::remove(folder_ / "pytorch_model.bin");
  }
}

}  // namespace
}  // namespace homolog::checkpoints
