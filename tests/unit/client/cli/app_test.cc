// Whole command lines, against a connection that answers as told.
#include "client/cli/app.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <sstream>

#include "../cpp/mock_connection.h"
#include "client/cli/json.h"
#include "common/error.h"

namespace homolog::cli {
namespace {

using ::testing::_;
using ::testing::HasSubstr;
using ::testing::Return;
using ::testing::StartsWith;

class AppTest : public ::testing::Test {
 protected:
  void SetUp() override { unsetenv("HOMOLOG_SERVER"); }

  int Run(const std::vector<std::string>& arguments) {
    out_.str("");
    err_.str("");
    return RunCommandLine(arguments, {out_, err_, false, [this](const std::string& server) {
                                        server_ = server;
                                        return connection_;
                                      }});
  }
  // Expects `correlations/c` with two partners.
  void ExpectCorrelation() {
    v1::Correlation correlation;
    correlation.set_name("correlations/c");
    correlation.add_partners()->set_name("models/b/checkpoints/1");
    correlation.add_partners()->set_name("models/c/checkpoints/1");
    EXPECT_CALL(*connection_, GetCorrelation(_)).WillRepeatedly(Return(correlation));
  }

  std::shared_ptr<::testing::StrictMock<client::MockConnection>> connection_ =
      std::make_shared<::testing::StrictMock<client::MockConnection>>();
  std::ostringstream out_;
  std::ostringstream err_;
  std::string server_;
};

v1::QueryUniversalNeuronsResponse NeuronPage(int neuron, const std::string& next) {
  v1::QueryUniversalNeuronsResponse page;
  v1::Neuron& item = *page.add_neurons();
  item.set_layer(1);
  item.set_neuron(neuron);
  item.set_max_corr(0.75);
  item.set_max_sim_layer(2);
  item.set_max_sim_neuron(8);
  item.set_min_corr(-0.25);
  item.set_baseline(0.125);
  item.set_excess_corr(0.625);
  item.add_partners()->set_excess_corr(0.5);
  item.add_partners()->set_excess_corr(0.75);
  page.set_next_page_token(next);
  page.set_total_size(2);
  return page;
}

TEST_F(AppTest, ExplainsItself) {
  EXPECT_EQ(Run({"--help"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("checkpoints"));
  EXPECT_THAT(out_.str(), HasSubstr("Exit codes:"));
  EXPECT_EQ(Run({"neurons", "query", "--help"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("--threshold"));
  EXPECT_EQ(Run({"--version"}), 0);
  EXPECT_THAT(out_.str(), StartsWith("homolog "));
}

TEST_F(AppTest, EndsBadUsageWith2AndWithoutASingleCall) {
  const std::vector<std::vector<std::string>> lines = {
      {},
      {"checkpoints"},
      {"cats", "list"},
      {"checkpoints", "show"},
      {"checkpoints", "show", "not-a-checkpoint"},
      {"checkpoints", "list", "extra"},
      {"checkpoints", "list", "-o", "xml"},
      {"datasets", "create", "x", "--checkpoint", "a/1"},
      {"datasets", "create", "x", "--checkpoint", "a/1", "--text", "t", "--tokens", "t"},
      {"datasets", "create", "a/b", "--checkpoint", "a/1", "--text", "t"},
      {"datasets", "show", "operations/x"},
      {"activations", "extract", "--checkpoint", "a/1", "--dataset", "d"},
      {"activations", "extract", "--checkpoint", "a/1", "--dataset", "d", "--out", "o", "--layers",
       "x"},
      {"correlations", "compute", "--reference", "a/1", "--dataset", "d"},
      {"correlations", "compute", "--reference", "a/1", "--partners", "b/1", "--dataset", "d",
       "--pairing", "worst"},
      {"correlations", "compute", "--reference", "a/1", "--partners", "b/1", "--dataset", "d",
       "--seed", "-1"},
      {"neurons", "query", "--correlation", "c", "--threshold", "high"},
      {"neurons", "query", "--correlation", "c", "--page-size", "5000000000"},
      {"neurons", "query", "--correlation", "c", "--page-size", "1.5"},
      {"neurons", "query", "--correlation", "c", "--page-size", ""},
      {"neurons", "query", "--correlation"},
      {"ablations", "run", "--checkpoint", "a/1", "--dataset", "d", "--neurons", "universal"},
      {"operations", "wait"},
  };
  for (const auto& line : lines) {
    EXPECT_EQ(Run(line), 2) << ::testing::PrintToString(line);
    EXPECT_THAT(err_.str(), StartsWith("homolog: INVALID_ARGUMENT: "));
    EXPECT_EQ(out_.str(), "");
  }
}

TEST_F(AppTest, FindsTheServerByFlagThenEnvironmentThenDefault) {
  EXPECT_CALL(*connection_, ListDatasets(_)).WillRepeatedly(Return(v1::ListDatasetsResponse()));
  Run({"datasets", "list"});
  EXPECT_EQ(server_, "localhost:7431");
  setenv("HOMOLOG_SERVER", "env:1", 1);
  Run({"datasets", "list"});
  EXPECT_EQ(server_, "env:1");
  for (const auto& line :
       std::vector<std::vector<std::string>>{{"--server", "flag:2", "datasets", "list"},
                                             {"datasets", "--server", "flag:2", "list"},
                                             {"datasets", "list", "--server", "flag:2"},
                                             {"datasets", "list", "--server=flag:2"}}) {
    EXPECT_EQ(Run(line), 0) << err_.str();
    EXPECT_EQ(server_, "flag:2");
  }
}

TEST_F(AppTest, PrintsErrorsAndTheirExitCodes) {
  EXPECT_CALL(*connection_, GetDataset(_))
      .WillOnce(Return(NotFound("DATASET_NOT_FOUND", "no data set pile")))
      .WillOnce(Return(ResourceExhausted("QUEUE_FULL", "full")));
  EXPECT_EQ(Run({"datasets", "show", "pile"}), 3);
  EXPECT_EQ(err_.str(), "homolog: NOT_FOUND: no data set pile\n");
  EXPECT_EQ(out_.str(), "");
  EXPECT_EQ(Run({"datasets", "show", "pile"}), 5);
}

TEST_F(AppTest, SaysWhichServerItCannotReach) {
  EXPECT_CALL(*connection_, ListDatasets(_)).WillOnce(Return(absl::UnavailableError("refused")));
  EXPECT_EQ(Run({"datasets", "list", "--server", "gpu:7431"}), 4);
  EXPECT_THAT(err_.str(), StartsWith("homolog: UNAVAILABLE: cannot reach a Homolog server at gpu"));
}

TEST_F(AppTest, FailsWhereStandardOutputFails) {
  EXPECT_CALL(*connection_, ListDatasets(_)).WillOnce(Return(v1::ListDatasetsResponse()));
  out_.setstate(std::ios::badbit);
  EXPECT_EQ(Run({"datasets", "list"}), 1);
}

TEST_F(AppTest, PrintsAListAsTheListResponse) {
  v1::ListCheckpointsResponse list;
  list.add_checkpoints()->set_name("models/a/checkpoints/1");
  EXPECT_CALL(*connection_, ListCheckpoints(_))
      .WillRepeatedly([&](const v1::ListCheckpointsRequest& request) {
        EXPECT_EQ(request.model(), "a");
        return list;
      });
  EXPECT_EQ(Run({"checkpoints", "list", "--model", "a", "-o", "json"}), 0);
  EXPECT_EQ(out_.str(), Json(list));
  EXPECT_EQ(Run({"checkpoints", "list", "--model", "a"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("\na/1 "));
}

TEST_F(AppTest, ExpandsShortNames) {
  EXPECT_CALL(*connection_, LoadCheckpoint(_))
      .Times(2)
      .WillRepeatedly([](const v1::LoadCheckpointRequest& request) {
        EXPECT_EQ(request.name(), "models/alias/checkpoints/100000");
        return v1::Checkpoint();
      });
  EXPECT_EQ(Run({"checkpoints", "load", "alias/100000"}), 0);
  EXPECT_EQ(Run({"checkpoints", "load", "models/alias/checkpoints/100000"}), 0);
}

TEST_F(AppTest, AsksForCorrelationsWithEveryFlag) {
  v1::Operation operation;
  operation.set_name("operations/7");
  EXPECT_CALL(*connection_, ComputeCorrelations(_))
      .WillOnce([&](const v1::ComputeCorrelationsRequest& request) {
        EXPECT_EQ(request.reference(), "models/a/checkpoints/1");
        EXPECT_EQ(request.partners_size(), 2);
        EXPECT_EQ(request.partners(1), "models/c/checkpoints/1");
        EXPECT_EQ(request.dataset(), "datasets/d");
        const v1::CorrelationParameters& parameters = request.parameters();
        EXPECT_EQ(parameters.site(), v1::SITE_MLP_PRE);
        EXPECT_EQ(parameters.pairing(), v1::PAIRING_SAME_INDEX);
        EXPECT_EQ(parameters.baseline(), v1::BASELINE_ORTHOGONAL);
        EXPECT_EQ(parameters.rotations(), 4);
        EXPECT_EQ(parameters.seed(), 18446744073709551615u);
        EXPECT_EQ(parameters.excluded_token_ids_size(), 2);
        return operation;
      });
  EXPECT_EQ(Run({"correlations",
                 "compute",
                 "--reference",
                 "a/1",
                 "--partners",
                 "b/1,c/1",
                 "--dataset",
                 "d",
                 "--site",
                 "mlp_pre",
                 "--pairing",
                 "same_index",
                 "--baseline",
                 "orthogonal",
                 "--rotations",
                 "4",
                 "--seed",
                 "18446744073709551615",
                 "--excluded-token-ids",
                 "0,10",
                 "--no-wait",
                 "-o",
                 "json"}),
            0)
      << err_.str();
  EXPECT_EQ(out_.str(), Json(operation));
}

TEST_F(AppTest, QueriesNeuronsWithEveryFlag) {
  EXPECT_CALL(*connection_, QueryUniversalNeurons(_))
      .WillOnce([](const v1::QueryUniversalNeuronsRequest& request) {
        EXPECT_EQ(request.correlation(), "correlations/c");
        EXPECT_EQ(request.threshold(), -2);
        EXPECT_EQ(request.rule(), v1::UNIVERSALITY_RULE_ANY);
        EXPECT_EQ(request.layer(), 0);
        EXPECT_TRUE(request.has_layer());
        EXPECT_EQ(request.order_by(), "layer,max_corr desc");
        EXPECT_EQ(request.page_size(), -1);
        return InvalidArgument("INVALID_PAGE_SIZE", "-1");
      });
  EXPECT_EQ(Run({"neurons", "query", "--correlation", "c", "--threshold", "-2", "--rule", "any",
                 "--layer", "0", "--order-by", "layer,max_corr desc", "--page-size", "-1"}),
            2);
}

TEST_F(AppTest, LeavesTheServersDefaultsOfAQueryToTheServer) {
  EXPECT_CALL(*connection_, QueryUniversalNeurons(_))
      .WillOnce([](const v1::QueryUniversalNeuronsRequest& request) {
        EXPECT_FALSE(request.has_threshold());
        EXPECT_FALSE(request.has_layer());
        return NeuronPage(3, "more");
      });
  EXPECT_EQ(Run({"neurons", "query", "--correlation", "c"}), 0);
  EXPECT_THAT(err_.str(), HasSubstr("1 of 2 neurons"));
}

TEST_F(AppTest, PrintsEveryNeuronAsCsvWithAColumnPerPartner) {
  ExpectCorrelation();
  EXPECT_CALL(*connection_, QueryUniversalNeurons(_))
      .WillOnce(Return(NeuronPage(3, "more")))
      .WillOnce(Return(NeuronPage(4, "")));
  EXPECT_EQ(Run({"neurons", "query", "--correlation", "c", "--threshold", "-2", "--page-size", "0",
                 "-o", "csv"}),
            0);
  EXPECT_EQ(out_.str(),
            "layer,neuron,max_corr,max_sim_layer,max_sim_neuron,min_corr,baseline,excess_corr,"
            "excess_corr_b/1,excess_corr_c/1\n"
            "1,3,0.75,2,8,-0.25,0.125,0.625,0.5,0.75\n"
            "1,4,0.75,2,8,-0.25,0.125,0.625,0.5,0.75\n");
}

TEST_F(AppTest, PrintsTheSameColumnsWhereNoNeuronIsFound) {
  ExpectCorrelation();
  EXPECT_CALL(*connection_, QueryUniversalNeurons(_))
      .WillOnce(Return(v1::QueryUniversalNeuronsResponse()));
  EXPECT_EQ(Run({"neurons", "query", "--correlation", "c", "-o", "csv"}), 0);
  EXPECT_TRUE(out_.str().ends_with("excess_corr,excess_corr_b/1,excess_corr_c/1\n"));
}

TEST_F(AppTest, MergesEveryPageOfNeuronsIntoOneResponse) {
  EXPECT_CALL(*connection_, QueryUniversalNeurons(_))
      .WillOnce(Return(NeuronPage(3, "more")))
      .WillOnce(Return(NeuronPage(4, "")));
  v1::QueryUniversalNeuronsResponse both = NeuronPage(3, "");
  both.MergeFrom(NeuronPage(4, ""));
  EXPECT_EQ(Run({"neurons", "query", "--correlation", "c", "--page-size", "0", "-o", "json"}), 0);
  EXPECT_EQ(out_.str(), Json(both));
}

TEST_F(AppTest, RunsAnAblationAndPrintsIt) {
  v1::Operation operation;
  operation.set_state(v1::OPERATION_STATE_SUCCEEDED);
  operation.set_result("ablations/x");
  EXPECT_CALL(*connection_, RunAblation(_)).WillOnce([&](const v1::RunAblationRequest& request) {
    EXPECT_EQ(request.neurons().random().universal().correlation(), "correlations/c");
    EXPECT_EQ(request.kind(), v1::ABLATION_KIND_ZERO);
    return operation;
  });
  v1::Ablation ablation;
  ablation.set_name("ablations/x");
  ablation.mutable_effect()->set_kl(0.25);
  ablation.mutable_effect_std()->set_kl(0.125);
  EXPECT_CALL(*connection_, GetAblation(_)).WillOnce(Return(ablation));
  EXPECT_EQ(Run({"ablations", "run", "--checkpoint", "a/1", "--dataset", "d", "--neurons", "random",
                 "--correlation", "c", "--kind", "zero"}),
            0);
  EXPECT_THAT(out_.str(), HasSubstr("kl                   0.250000\n"));
  EXPECT_THAT(out_.str(), HasSubstr("kl_std               0.125000\n"));
}

TEST_F(AppTest, PrintsAFailedOperationAndFailsAsItDid) {
  v1::Operation failed;
  failed.set_name("operations/7");
  failed.set_state(v1::OPERATION_STATE_FAILED);
  failed.mutable_error()->ParseFromString(SerializeError(FailedPrecondition("WHY", "because")));
  EXPECT_CALL(*connection_, WatchOperation(_, _))
      .WillRepeatedly(
          [failed](const v1::WatchOperationRequest&,
                   const client::MessageSink<v1::Operation>& sink) { return sink(failed); });
  for (const std::string verb : {"wait", "watch"}) {
    EXPECT_EQ(Run({"operations", verb, "7"}), 5);
    EXPECT_THAT(out_.str(), HasSubstr("failed"));
    EXPECT_EQ(err_.str(), "homolog: FAILED_PRECONDITION: because\n");
  }
}

TEST_F(AppTest, AsksForLayersAndNeuronsByCommasOrOneByOne) {
  EXPECT_CALL(*connection_, ExtractActivations(_, _))
      .WillOnce([](const v1::ExtractActivationsRequest& request, const auto&) {
        EXPECT_EQ(request.layers_size(), 3);
        EXPECT_EQ(request.layers(2), 10);
        EXPECT_EQ(request.neurons_size(), 1);
        EXPECT_EQ(request.neurons(0), -1);
        EXPECT_EQ(request.data_type(), v1::DATA_TYPE_FLOAT16);
        return InvalidArgument("INVALID_NEURON", "-1");
      });
  EXPECT_EQ(
      Run({"activations", "extract", "--checkpoint", "a/1", "--dataset", "d", "--layers", "0,2",
           "--layers", "010", "--neurons", "-1", "--data-type", "float16", "--out", "/nowhere"}),
      2);
  EXPECT_EQ(err_.str(), "homolog: INVALID_ARGUMENT: -1\n");
}

TEST_F(AppTest, DeletesADataSet) {
  EXPECT_CALL(*connection_, DeleteDataset(_)).WillRepeatedly(Return(absl::OkStatus()));
  EXPECT_EQ(Run({"datasets", "delete", "pile"}), 0);
  EXPECT_EQ(out_.str(), "deleted datasets/pile\n");
  EXPECT_EQ(Run({"datasets", "delete", "pile", "-o", "json"}), 0);
  EXPECT_EQ(out_.str(), "{}\n");
}

}  // namespace
}  // namespace homolog::cli
