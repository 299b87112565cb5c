#include "server/checkpoints/weights.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "server/checkpoints/inspection.h"
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
using ::testing::AllOf;
using ::testing::HasSubstr;

class WeightsTest : public ::testing::Test {
 protected:
  WeightsTest() {
    WriteTinyModel(folder_.path(), {.layers = 1, .d_model = 4, .d_mlp = 6, .context = 8});
    architecture_ = std::move(ReadConfig(folder_.path().string())->architecture);
  }
  std::string WeightsPath() { return (folder_ / "model.safetensors").string(); }
  void Rewrite(const std::function<void(std::vector<RawTensor>&)>& change) {
    std::vector<RawTensor> tensors = ReadTensors(ReadFile(WeightsPath()));
    change(tensors);
    WriteFile(WeightsPath(), FileOf(tensors));
  }
  absl::StatusOr<engine::Weights> Read() {
    const auto files = WeightFiles::Open(folder_.path().string());
    if (!files.ok()) return files.status();
    const absl::Status checked = files->Check(*architecture_);
    auto weights = files->Read(*architecture_, at::kCPU);
    // What the headers say is all that can be wrong: both methods agree.
    EXPECT_EQ(checked, weights.status());
    return weights;
  }
  void ExpectMismatch(const std::string& weight, const std::string& problem) {
    const absl::Status status = Read().status();
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
    EXPECT_EQ(ErrorReason(status), "WEIGHTS_MISMATCH");
    EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr(weight), HasSubstr(problem)));
  }

  TemporaryFolder folder_;
  std::unique_ptr<engine::Architecture> architecture_;
};

TEST_F(WeightsTest, ReadsEveryWeightAsItIsInTheFile) {
  std::vector<RawTensor> tensors = ReadTensors(ReadFile(WeightsPath()));
  const auto weights = Read();
  ASSERT_TRUE(weights.ok()) << weights.status();
  EXPECT_EQ(weights->size(), tensors.size());
  for (const RawTensor& tensor : tensors) {
    const at::Tensor& read = weights->at(tensor.name.substr(strlen("transformer.")));
    EXPECT_EQ(read.sizes().vec(), tensor.shape) << tensor.name;
    EXPECT_EQ(read.scalar_type(), at::kFloat);
    ASSERT_EQ(read.numel() * 4, static_cast<int64_t>(tensor.bytes.size()));
    EXPECT_EQ(std::memcmp(read.data_ptr<float>(), tensor.bytes.data(), tensor.bytes.size()), 0)
        << tensor.name;
  }
}

TEST_F(WeightsTest, KeepsItsWeightsWhereTheFileIsGone) {
  const auto weights = Read();
  ASSERT_TRUE(weights.ok());
  std::vector<RawTensor> tensors = ReadTensors(ReadFile(WeightsPath()));
  std::filesystem::remove(WeightsPath());
  const std::string& bytes = Find(tensors, "wte.weight").bytes;
  EXPECT_EQ(std::memcmp(weights->at("wte.weight").data_ptr<float>(), bytes.data(), bytes.size()),
            0);
}

TEST_F(WeightsTest, ConvertsOtherFloatsToFloat32) {
  const std::vector<float> values = {0.5f, -1.25f, 3.0f, 0.0f};  // exact in all of them
  auto as = [&](const std::string& dtype, at::ScalarType type) {
    const at::Tensor cast = at::tensor(values).to(type);
    Rewrite([&](std::vector<RawTensor>& tensors) {
      RawTensor& bias = Find(tensors, "ln_f.bias");
      bias.dtype = dtype;
      bias.bytes.assign(static_cast<const char*>(cast.data_ptr()), cast.nbytes());
    });
    const auto weights = Read();
    ASSERT_TRUE(weights.ok()) << weights.status();
    EXPECT_TRUE(at::equal(weights->at("ln_f.bias"), at::tensor(values))) << dtype;
  };
  as("F64", at::kDouble);
  as("F16", at::kHalf);
  as("BF16", at::kBFloat16);
}

TEST_F(WeightsTest, ReadsTensorsThatStartAtOddBytes) {
  Rewrite([&](std::vector<RawTensor>& tensors) {
    // A buffer that no model reads pushes all that follow to an odd byte.
    tensors.insert(tensors.begin(), {"h.0.attn.bias", "BOOL", {3}, std::string(3, '\1')});
  });
  std::vector<RawTensor> tensors = ReadTensors(ReadFile(WeightsPath()));
  const auto weights = Read();
  ASSERT_TRUE(weights.ok()) << weights.status();
  const std::string& bytes = Find(tensors, "wte.weight").bytes;
  EXPECT_EQ(std::memcmp(weights->at("wte.weight").data_ptr<float>(), bytes.data(), bytes.size()),
            0);
}

TEST_F(WeightsTest, NamesAWeightThatIsMissing) {
  Rewrite([&](std::vector<RawTensor>& tensors) {
    std::erase_if(tensors,
                  [](const RawTensor& t) { return t.name == "transformer.h.0.mlp.c_fc.weight"; });
  });
  ExpectMismatch("h.0.mlp.c_fc.weight", "is missing; config.json asks for one of shape [4, 6]");
}

