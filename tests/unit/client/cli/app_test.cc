// Whole command lines, against a connection that answers as told.
#include "client/cli/app.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "../cpp/mock_connection.h"
#include "client/cli/json.h"
#include "common/error.h"

namespace homolog::cli {
namespace {

using ::testing::_;
using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Return;
using ::testing::StartsWith;

class AppTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"HOMOLOG_SERVER", "HOMOLOG_CA", "HOMOLOG_CERT", "HOMOLOG_KEY",
                             "HOMOLOG_TOKEN_FILE", "HOMOLOG_TOKEN"}) {
      unsetenv(name);
    }
  }

  int Run(const std::vector<std::string>& arguments) {
    out_.str("");
    err_.str("");
    return RunCommandLine(
        arguments,
        {out_, err_, false, [this](const std::string& server, const client::Security& security) {
           server_ = server;
           security_ = security;
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
  client::Security security_;
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
      {"neurons", "show", "c", "1"},
      {"neurons", "show", "c", "1", "x"},
      {"neurons", "show", "ablations/c", "1", "2"},
      {"neurons", "table", "c"},
      {"neurons", "table", "a/b", "--out", "t"},
      {"correlations", "compute", "--reference", "a/1", "--partners", "b/1", "--dataset", "d",
       "--precision", "float64"},
      {"ablations", "run", "--checkpoint", "a/1", "--dataset", "d", "--neurons", "universal"},
      {"operations", "wait"},
      {"operations", "delete"},
      {"operations", "delete", "o", "datasets/x"},
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

TEST_F(AppTest, ReadsItsSecurityFromFlagsFilesAndTheEnvironment) {
  EXPECT_CALL(*connection_, ListDatasets(_)).WillRepeatedly(Return(v1::ListDatasetsResponse()));
  EXPECT_EQ(Run({"datasets", "list"}), 0);
  EXPECT_FALSE(security_.tls);
  EXPECT_EQ(security_.token, "");
  EXPECT_EQ(Run({"datasets", "list", "--tls", "--insecure"}), 0);
  EXPECT_TRUE(security_.tls);
  EXPECT_TRUE(security_.insecure);
  setenv("HOMOLOG_TOKEN", "from-the-environment", 1);
  EXPECT_EQ(Run({"datasets", "list"}), 0);
  EXPECT_EQ(security_.token, "from-the-environment");
  const std::string file = ::testing::TempDir() + "homolog_app_test_token";
  std::ofstream(file) << "from-a-file\n";
  EXPECT_EQ(Run({"datasets", "list", "--token-file", file}), 0);
  EXPECT_EQ(security_.token, "from-a-file");
  std::filesystem::remove(file);
}

TEST_F(AppTest, EndsWith2WhereAFileOfItsSecurityCannotBeRead) {
  for (const char* flag : {"--ca", "--token-file"}) {
    EXPECT_EQ(Run({"datasets", "list", flag, "/no/such/file"}), 2);
    EXPECT_THAT(err_.str(), AllOf(HasSubstr(flag), HasSubstr("/no/such/file")));
  }
  setenv("HOMOLOG_CA", "/no/such/ca", 1);
  EXPECT_EQ(Run({"datasets", "list"}), 2);
  EXPECT_THAT(err_.str(), AllOf(HasSubstr("--ca"), HasSubstr("/no/such/ca")));
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
        EXPECT_EQ(parameters.precision(), v1::PRECISION_BFLOAT16);
        EXPECT_TRUE(request.every_reference());
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
                 "--precision",
                 "bfloat16",
                 "--every-reference",
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

v1::NeuronDetail Detail() {
  v1::NeuronDetail detail;
  *detail.mutable_neuron() = NeuronPage(3, "").neurons(0);
  detail.mutable_statistics()->set_active_share(0.125);
  v1::PartnerDistribution& partner = *detail.add_distributions();
  partner.set_checkpoint("models/b/checkpoints/1");
  partner.set_variance(0.25);
  for (int i = 0; i < 7; ++i) {
    v1::CorrelatedNeuron& neuron = *partner.add_top();
    neuron.set_layer(4);
    neuron.set_neuron(i);
    neuron.set_corr(0.5);
  }
  v1::ExcitingPosition& position = *detail.add_exciting_positions();
  position.set_position(41);
  position.set_activation(7.5);
  for (const char* token : {"the", " cat", "\nsat\x1b"}) {
    position.add_tokens(token);
    position.add_token_ids(position.token_ids_size());
  }
  position.set_token_index(1);
  return detail;
}

TEST_F(AppTest, ShowsANeuronWithEveryFlag) {
  EXPECT_CALL(*connection_, GetNeuron(_))
      .Times(2)
      .WillRepeatedly([](const v1::GetNeuronRequest& request) {
        EXPECT_EQ(request.correlation(), "correlations/c");
        EXPECT_EQ(request.layer(), 1);
        EXPECT_EQ(request.neuron(), 3);
        EXPECT_EQ(request.rule(), v1::UNIVERSALITY_RULE_ALL);
        EXPECT_EQ(request.threshold(), 0.25);
        EXPECT_EQ(request.context_tokens(), 2);
        return Detail();
      });
  const std::vector<std::string> line = {
      "neurons",          "show", "c", "1", "3", "--rule", "all", "--threshold", "0.25",
      "--context-tokens", "2"};
  EXPECT_EQ(Run(line), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("active_share  12.50%\n"));
  EXPECT_THAT(out_.str(),
              HasSubstr("4:0 0.5000, 4:1 0.5000, 4:2 0.5000, 4:3 0.5000, 4:4 0.5000\n"));
  EXPECT_THAT(out_.str(), HasSubstr("the[[ cat]] sat?\n"));
  std::vector<std::string> json = line;
  json.insert(json.end(), {"-o", "json"});
  EXPECT_EQ(Run(json), 0) << err_.str();
  EXPECT_EQ(out_.str(), Json(Detail()));
}

TEST_F(AppTest, LeavesTheServersDefaultsOfANeuronToTheServerAndShowsIdsWithoutText) {
  EXPECT_CALL(*connection_, GetNeuron(_)).WillOnce([](const v1::GetNeuronRequest& request) {
    EXPECT_FALSE(request.has_threshold());
    EXPECT_FALSE(request.has_context_tokens());
    v1::NeuronDetail detail = Detail();
    detail.mutable_exciting_positions(0)->clear_tokens();
    return detail;
  });
  EXPECT_EQ(Run({"neurons", "show", "c", "1", "3"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("0 [[1]] 2\n"));
}

TEST_F(AppTest, WritesATableOfNeuronsPageByPage) {
  std::string folder = ::testing::TempDir() + "table_XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  const auto page = [](int64_t first, const std::string& dead, const std::string& next) {
    v1::GetNeuronTableResponse response;
    response.set_first_neuron(first);
    response.set_neuron_count(static_cast<int>(dead.size()));
    response.set_total_size(3);
    response.set_next_page_token(next);
    v1::NeuronColumn& column = *response.add_columns();
    column.set_name("dead");
    column.set_type(v1::COLUMN_TYPE_UINT8);
    column.set_width(1);
    column.set_data(dead);
    return response;
  };
  EXPECT_CALL(*connection_, GetNeuronTable(_))
      .WillOnce([&](const v1::GetNeuronTableRequest& request) {
        EXPECT_EQ(request.correlation(), "correlations/c");
        EXPECT_EQ(request.columns_size(), 2);
        EXPECT_EQ(request.columns(1), "0.max_corr");
        EXPECT_EQ(request.layer(), 1);
        return page(24, "ab", "more");
      })
      .WillOnce([&](const v1::GetNeuronTableRequest& request) {
        EXPECT_EQ(request.page_token(), "more");
        return page(26, "c", "");
      });
  EXPECT_EQ(Run({"neurons", "table", "c", "--columns", "dead,0.max_corr", "--layer", "1", "--out",
                 folder, "-o", "csv"}),
            0)
      << err_.str();
  EXPECT_EQ(out_.str(), "column,type,neurons,width,file\ndead,uint8,3,1," + folder + "/dead.npy\n");
  EXPECT_EQ(std::filesystem::file_size(folder + "/dead.npy"), 128u + 3);
  // Asks nothing where the folder has something in it.
  EXPECT_EQ(Run({"neurons", "table", "c", "--out", folder}), 5);
  EXPECT_THAT(err_.str(), HasSubstr("not an empty folder"));
  std::filesystem::remove_all(folder);
}

v1::Correlation CorrelationWithPairs(const std::string& name) {
  v1::Correlation correlation;
  correlation.set_name("correlations/" + name);
  correlation.mutable_reference()->set_name("models/a/checkpoints/1");
  correlation.mutable_reference()->mutable_shape()->set_layers(2);
  v1::ResultCheckpoint& partner = *correlation.add_partners();
  partner.set_name("models/b/checkpoints/1");
  partner.mutable_shape()->set_layers(3);
  v1::PairSummary& pair = *correlation.add_pairs();
  pair.mutable_error()->set_pair_count(1000);
  pair.mutable_error()->set_max_abs(2.5e-7);
  for (const float value : {0.f, 0.125f, 0.25f, 0.5f, 0.75f, 1.f}) {
    pair.add_layer_similarity(value);
  }
  correlation.mutable_plan()->set_passes(3);
  correlation.mutable_plan()->set_memory_bytes(1 << 20);
  return correlation;
}

TEST_F(AppTest, ShowsErrorsPlanAndLayersOfACorrelationThatHasThem) {
  EXPECT_CALL(*connection_, GetCorrelation(_)).WillOnce(Return(CorrelationWithPairs("c")));
  EXPECT_EQ(Run({"correlations", "show", "c"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("passes              3\n"));
  EXPECT_THAT(out_.str(), HasSubstr("memory              1.0 MiB\n"));
  EXPECT_THAT(out_.str(), HasSubstr("b/1                1000    2.5e-07     0.0e+00\n"));
  EXPECT_THAT(out_.str(), HasSubstr("layer     0     1     2\n"
                                    "    0  0.00  0.12  0.25\n"
                                    "    1  0.50  0.75  1.00\n"));
}

TEST_F(AppTest, ShowsNoLayersWhereTheirNumberIsWrong) {
  v1::Correlation correlation = CorrelationWithPairs("c");
  correlation.mutable_partners(0)->mutable_shape()->set_layers(int64_t{1} << 62);
  EXPECT_CALL(*connection_, GetCorrelation(_)).WillOnce(Return(correlation));
  EXPECT_EQ(Run({"correlations", "show", "c"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), Not(HasSubstr("CKA")));
}

TEST_F(AppTest, ShowsEveryCorrelationThatWasComputed) {
  v1::Operation operation;
  operation.set_state(v1::OPERATION_STATE_SUCCEEDED);
  operation.set_result("correlations/c");
  operation.add_results("correlations/c");
  operation.add_results("correlations/d");
  EXPECT_CALL(*connection_, ComputeCorrelations(_)).WillRepeatedly(Return(operation));
  EXPECT_CALL(*connection_, GetCorrelation(_))
      .WillRepeatedly([](const v1::GetCorrelationRequest& request) {
        return CorrelationWithPairs(request.name().substr(13));
      });
  const std::vector<std::string> line = {"correlations", "compute",    "--reference",
                                         "a/1",          "--partners", "b/1",
                                         "--dataset",    "d",          "--every-reference"};
  EXPECT_EQ(Run(line), 0) << err_.str();
  EXPECT_THAT(out_.str(), AllOf(ContainsRegex("name +c\n"), ContainsRegex("name +d\n")));
  std::vector<std::string> json = line;
  json.insert(json.end(), {"-o", "json"});
  EXPECT_EQ(Run(json), 0) << err_.str();
  v1::ListCorrelationsResponse both;
  *both.add_correlations() = CorrelationWithPairs("c");
  *both.add_correlations() = CorrelationWithPairs("d");
  EXPECT_EQ(out_.str(), Json(both));
}

TEST_F(AppTest, RunsAnAblationAndPrintsIt) {
  v1::Operation operation;
  operation.set_state(v1::OPERATION_STATE_SUCCEEDED);
  operation.set_result("ablations/x");
  EXPECT_CALL(*connection_, RunAblation(_)).WillOnce([&](const v1::RunAblationRequest& request) {
    EXPECT_EQ(request.neurons(0).random().universal().correlation(), "correlations/c");
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

TEST_F(AppTest, DeletesOperations) {
  std::vector<std::string> deleted;
  EXPECT_CALL(*connection_, DeleteOperation(_))
      .WillRepeatedly([&deleted](const v1::DeleteOperationRequest& request) {
        if (request.name() == "operations/running") {
          return FailedPrecondition("OPERATION_RUNNING", "has not ended");
        }
        deleted.push_back(request.name());
        return absl::OkStatus();
      });
  EXPECT_EQ(Run({"operations", "delete", "a"}), 0);
  EXPECT_EQ(out_.str(), "deleted operations/a\n");
  EXPECT_EQ(Run({"operations", "delete", "b", "operations/c,d", "-o", "json"}), 0);
  EXPECT_EQ(out_.str(), "{}\n");
  EXPECT_EQ(Run({"operations", "delete", "e", "running", "f"}), 5);
  EXPECT_EQ(out_.str(), "deleted operations/e\n");
  EXPECT_THAT(deleted, ::testing::ElementsAre("operations/a", "operations/b", "operations/c",
                                              "operations/d", "operations/e"));
}

}  // namespace
}  // namespace homolog::cli
