// `homolog bench load` against a connection that answers as told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <nlohmann/json.hpp>
#include <sstream>

#include "../cpp/mock_connection.h"
#include "client/cli/app.h"
#include "common/error.h"

namespace homolog::cli {
namespace {

using ::testing::_;
using ::testing::ContainsRegex;
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
            5);  // RESOURCE_EXHAUSTED
  EXPECT_THAT(err_.str(), ContainsRegex("homolog: RESOURCE_EXHAUSTED: [0-9]+ of [0-9]+ calls "
                                        "failed: RESOURCE_EXHAUSTED:TOO_MANY=[0-9]+\n"));
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

TEST_F(BenchLoadTest, EndsWithTheCodeOfTheMostFrequentError) {
  // Four of seven are refused, for two reasons, neither as frequent as a server that is not there.
  constexpr const char* kReasons[] = {"ONE", "OTHER", "", "", "ONE", "OTHER", ""};
  size_t calls = 0;
  ON_CALL(*connection_, GetCorrelation(_))
      .WillByDefault(InvokeWithoutArgs([&]() -> absl::StatusOr<v1::Correlation> {
        const std::string reason = kReasons[calls++ % std::size(kReasons)];
        if (reason.empty()) return absl::UnavailableError("gone");
        return MakeError(absl::StatusCode::kPermissionDenied, reason, "no");
      }));
  EXPECT_EQ(Run({"--clients", "1", "--duration", "0.2", "--mix", "get=1"}), 6);
  EXPECT_THAT(err_.str(), HasSubstr("homolog: PERMISSION_DENIED: "));
  EXPECT_THAT(err_.str(), HasSubstr("PERMISSION_DENIED:ONE="));
  EXPECT_THAT(err_.str(), HasSubstr("UNAVAILABLE="));
  EXPECT_THAT(out_.str(), HasSubstr("UNAVAILABLE"));
}

TEST_F(BenchLoadTest, ReportsWhatItHasSeenWhenInterrupted) {
  // Of calls that fail, too: that the load was cut short says more.
  std::atomic_flag interrupted;
  ON_CALL(*connection_, GetCorrelation(_))
      .WillByDefault(InvokeWithoutArgs([&interrupted]() -> absl::StatusOr<v1::Correlation> {
        if (!interrupted.test_and_set()) std::raise(SIGINT);
        return absl::UnavailableError("gone");
      }));
  EXPECT_EQ(Run({"--clients", "2", "--duration", "600", "--mix", "get=1"}), 130);
  EXPECT_THAT(out_.str(), HasSubstr("2 clients, "));
  EXPECT_THAT(out_.str(), HasSubstr("\nget "));
  EXPECT_EQ(err_.str(), "homolog: CANCELLED: interrupted\n");
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

TEST_F(BenchLoadTest, RefusesFlagsThatTheMixDoesNotUse) {
  EXPECT_CALL(*connection_, ListCorrelations(_)).Times(0);
  EXPECT_CALL(*connection_, GetCorrelation(_)).Times(0);
  const auto refusal = [this](const std::vector<std::string>& flags) {
    EXPECT_EQ(Run(flags), 2) << ::testing::PrintToString(flags);
    return err_.str();
  };
  EXPECT_THAT(refusal({"--dataset", "d"}), HasSubstr("--dataset is \"d\""));
  EXPECT_THAT(err_.str(), HasSubstr("give extract or compute a weight in --mix"));
  EXPECT_THAT(refusal({"--mix", "get=1,compute=0", "--dataset", "d"}), HasSubstr("--dataset is"));
  EXPECT_THAT(refusal({"--mix", "query=1", "--checkpoints", "a/1,b/1"}),
              HasSubstr("--checkpoints is \"a/1,b/1\""));
  EXPECT_THAT(err_.str(), HasSubstr("give extract or compute a weight in --mix"));
  EXPECT_THAT(refusal({"--mix", "extract=1", "--checkpoints", "a/1,b/1"}),
              HasSubstr("--checkpoints is \"b/1\""));
  EXPECT_THAT(err_.str(), HasSubstr("extract runs the first checkpoint alone"));
  EXPECT_THAT(refusal({"--mix", "list=1,watch=1", "--correlation", "c"}),
              HasSubstr("--correlation is \"c\""));
  EXPECT_THAT(err_.str(), HasSubstr("give query, get, neuron, table, extract or compute a weight"));
  EXPECT_THAT(refusal({"--mix", "compute=1", "--correlation", "c", "--dataset", "d",
                       "--checkpoints", "a/1,b/1"}),
              HasSubstr("leave out --dataset or --checkpoints"));
}

TEST_F(BenchLoadTest, TakesFlagsThatTheMixUses) {
  // Compute finds its data set in the correlation, and its checkpoints beside it.
  v1::Operation operation;
  operation.set_state(v1::OPERATION_STATE_SUCCEEDED);
  EXPECT_CALL(*connection_, ComputeCorrelations(_))
      .WillRepeatedly([&operation](const v1::ComputeCorrelationsRequest& request) {
        EXPECT_EQ(request.reference(), "models/a/checkpoints/1");
        EXPECT_EQ(request.partners_size(), 1);
        EXPECT_EQ(request.dataset(), "datasets/c-text");
        return operation;
      });
  v1::Correlation correlation;
  correlation.set_name("correlations/c");
  correlation.mutable_reference()->set_name("models/a/checkpoints/1");
  correlation.set_dataset("datasets/c-text");
  ON_CALL(*connection_, GetCorrelation(_)).WillByDefault(Return(correlation));
  EXPECT_EQ(Run({"--clients", "1", "--duration", "0.1", "--mix", "compute=1", "--correlation", "c",
                 "--checkpoints", "a/1,b/1"}),
            0)
      << err_.str();
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
