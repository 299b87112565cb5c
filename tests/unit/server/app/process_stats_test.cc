#include "server/app/process_stats.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

namespace homolog::app {
namespace {

double Now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// When this program was loaded, however long other tests have run since.
const double kLoaded = Now();

// What the kernel says; in seconds since 1970.
double BootSeconds() {
  std::ifstream stat("/proc/stat");
  std::string word;
  double seconds = 0;
  while (stat >> word && word != "btime") {
  }
  stat >> seconds;
  return seconds;
}

TEST(ProcessStatsTest, SaysWhenTheProcessStarted) {
  constexpr double kClockSteps = 2;  // clocks of whole seconds on both sides
  const double start = ReadProcessStats().start_seconds;
  ASSERT_GT(BootSeconds(), 0);
  EXPECT_GE(start, BootSeconds() - kClockSteps);
  EXPECT_LE(start, kLoaded + kClockSteps);
  EXPECT_GT(start, kLoaded - 60);
}

TEST(ProcessStatsTest, SaysTheSameStartEachTime) {
  EXPECT_EQ(ReadProcessStats().start_seconds, ReadProcessStats().start_seconds);
}

TEST(ProcessStatsTest, CountsOpenFiles) {
  const int64_t before = ReadProcessStats().open_files;
  EXPECT_GT(before, 0);
  std::vector<int> files;
  for (int i = 0; i < 5; ++i) files.push_back(open("/dev/null", O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(ReadProcessStats().open_files, before + 5);
  for (const int file : files) close(file);
  EXPECT_EQ(ReadProcessStats().open_files, before);
}

TEST(ProcessStatsTest, CountsMemoryInBytes) {
  constexpr int64_t kBytes = int64_t{64} << 20;
  const int64_t before = ReadProcessStats().resident_bytes;
  EXPECT_GT(before, 1 << 20);  // this program alone
  // Not from the heap: that may have it in memory already.
  void* const pages =
      mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(pages, MAP_FAILED);
  std::memset(pages, 1, kBytes);
  EXPECT_GE(ReadProcessStats().resident_bytes, before + kBytes / 2);
  munmap(pages, kBytes);
}

TEST(ProcessStatsTest, CountsCpuTime) {
  const double before = ReadProcessStats().cpu_seconds;
  EXPECT_GE(before, 0);
  volatile double sum = 0;
  while (ReadProcessStats().cpu_seconds < before + 0.05) sum = sum + 1;
  EXPECT_GT(ReadProcessStats().cpu_seconds, before);
}

TEST(ProcessStatsTest, LeavesTheDeviceToOthers) {
  EXPECT_EQ(ReadProcessStats().device_total_bytes, 0);
  EXPECT_EQ(ReadProcessStats().device_used_bytes, 0);
}

}  // namespace
}  // namespace homolog::app
