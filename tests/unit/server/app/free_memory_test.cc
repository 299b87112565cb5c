#include "server/app/free_memory.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "server/app/process_stats.h"

namespace homolog::app {
namespace {

double ResidentMib() { return static_cast<double>(ReadProcessStats().resident_bytes) / (1 << 20); }

TEST(ReturnFreeMemoryTest, GivesBackWhatLiesBelowAnAllocationThatLives) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer's allocator is not glibc's";
#endif
  constexpr size_t kBytes = 64 << 10;
  std::vector<std::unique_ptr<char[]>> blocks(2048);
  std::unique_ptr<char[]> last;
  // In the heap of a thread of its own, as those of a computation are.
  std::thread([&] {
    for (auto& block : blocks) {
      block = std::make_unique<char[]>(kBytes);
      std::memset(block.get(), 1, kBytes);
    }
    last = std::make_unique<char[]>(kBytes);
  }).join();
  blocks.clear();
  const double kept = ResidentMib();
  ReturnFreeMemory();
  EXPECT_LT(ResidentMib(), kept - 60);
}

}  // namespace
}  // namespace homolog::app
