// `homolog bench load` against homologd.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "tests/support/tiny_model.h"
#include "tests/system/binaries.h"

namespace homolog::testing {
namespace {

using ::testing::HasSubstr;

class BenchLoadTest : public ::testing::Test {
 protected:
  BenchLoadTest() {
    for (const char* model : {"a", "b"}) {
      WriteTinyModel(folder_ / "models" / model / "1", {.seed = model[0] * 1u});
    }
    server_ = std::make_unique<ServerProcess>(folder_);
    server_->WaitUntilReady();
    std::string text;
    for (int i = 0; i < 400; ++i) text += "sentence " + std::to_string(i) + "\n";
    WriteFile(folder_ / "text", text);
    EXPECT_EQ(
        server_
            ->Client({"datasets", "create", "t", "--text", folder_ / "text", "--checkpoint", "a/1"})
            .exit_code,
        0);
    EXPECT_EQ(server_
                  ->Client({"correlations", "compute", "--reference", "a/1", "--partners", "b/1",
                            "--dataset", "t"})
                  .exit_code,
              0);
  }

  TemporaryFolder folder_;
  std::unique_ptr<ServerProcess> server_;
};

TEST_F(BenchLoadTest, MakesCallsOfEveryKindAndCountsThem) {
  const nlohmann::json result = server_->ClientJson(
      {"bench", "load", "--clients", "4", "--duration", "2", "--mix",
       "query=1,list=1,get=1,neuron=1,table=1,watch=1,extract=4,compute=4", "--seed", "3"});
  EXPECT_EQ(result["clients"], 4);
  EXPECT_GE(result["seconds"].get<double>(), 2);
  std::map<std::string, nlohmann::json> calls;
  for (const nlohmann::json& call : result["calls"]) calls[call["call"]] = call;
  int64_t succeeded = 0;
  for (const auto& [name, call] : calls) {
    EXPECT_EQ(call["failed"], 0) << call;
    EXPECT_LE(call["p50_ms"], call["p90_ms"]) << call;
    EXPECT_LE(call["p90_ms"], call["p99_ms"]) << call;
    EXPECT_LE(call["p99_ms"], call["max_ms"]) << call;
    if (name != "all") succeeded += call["succeeded"].get<int64_t>();
  }
  for (const char* name :
       {"query", "list", "get", "neuron", "table", "watch", "extract", "compute"}) {
    ASSERT_EQ(calls.count(name), 1u) << name;
    EXPECT_GT(calls[name]["succeeded"], 0) << name;
  }
  EXPECT_EQ(calls["all"]["succeeded"], succeeded);
  EXPECT_NEAR(calls["all"]["per_second"].get<double>(),
              static_cast<double>(succeeded) / result["seconds"].get<double>(), 0.01);
}

TEST_F(BenchLoadTest, PrintsATableForPeople) {
  const ProcessResult result =
      server_->Client({"bench", "load", "--clients", "2", "--duration", "2", "--mix",
                       "query=1,list=1,get=1,neuron=1,table=1,watch=1"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, ::testing::ContainsRegex("^2 clients, [0-9]+\\.[0-9] s, seed 0\n\n"
                                                   "call +succeeded +failed +per_second "));
  for (const char* name : {"query", "list", "get", "neuron", "table", "watch", "all"}) {
    EXPECT_THAT(result.out, HasSubstr("\n" + std::string(name) + " ")) << name;
  }
}

TEST_F(BenchLoadTest, RefusesWhatItsMixDoesNotUse) {
  const ProcessResult result = server_->Client({"bench", "load", "--dataset", "t"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("--dataset is \"t\""));
}

}  // namespace
}  // namespace homolog::testing