TEST_F(WeightsTest, NamesAWeightThatTheConfigDoesNotAskFor) {
  Rewrite([&](std::vector<RawTensor>& tensors) {
    tensors.push_back({"h.1.mlp.c_fc.weight", "F32", {1}, std::string(4, '\0')});
    tensors.push_back({"h.1.mlp.c_fc.bias", "F32", {1}, std::string(4, '\0')});
  });
  ExpectMismatch("h.1.mlp.c_fc.bias", "2 such in all");
}

TEST_F(WeightsTest, LeavesIntegersAloneThatAreNoWeights) {
  Rewrite([&](std::vector<RawTensor>& tensors) {
    tensors.push_back({"transformer.h.0.attn.some_mask", "U8", {3}, std::string(3, '\1')});
    tensors.push_back({"position_ids", "I64", {1}, std::string(8, '\0')});
  });
  EXPECT_TRUE(Read().ok()) << Read().status();
}

TEST_F(WeightsTest, NamesAWeightOfTheWrongShapeWithBothShapes) {
  Rewrite([&](std::vector<RawTensor>& tensors) {
    Find(tensors, "h.0.mlp.c_fc.weight").shape = {6, 4};
  });
  ExpectMismatch("h.0.mlp.c_fc.weight", "has shape [6, 4]; config.json asks for [4, 6]");
  Rewrite(
      [&](std::vector<RawTensor>& tensors) { Find(tensors, "h.0.mlp.c_fc.weight").shape = {24}; });
  ExpectMismatch("h.0.mlp.c_fc.weight", "has shape [24]");
}

TEST_F(WeightsTest, NamesAWeightThatIsNoFloat) {
  Rewrite([&](std::vector<RawTensor>& tensors) { Find(tensors, "ln_f.bias").dtype = "I32"; });
  ExpectMismatch("ln_f.bias", "has dtype I32");
}

TEST_F(WeightsTest, NamesAWeightThatStandsTwiceUnderTwoNames) {
  Rewrite([&](std::vector<RawTensor>& tensors) {
    RawTensor copy = Find(tensors, "wte.weight");
    copy.name = "wte.weight";
    tensors.push_back(copy);
  });
  ExpectMismatch("\"transformer.wte.weight\"", "\"wte.weight\"");
}

TEST_F(WeightsTest, QuotesNamesThatAreNoText) {
  Rewrite([&](std::vector<RawTensor>& tensors) {
    tensors.push_back(
        {absl::StrCat("bad\n\"name", std::string(1000, 'x')), "F32", {1}, std::string(4, '\0')});
  });
  const absl::Status status = Read().status();
  EXPECT_EQ(ErrorReason(status), "WEIGHTS_MISMATCH");
  EXPECT_EQ(status.message().find('\n'), status.message().npos);
  EXPECT_LT(status.message().size(), 400u);
}

TEST_F(WeightsTest, IgnoresBuffersAndACopyOfATiedWeight) {
  Rewrite([&](std::vector<RawTensor>& tensors) {
    tensors.push_back({"lm_head.weight", "F32", {1}, std::string(4, '\0')});
    tensors.push_back({"transformer.h.0.attn.masked_bias", "F32", {}, std::string(4, '\0')});
  });
  EXPECT_TRUE(Read().ok()) << Read().status();
}

TEST_F(WeightsTest, RefusesEveryTruncation) {
  const std::string file = ReadFile(WeightsPath());
  const size_t header = 8 + static_cast<uint8_t>(file[0]) + 256 * static_cast<uint8_t>(file[1]);
  for (const size_t size : {size_t{0}, size_t{7}, size_t{8}, header / 2, header - 1, header,
                            header + 1, file.size() - 1}) {
    WriteFile(WeightsPath(), file.substr(0, size));
    const absl::Status status = Read().status();
    EXPECT_EQ(ErrorReason(status), "MALFORMED_SAFETENSORS") << size << ": " << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("model.safetensors")) << size;
  }
}

TEST_F(WeightsTest, RefusesBytesThatNoTensorOwnsAndAHeaderBeyondTheFile) {
  const std::string file = ReadFile(WeightsPath());
  WriteFile(WeightsPath(), file + "x");
  EXPECT_EQ(ErrorReason(Read().status()), "MALFORMED_SAFETENSORS");
  WriteFile(WeightsPath(), std::string(8, '\xff') + file.substr(8));
  EXPECT_EQ(ErrorReason(Read().status()), "MALFORMED_SAFETENSORS");
}

TEST_F(WeightsTest, NamesTheFolderWithoutWeights) {
  std::filesystem::remove(WeightsPath());
  const absl::Status status = WeightFiles::Open(folder_.path().string()).status();
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_EQ(ErrorReason(status), "WEIGHTS_NOT_FOUND");
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr(folder_.path().string()), HasSubstr("pytorch_model.bin")));
}

TEST_F(WeightsTest, RefusesAFolderInPlaceOfWeights) {
  std::filesystem::remove(WeightsPath());
  std::filesystem::create_directory(WeightsPath());
  EXPECT_EQ(ErrorReason(WeightFiles::Open(folder_.path().string()).status()), "FILE_UNREADABLE");
}

}  // namespace
}  // namespace homolog::checkpoints
