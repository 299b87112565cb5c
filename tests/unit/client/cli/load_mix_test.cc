#include "client/cli/load_mix.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/error.h"

namespace homolog::cli {
namespace {

using ::testing::HasSubstr;

std::string Refusal(const std::vector<std::string>& parts) {
  const auto mix = ParseLoadMix(parts);
  EXPECT_EQ(ErrorReason(mix.status()), "BAD_MIX");
  return mix.status().ToString();
}

TEST(LoadMixTest, TakesWeightsAndLeavesOutTheRest) {
  const auto mix = ParseLoadMix({"compute=3", "query=8", "list=0"});
  ASSERT_TRUE(mix.ok()) << mix.status();
  EXPECT_EQ(*mix, (LoadMix{8, 0, 0, 0, 0, 0, 0, 3}));
  EXPECT_EQ(*ParseLoadMix({"query=8", "list=4", "get=4", "neuron=2", "table=1", "watch=1"}),
            DefaultLoadMix());
}

TEST(LoadMixTest, RefusesWithWhatWouldBeRight) {
  EXPECT_THAT(Refusal({"query=1", "qery=1"}),
              AllOf(HasSubstr("\"qery=1\""), HasSubstr("query, list, get, neuron, table, watch, "
                                                       "extract, compute")));
  // Follows from compute, and cannot be asked for.
  EXPECT_THAT(Refusal({"cancel=1"}), HasSubstr("must be one of"));
  EXPECT_THAT(Refusal({"query=1", "query=2"}), HasSubstr("only once"));
  for (const char* part :
       {"query", "query=", "query=-1", "query=1.5", "query=1000001", "query=x"}) {
    EXPECT_THAT(Refusal({part}), HasSubstr("must be query=WEIGHT")) << part;
  }
  EXPECT_THAT(Refusal({"query=0"}), HasSubstr("above 0"));
}

TEST(LoadMixTest, DrawsByWeight) {
  const LoadMix mix = *ParseLoadMix({"query=3", "table=1", "compute=2"});
  std::map<LoadCall, int> drawn;
  for (uint64_t number = 0; number < 600; ++number) ++drawn[DrawCall(mix, number)];
  EXPECT_EQ(drawn,
            (std::map<LoadCall, int>{
                {LoadCall::kQuery, 300}, {LoadCall::kTable, 100}, {LoadCall::kCompute, 200}}));
}

}  // namespace
}  // namespace homolog::cli
