#include "server/checkpoints/parallel.h"

#include <gtest/gtest.h>

#include <chrono>
#include <latch>
#include <stdexcept>
#include <thread>
#include <vector>

namespace homolog::checkpoints {
namespace {

// Whether `latch` opens within ten seconds, which only a machine that stands still would exceed.
bool Opens(std::latch& latch) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!latch.try_wait()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

class ParallelTest : public testing::Test {
 protected:
  void SetUp() override { at::set_num_threads(2); }
  void TearDown() override { at::set_num_threads(threads_); }

 private:
  const int threads_ = at::get_num_threads();
};

TEST_F(ParallelTest, BodiesRunAtTheSameTime) {
  std::latch both_there(2);
  std::atomic<int> met = 0;
  ForEach(2, [&](int64_t) {
    both_there.count_down();
    met += Opens(both_there);
  });
  EXPECT_EQ(met, 2) << "each body ran to its end before the other began";
}

TEST_F(ParallelTest, EachNumberIsCalledOnce) {
  std::vector<std::atomic<int>> calls(1000);
  ForEach(1000, [&](int64_t i) { ++calls[i]; });
  for (const auto& count : calls) EXPECT_EQ(count, 1);
}

TEST_F(ParallelTest, AnExceptionOfABodyComesOut) {
  EXPECT_THROW(ForEach(8,
                       [](int64_t i) {
                         if (i == 5) throw std::runtime_error("five");
                       }),
               std::runtime_error);
}

TEST_F(ParallelTest, NothingIsCalledForNone) {
  ForEach(0, [](int64_t) { FAIL(); });
}

}  // namespace
}  // namespace homolog::checkpoints
