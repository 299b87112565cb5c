#include "server/engine/device.h"

#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "common/error.h"

namespace homolog::engine {
namespace {

TEST(DeviceTest, KnowsTheCpu) {
  const auto device = ParseDevice("cpu");
  ASSERT_TRUE(device.ok()) << device.status();
  EXPECT_TRUE(device->is_cpu());
  EXPECT_GT(DeviceMemoryBytes(*device), int64_t{1} << 28);
}

TEST(DeviceTest, FindsADeviceByItself) { EXPECT_TRUE(ParseDevice("auto").ok()); }

TEST(DeviceTest, RefusesWhatIsNoDevice) {
  for (const std::string text : {"", "gpu", "cuda", "cuda:", "cuda:-1", "cuda:x", "cuda:9999"}) {
    const auto device = ParseDevice(text);
    ASSERT_FALSE(device.ok()) << text;
    EXPECT_EQ(device.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(ErrorReason(device.status()), "INVALID_DEVICE");
    EXPECT_THAT(std::string(device.status().message()), ::testing::HasSubstr("\"" + text + "\""));
  }
}

TEST(DeviceTest, SetsTheThreads) {
  const int before = at::get_num_threads();
  const auto set = SetThreads(2);
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_EQ(*set, 2);
  EXPECT_EQ(at::get_num_threads(), 2);
  EXPECT_TRUE(SetThreads(before).ok());
}

TEST(DeviceTest, RefusesAbsurdThreads) {
  EXPECT_FALSE(SetThreads(-1).ok());
  EXPECT_FALSE(SetThreads(1025).ok());
}

}  // namespace
}  // namespace homolog::engine
