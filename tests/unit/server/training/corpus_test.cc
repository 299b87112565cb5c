#include "server/training/corpus.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "common/digest.h"
#include "common/error.h"
#include "temporary_folder.h"

namespace homolog::training {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// Bytes that tell where they stand: 0, 1, ... 249.
std::string Ramp() {
  std::string text(250, '\0');
  for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i);
  return text;
}

class CorpusTest : public ::testing::Test {
 protected:
  // 50 of the 250 bytes are held out.
  Corpus Read(int64_t context) {
    auto corpus = Corpus::Read(folder_.Write("text", Ramp()), 0.2, context);
    EXPECT_TRUE(corpus.ok()) << corpus.status();
    return *std::move(corpus);
  }
  TemporaryFolder folder_;
};

TEST_F(CorpusTest, SamplesRunsOfBytesOutsideTheHeldOutTail) {
  std::mt19937_64 random(1);
  const at::Tensor tokens = Read(4).Sample(2000, random);
  EXPECT_EQ(tokens.sizes(), at::IntArrayRef({2000, 5}));
  EXPECT_EQ(tokens.scalar_type(), at::kLong);
  EXPECT_TRUE((tokens.narrow(1, 1, 4) - tokens.narrow(1, 0, 4)).eq(1).all().item<bool>());
  EXPECT_EQ(tokens.min().item<int64_t>(), 0) << "the first byte is sampled";
  EXPECT_EQ(tokens.max().item<int64_t>(), 199) << "and the last one before the tail";
}

TEST_F(CorpusTest, SpreadsTheHeldOutWindowsOverTheTail) {
  const at::Tensor all = Read(4).HeldOut(100);
  EXPECT_EQ(all.sizes(), at::IntArrayRef({10, 5}));
  EXPECT_TRUE(all.flatten().equal(at::arange(200, 250, at::kLong)));
  const at::Tensor some = Read(4).HeldOut(3);
  EXPECT_TRUE(some.select(1, 0).equal(at::tensor({200, 215, 230}, at::kLong)));
}

TEST_F(CorpusTest, ReadsBytesAbove127AsPositiveTokens) {
  EXPECT_GE(Read(4).HeldOut(100).min().item<int64_t>(), 200);
}

TEST_F(CorpusTest, KnowsItsDigest) { EXPECT_EQ(Read(4).digest(), Sha256Hex(Ramp())); }

TEST_F(CorpusTest, RefusesATextThatIsNotThere) {
  for (const std::string& path : {folder_.path().string(), folder_.path().string() + "/none"}) {
    const auto corpus = Corpus::Read(path, 0.2, 4);
    ASSERT_FALSE(corpus.ok());
    EXPECT_EQ(corpus.status().code(), absl::StatusCode::kNotFound);
    EXPECT_THAT(std::string(corpus.status().message()), HasSubstr(path));
  }
}

TEST_F(CorpusTest, RefusesATextThatIsTooShort) {
  for (const std::string& text : {std::string(), std::string("abc"), Ramp()}) {
    const auto corpus = Corpus::Read(folder_.Write("text", text), 0.2, 64);
    ASSERT_FALSE(corpus.ok());
    EXPECT_EQ(corpus.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(ErrorReason(corpus.status()), "TEXT_TOO_SHORT");
    EXPECT_THAT(std::string(corpus.status().message()),
                AllOf(HasSubstr(std::to_string(text.size()) + " bytes"), HasSubstr("65")));
  }
}

}  // namespace
}  // namespace homolog::training
