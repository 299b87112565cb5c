#include "server/engine/torch_errors.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <new>
#include <string>

#include "absl/status/statusor.h"
#include "common/error.h"

namespace homolog::engine {
namespace {

TEST(TorchErrorsTest, PassesOnWhatWentWell) {
  const absl::StatusOr<int> seven = CatchTorch([]() -> absl::StatusOr<int> { return 7; });
  ASSERT_TRUE(seven.ok()) << seven.status();
  EXPECT_EQ(*seven, 7);
}

TEST(TorchErrorsTest, GivesTheFirstLineOfLibtorchsMessage) {
  const absl::Status status = CatchTorch([]() -> absl::Status {
    at::mm(at::zeros({2, 3}), at::zeros({2, 3}));
    return absl::OkStatus();
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_EQ(ErrorReason(status), "TORCH_ERROR");
  const std::string message(status.message());
  EXPECT_THAT(message, ::testing::HasSubstr("2x3"));
  EXPECT_EQ(message.find('\n'), std::string::npos);
}

TEST(TorchErrorsTest, KnowsThatMemoryRanOut) {
  const absl::Status torch = CatchTorch([]() -> absl::Status {
    at::empty({int64_t{1} << 50}, at::kFloat);
    return absl::OkStatus();
  });
  const absl::Status standard = CatchTorch([]() -> absl::Status { throw std::bad_alloc(); });
  for (const absl::Status& status : {torch, standard}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
    EXPECT_EQ(ErrorReason(status), "OUT_OF_MEMORY");
  }
}

}  // namespace
}  // namespace homolog::engine
