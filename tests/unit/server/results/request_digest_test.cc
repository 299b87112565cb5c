#include "server/results/request_digest.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "common/digest.h"

namespace homolog::results {
namespace {

using namespace std::string_view_literals;

TEST(RequestDigestTest, IsTheSha256OfItsFieldsWithTheirLengths) {
  RequestDigest digest("correlation/1");
  digest.Add("reference", "ab"sv).Add("seed", int64_t{-7}).Add("rotations", uint64_t{12});
  EXPECT_EQ(digest.Finish(),
            Sha256Hex("algorithm=13:correlation/1\nreference=2:ab\nseed=2:-7\nrotations=2:12\n"));
}

TEST(RequestDigestTest, HasOneNamePerSequenceOfFields) {
  using Fields = std::vector<std::pair<std::string, std::string>>;
  const std::vector<Fields> sequences = {
      {},
      {{"a", ""}},
      {{"a", "b"}},
      {{"b", "a"}},
      {{"ab", ""}},
      {{"a", "bb"}},
      {{"a", "b"}, {"a", "b"}},
      {{"a", "b"}, {"c", "d"}},
      {{"c", "d"}, {"a", "b"}},
      {{"a", "b\nc=1:d"}},  // looks like two fields
      {{"a", "b\nc=1:d\n"}},
      {{"a", "1:b"}},
      {{"a", std::string("b\0", 2)}},
      {{"partner", "x"}, {"partner", "y"}},
      {{"partner", "xy"}},
      {{"partner", "xpartner"}, {"y", ""}},
      {{"algorithm", "t"}},
  };
  std::map<std::string, size_t> seen;
  for (size_t i = 0; i < sequences.size(); ++i) {
    RequestDigest digest("t");
    for (const auto& [key, value] : sequences[i]) digest.Add(key, std::string_view(value));
    const auto [other, fresh] = seen.emplace(digest.Finish(), i);
    EXPECT_TRUE(fresh) << i << " and " << other->second;
  }
}

TEST(RequestDigestTest, KnowsTheAlgorithmsVersion) {
  EXPECT_NE(RequestDigest("correlation/1").Finish(), RequestDigest("correlation/2").Finish());
}

TEST(RequestDigestTest, TellsNumbersApartToTheLastBit) {
  std::map<std::string, double> seen;
  const double half = 0.5;
  for (const double value :
       {half, std::nextafter(half, 1.0), std::nextafter(half, 0.0), -half, 0.0, 0.1, 0.1f * 1.0,
        std::numeric_limits<double>::infinity(), std::numeric_limits<double>::denorm_min()}) {
    EXPECT_TRUE(seen.emplace(RequestDigest("t").Add("v", value).Finish(), value).second) << value;
  }
  EXPECT_EQ(RequestDigest("t").Add("v", 0.1 + 0.2).Finish(),
            RequestDigest("t").Add("v", 0.30000000000000004).Finish());
}

TEST(RequestDigestTest, TakesTheWholeRangeOfIntegers) {
  EXPECT_EQ(RequestDigest("t").Add("v", std::numeric_limits<int64_t>::min()).Finish(),
            RequestDigest("t").Add("v", "-9223372036854775808"sv).Finish());
  EXPECT_EQ(RequestDigest("t").Add("v", std::numeric_limits<uint64_t>::max()).Finish(),
            RequestDigest("t").Add("v", "18446744073709551615"sv).Finish());
}

}  // namespace
}  // namespace homolog::results
