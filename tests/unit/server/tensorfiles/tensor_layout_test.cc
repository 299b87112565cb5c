#include "server/tensorfiles/tensor_layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <string>
#include <vector>

namespace homolog::tensorfiles {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// 0, 1, 2 ... as int16, after one byte that belongs to nobody.
std::string Numbers(int16_t count) {
  std::string bytes = "x";
  for (int16_t i = 0; i < count; ++i) bytes.append(reinterpret_cast<const char*>(&i), 2);
  return bytes;
}

TensorEntry Entry(std::vector<int64_t> shape, std::vector<int64_t> strides, int64_t offset = 0) {
  TensorEntry entry;
  entry.dtype = SafetensorsDtype::kI16;
  entry.shape = std::move(shape);
  entry.strides = std::move(strides);
  entry.begin = 1 + 2 * offset;
  entry.extent = 2;
  return entry;
}

std::vector<int16_t> Copy(const TensorEntry& entry, int64_t first, int64_t count) {
  std::vector<int16_t> copy(static_cast<size_t>(count));
  const std::string bytes = Numbers(100);
  CopyRowMajor(bytes, entry, first, count, reinterpret_cast<char*>(copy.data()));
  return copy;
}

TEST(TensorLayoutTest, CountsElements) {
  EXPECT_EQ(ElementCount({}), 1);
  EXPECT_EQ(ElementCount({2, 3, 4}), 24);
  const int64_t huge = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(ElementCount({huge, 2}), std::nullopt);
  EXPECT_EQ(ElementCount({huge, huge, 0}), 0);
}

TEST(TensorLayoutTest, KnowsRowMajorStrides) {
  EXPECT_THAT(RowMajorStrides({}), IsEmpty());
  EXPECT_THAT(RowMajorStrides({2, 3, 4}), ElementsAre(12, 4, 1));
  EXPECT_THAT(RowMajorStrides({2, 0, 4}), ElementsAre(4, 4, 1));
  const int64_t huge = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(RowMajorStrides({huge, huge, huge, 0}).size(), 4u);
}

TEST(TensorLayoutTest, KnowsWhatLiesInARow) {
  EXPECT_TRUE(IsRowMajor(Entry({}, {})));
  EXPECT_TRUE(IsRowMajor(Entry({2, 3}, {3, 1})));
  EXPECT_TRUE(IsRowMajor(Entry({2, 1, 3}, {3, 99, 1})));
  EXPECT_FALSE(IsRowMajor(Entry({2, 3}, {1, 2})));
  EXPECT_FALSE(IsRowMajor(Entry({2, 3}, {4, 1})));
  EXPECT_FALSE(IsRowMajor(Entry({3}, {0})));
}

TEST(TensorLayoutTest, CopiesWhateverTheStrides) {
  EXPECT_THAT(Copy(Entry({2, 3}, {3, 1}, 5), 0, 6), ElementsAre(5, 6, 7, 8, 9, 10));
  EXPECT_THAT(Copy(Entry({2, 3}, {1, 2}), 0, 6), ElementsAre(0, 2, 4, 1, 3, 5));
  EXPECT_THAT(Copy(Entry({2, 2}, {10, 1}, 3), 0, 4), ElementsAre(3, 4, 13, 14));
  EXPECT_THAT(Copy(Entry({3}, {0}, 9), 0, 3), ElementsAre(9, 9, 9));
  EXPECT_THAT(Copy(Entry({2, 2, 2}, {1, 4, 2}), 0, 8), ElementsAre(0, 2, 4, 6, 1, 3, 5, 7));
  EXPECT_THAT(Copy(Entry({}, {}, 4), 0, 1), ElementsAre(4));
}

TEST(TensorLayoutTest, CopiesAnyPart) {
  const TensorEntry entry = Entry({3, 2, 4}, {1, 40, 5}, 2);
  const std::vector<int16_t> whole = Copy(entry, 0, 24);
  for (int64_t first = 0; first < 24; ++first) {
    for (int64_t count = 0; first + count <= 24; ++count) {
      EXPECT_EQ(Copy(entry, first, count),
                std::vector<int16_t>(whole.begin() + first, whole.begin() + first + count));
    }
  }
}

}  // namespace
}  // namespace homolog::tensorfiles
