// `homolog bench load` against a connection that answers as told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "../cpp/mock_connection.h"
#include "client/cli/app.h"
#include "common/error.h"

namespace homolog::cli {
namespace {

using ::testing::_;
using ::testing::HasSubstr;
using ::testing::InvokeWithoutArgs;
using ::testing::NiceMock;
using ::testing::Return;

class BenchLoadTest : public ::testing::Test {
 protected:
  BenchLoadTest() {
    v1::ListCorrelationsResponse list;
    v1::Correlation& correlation = *list.add_correlations();
    correlation.set_name("correlations/c");
    correlation.mutable_reference()->mutable_shape()->set_layers(2);
    correlation.mutable_reference()->mutable_shape()->set_d_mlp(8);
    ON_CALL(*connection_, ListCorrelations(_)).WillByDefault(Return(list));
    v1::ListOperationsResponse operations;
    operations.add_operations()->set_name("operations/o");
    ON_CALL(*connection_, ListOperations(_)).WillByDefault(Return(operations));
    ON_CALL(*connection_, GetCorrelation(_)).WillByDefault(Return(correlation));
  }

  int Run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"bench", "load"});
    out_.str("");
    err_.str("");
    connections_ = 0;
    return RunCommandLine(arguments,
                          {out_, err_, false, [this](const std::string&, const client::Security&) {
                             ++connections_;
                             return connection_;
                           }});
  }

  std::shared_ptr<NiceMock<client::MockConnection>> connection_ =
      std::make_shared<NiceMock<client::MockConnection>>();
  std::ostringstream out_, err_;
  int connections_ = 0;
};

TEST_F(BenchLoadTest, CountsSuccessesAndErrorsByKind) {
  ON_CALL(*connection_, GetNeuron(_))
      .WillByDefault(InvokeWithoutArgs([]() -> absl::StatusOr<v1::NeuronDetail> {
        return ResourceExhausted("TOO_MANY", "too many");
      }));
  ASSERT_EQ(Run({"--clients", "3", "--duration", "0.2", "--mix", "get=1,neuron=1", "-o", "json"}),
            0)
      << err_.str();
  EXPECT_EQ(connections_, 1 + 3);  // the command's own, and one per client
  const auto json = nlohmann::json::parse(out_.str());
  EXPECT_EQ(json["clients"], 3);
  EXPECT_GE(json["seconds"].get<double>(), 0.2);
  ASSERT_EQ(json["calls"].size(), 3u);
  const auto &get = json["calls"][0], &neuron = json["calls"][1], &all = json["calls"][2];
  EXPECT_EQ(get["call"], "get");
  EXPECT_GT(get["succeeded"].get<int>(), 0);
  EXPECT_EQ(get["failed"], 0);
  EXPECT_EQ(neuron["succeeded"], 0);
  EXPECT_EQ(neuron["errors"][0]["code"], "RESOURCE_EXHAUSTED");
  EXPECT_EQ(neuron["errors"][0]["reason"], "TOO_MANY");
  EXPECT_EQ(neuron["errors"][0]["count"], neuron["failed"]);
  EXPECT_EQ(all["call"], "all");
  EXPECT_EQ(all["succeeded"], get["succeeded"]);
  EXPECT_EQ(all["failed"], neuron["failed"]);
}

TEST_F(BenchLoadTest, FailsOnlyWhereNothingSucceeded) {
  ON_CALL(*connection_, GetCorrelation(_))
      .WillByDefault(InvokeWithoutArgs(
          []() -> absl::StatusOr<v1::Correlation> { return absl::UnavailableError("gone"); }));
  EXPECT_EQ(Run({"--clients", "1", "--duration", "0.1", "--mix", "get=1"}), 4);
  EXPECT_THAT(err_.str(), HasSubstr("none succeeded: UNAVAILABLE="));
  EXPECT_THAT(out_.str(), HasSubstr("UNAVAILABLE"));
}

TEST_F(BenchLoadTest, SaysErrorsInEveryLineOfCsv) {
  ASSERT_EQ(Run({"--clients", "1", "--duration", "0.1", "--mix", "get=1", "-o", "csv"}), 0);
  EXPECT_THAT(out_.str(), ::testing::StartsWith("call,succeeded,failed,per_second,p50_ms,p90_ms,"
                                                "p99_ms,max_ms,errors\nget,"));
}

TEST_F(BenchLoadTest, RefusesBadFlagsBeforeAnyCall) {
  EXPECT_CALL(*connection_, ListCorrelations(_)).Times(0);
  for (const std::vector<std::string>& flags :
       std::vector<std::vector<std::string>>{{"--clients", "0"},
                                             {"--clients", "1001"},
                                             {"--duration", "0"},
                                             {"--duration", "nan"},
                                             {"--mix", "get=1,cat=1"},
                                             {"--seed", "-1"}}) {
    EXPECT_EQ(Run(flags), 2) << ::testing::PrintToString(flags);
  }
}

TEST_F(BenchLoadTest, RefusesAMixThatTheServerHasNothingFor) {
  ON_CALL(*connection_, ListCorrelations(_)).WillByDefault(Return(v1::ListCorrelationsResponse()));
  EXPECT_EQ(Run({"--mix", "query=1"}), 5);
  EXPECT_THAT(err_.str(), HasSubstr("no correlation to ask about"));
  EXPECT_EQ(Run({"--mix", "compute=1", "--checkpoints", "a/1", "--dataset", "d"}), 5);
  EXPECT_THAT(err_.str(), HasSubstr("--checkpoints (2 or more)"));
  ON_CALL(*connection_, ListOperations(_)).WillByDefault(Return(v1::ListOperationsResponse()));
  EXPECT_EQ(Run({"--mix", "watch=1"}), 5);
  EXPECT_THAT(err_.str(), HasSubstr("no operation to watch"));
}

}  // namespace
}  // namespace homolog::cli
