// The noun "studies", against a connection that answers as told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "../cpp/mock_connection.h"
#include "client/cli/app.h"
#include "common/error.h"

namespace homolog::cli {
namespace {

using ::testing::_;
using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Return;

constexpr char kFamiliesName[] = "families/f", kCorrelation[] = "correlations/c";

// Two models of one layer of two neurons, one step; universal at 0.4 but not at 0.5.
v1::Study SmallStudy() {
  v1::Study study;
  study.set_name("studies/s");
  for (const char* model : {"a", "b"}) {
    study.add_models(std::string("models/") + model);
    v1::ResultCheckpoint& checkpoint = *study.add_checkpoints();
    checkpoint.set_name(std::string("models/") + model + "/checkpoints/1");
    checkpoint.mutable_shape()->set_layers(1);
    checkpoint.mutable_shape()->set_d_mlp(2);
  }
  study.add_steps("1");
  study.set_dataset("datasets/d");
  study.set_rule(v1::UNIVERSALITY_RULE_MEAN);
  for (const double threshold : {0.4, 0.5}) study.add_thresholds(threshold);
  study.set_main_threshold(0.5);
  study.mutable_ablation()->set_kind(v1::ABLATION_KIND_ZERO);
  study.mutable_ablation()->set_draws(2);
  study.mutable_ablation()->set_dataset("datasets/few");
  study.set_ablation_dataset_sha256("feda");
  study.set_forward_tokens(5120);
  study.mutable_plan()->set_ablation_count(3);
  study.mutable_plan()->set_forward_tokens(9999);
  v1::LineageSummary& lineage = *study.add_lineages();
  lineage.set_model("models/b");
  lineage.set_from_step("0");
  lineage.set_to_step("1");
  lineage.set_became_count(1);
  lineage.set_stayed_count(2);
  lineage.set_ceased_count(3);
  lineage.set_never_count(4);
  v1::StudyCorrelation& correlation = *study.mutable_parts()->add_correlations();
  correlation.set_model("models/a");
  correlation.set_step("1");
  correlation.set_pairing(v1::PAIRING_BEST);
  correlation.set_correlation(kCorrelation);
  for (const double threshold : {0.4, 0.5}) {
    v1::Emergence& emergence = *study.add_emergence();
    emergence.set_model("models/a");
    emergence.set_step("1");
    emergence.set_threshold(threshold);
    emergence.set_universal_count(threshold < 0.5 ? 1 : 0);
    emergence.set_universal_share(threshold < 0.5 ? 0.5 : 0);
    emergence.add_layer_counts(emergence.universal_count());
  }
  v1::StudyAblationPart& absent = *study.mutable_parts()->add_ablations();
  absent.set_model("models/a");
  absent.set_step("1");
  absent.set_threshold(0.5);
  absent.set_set(v1::STUDY_SET_UNIVERSAL);
  absent.set_scope(v1::ABLATION_SCOPE_WHOLE_MODEL);
  absent.set_absent_reason("no neuron of a/1 is universal at threshold 0.5");
  v1::StudyAblationPart& others = *study.mutable_parts()->add_ablations();
  others = absent;
  others.clear_absent_reason();
  others.set_set(v1::STUDY_SET_OTHERS);
  others.set_ablation("ablations/o");
  v1::StudyAblationPart& layers = *study.mutable_parts()->add_ablations();
  layers = others;
  layers.set_set(v1::STUDY_SET_RANDOM_LAYER_MATCHED);
  layers.set_scope(v1::ABLATION_SCOPE_PER_LAYER);
  layers.set_ablation("ablations/l");
  v1::StudyFamilies& families = *study.mutable_parts()->add_families();
  families.set_step("1");
  families.set_families(kFamiliesName);
  families.set_family_count(1);
  return study;
}

v1::ListFamiliesResponse OneFamily() {
  v1::ListFamiliesResponse page;
  page.set_total_size(1);
  v1::NeuronFamily& family = *page.add_families();
  family.set_mean_excess(0.75);
  family.set_model_count(2);
  family.set_size(12345);  // more than are named
  for (const char* model : {"a", "b"}) {
    v1::FamilyMember& member = *family.add_members();
    member.set_checkpoint(std::string("models/") + model + "/checkpoints/1");
    member.set_neuron(1);
  }
  return page;
}

class StudiesCommandTest : public ::testing::Test {
 protected:
  StudiesCommandTest() {
    ON_CALL(*connection_, GetStudy(_)).WillByDefault(Return(SmallStudy()));
    ON_CALL(*connection_, ListFamilies(_)).WillByDefault(Return(OneFamily()));
    v1::Ablation others;
    others.set_name("ablations/o");
    others.mutable_effect()->set_neuron_count(2);
    others.mutable_effect()->set_loss_increase(1.25);
    others.mutable_effect()->set_loss_increase_error(0.125);
    others.mutable_effect()->set_kl(1.5);
    v1::Ablation layers;
    layers.set_name("ablations/l");
    layers.add_layers();  // without neurons of the set
    v1::LayerEffect& layer = *layers.add_layers();
    layer.set_layer(1);
    layer.mutable_effect()->set_kl(0.5);
    layer.mutable_effect_std()->set_kl(0.0625);
    layer.add_draws();
    layer.add_draws();
    ON_CALL(*connection_, GetAblation(_)).WillByDefault([=](const v1::GetAblationRequest& request) {
      return request.name() == "ablations/l" ? layers : others;
    });
  }
  int Run(const std::vector<std::string>& arguments) {
    out_.str("");
    err_.str("");
    return RunCommandLine(
        arguments, {out_, err_, false,
                    [this](const std::string&, const client::Security&) { return connection_; }});
  }

  std::shared_ptr<::testing::NiceMock<client::MockConnection>> connection_ =
      std::make_shared<::testing::NiceMock<client::MockConnection>>();
  std::ostringstream out_, err_;
};

TEST_F(StudiesCommandTest, RunSendsWhatIsTyped) {
  v1::Operation operation;
  operation.set_state(v1::OPERATION_STATE_SUCCEEDED);
  operation.set_result("studies/s");
  EXPECT_CALL(*connection_, RunStudy(_)).WillOnce([&](const v1::RunStudyRequest& request) {
    EXPECT_EQ(request.models_size(), 2);
    EXPECT_EQ(request.models(1), "models/b");
    EXPECT_EQ(request.steps(0), "1");
    EXPECT_EQ(request.dataset(), "datasets/d");
    EXPECT_EQ(request.thresholds(1), 0.6);
    EXPECT_EQ(request.main_threshold(), 0.6);
    EXPECT_EQ(request.parameters().rotations(), 5);
    EXPECT_TRUE(request.same_index());
    EXPECT_EQ(request.ablation().kind(), v1::ABLATION_KIND_FIXED);
    EXPECT_EQ(request.ablation().value(), 0.25);
    EXPECT_EQ(request.ablation().draws(), 7);
    EXPECT_EQ(request.ablation().seed(), 9u);
    EXPECT_EQ(request.ablation().dataset(), "datasets/e");
    return operation;
  });
  EXPECT_EQ(Run({"studies",
                 "run",
                 "--models",
                 "a,b",
                 "--steps",
                 "1",
                 "--dataset",
                 "d",
                 "--thresholds",
                 "0.4,0.6",
                 "--main-threshold",
                 "0.6",
                 "--rotations",
                 "5",
                 "--same-index",
                 "--kind",
                 "fixed",
                 "--value",
                 "0.25",
                 "--draws",
                 "7",
                 "--ablation-seed",
                 "9",
                 "--ablation-dataset",
                 "e"}),
            0)
      << err_.str();
}

TEST_F(StudiesCommandTest, ShowPrintsItsTables) {
  EXPECT_EQ(Run({"studies", "show", "s"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), AllOf(HasSubstr("share_0.4"), HasSubstr("25.00%"),
                                HasSubstr("no neuron of a/1 is universal at threshold 0.5"),
                                ContainsRegex("others +2 +1.250000 +0.125000 +1.500000")));
}

TEST_F(StudiesCommandTest, FamiliesAreThoseOfTheStep) {
  EXPECT_CALL(*connection_, ListFamilies(_)).WillOnce([](const v1::ListFamiliesRequest& request) {
    EXPECT_EQ(request.parent(), kFamiliesName);
    return OneFamily();
  });
  EXPECT_EQ(Run({"studies", "families", "s", "--step", "1"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("a/1:0:1 b/1:0:1"));
  EXPECT_EQ(Run({"studies", "families", "s", "--step", "2"}), 2);
  EXPECT_THAT(err_.str(), HasSubstr("--step is 2; the study has 1"));
}

TEST_F(StudiesCommandTest, LineageFollowsTheCheckpointsNeuron) {
  EXPECT_CALL(*connection_, GetLineage(_)).WillOnce([](const v1::GetLineageRequest& request) {
    EXPECT_EQ(request.study(), "studies/s");
    EXPECT_EQ(request.model(), "models/a");
    EXPECT_EQ(request.step(), "1");
    EXPECT_EQ(request.neuron(), 1);
    v1::Lineage lineage;
    lineage.add_points()->set_step("1");
    lineage.mutable_points(0)->set_universal(true);
    return lineage;
  });
  EXPECT_EQ(Run({"studies", "lineage", "s", "a/1", "0", "1"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("yes"));
}

TEST_F(StudiesCommandTest, ReportHoldsWhatTheServerSaid) {
  v1::Correlation correlation;
  correlation.add_partners()->set_name("models/b/checkpoints/1");
  correlation.add_pairs()->mutable_error()->set_max_abs(1e-6);
  EXPECT_CALL(*connection_, GetCorrelation(_)).WillOnce(Return(correlation));
  v1::QueryUniversalNeuronsResponse neurons;
  for (const double excess : {0.45, 0.1, 0.0}) {
    v1::Neuron& neuron = *neurons.add_neurons();
    neuron.set_baseline(0.1);
    neuron.set_max_corr(0.1 + excess);
    neuron.set_excess_corr(excess);
  }
  neurons.mutable_neurons(2)->set_dead(true);
  EXPECT_CALL(*connection_, QueryUniversalNeurons(_)).WillOnce(Return(neurons));
  EXPECT_CALL(*connection_, GetPersistence(_))
      .Times(4)
      .WillRepeatedly([](const v1::GetPersistenceRequest& request) {
        v1::Persistence persistence;
        persistence.set_model(request.model());
        persistence.set_threshold(request.threshold());
        persistence.add_steps("1");
        persistence.set_layer_count(1);
        persistence.add_kept_counts(request.threshold() < 0.5 ? 1 : 0);
        return persistence;
      });
  v1::FamilySet set;
  set.set_family_count(1);
  EXPECT_CALL(*connection_, GetFamilySet(_)).WillOnce(Return(set));

  const std::string folder = ::testing::TempDir() + "/studies_test_report";
  std::filesystem::remove_all(folder);
  ASSERT_EQ(Run({"studies", "report", "s", "--out", folder}), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr(folder + "/report.html"));
  EXPECT_TRUE(std::filesystem::exists(folder + "/report.html"));
  const auto study = nlohmann::json::parse(std::ifstream(folder + "/study.json"));
  EXPECT_EQ(study["models"], nlohmann::json({"a", "b"}));
  EXPECT_EQ(study["emergence"][0]["universal"], 1);
  EXPECT_EQ(study["emergence"][0]["neurons"], 2);
  EXPECT_EQ(study["correlations"][0]["max_error"], 1e-6);
  EXPECT_EQ(study["persistence"].size(), 4);
  EXPECT_EQ(study["persistence"][0]["persistence"], 1.0);
  EXPECT_TRUE(study["persistence"][1]["persistence"].is_null());
  EXPECT_EQ(study["ablations"][0]["absent"], "no neuron of a/1 is universal at threshold 0.5");
  EXPECT_TRUE(study["ablations"][0]["loss_increase"].is_null());
  EXPECT_EQ(study["ablations"][1]["loss_increase"], 1.25);
  EXPECT_EQ(study["ablations"][1]["loss_increase_se"], 0.125);
  EXPECT_TRUE(study["ablations"][1]["loss_increase_std"].is_null());
  EXPECT_EQ(study["families"][0]["largest"][0]["members"][1]["model"], "b");
  ASSERT_EQ(study["ablations"].size(), 4);
  const auto &no_neuron = study["ablations"][2], &drawn = study["ablations"][3];
  EXPECT_EQ(no_neuron["layer"], 0);
  EXPECT_FALSE(no_neuron["absent"].is_null());
  EXPECT_TRUE(no_neuron["kl"].is_null());
  EXPECT_EQ(drawn["layer"], 1);
  EXPECT_EQ(drawn["set"], "random_layer_matched");
  EXPECT_EQ(drawn["draws"], 2);
  EXPECT_EQ(drawn["kl"], 0.5);
  EXPECT_EQ(drawn["kl_std"], 0.0625);
  EXPECT_EQ(study["lineage"],
            nlohmann::json::parse(R"([{"model": "b", "from": "0", "to": "1", "threshold": 0.5,
                                       "became": 1, "stayed": 2, "ceased": 3, "never": 4}])"));
  EXPECT_EQ(study["ablation_dataset"]["name"], "datasets/few");
  EXPECT_EQ(study["ablation_dataset"]["sha256"], "feda");
  EXPECT_EQ(study["cost"]["ablations_computed"], 2);  // of three planned one proved empty
  EXPECT_EQ(study["cost"]["forward_tokens"], 5120);
  EXPECT_EQ(study["families"][0]["largest"][0]["size"], 12345);
  // The dead neuron is in neither; 0.45 and 0.1 lie 17 or 18 bins of 0.02 apart.
  int64_t counted = 0, cells = 0;
  for (const auto& count : study["excess"][0]["counts"]) counted += count.get<int64_t>();
  for (const auto& cell : study["excess"][0]["scatter"]["cells"]) cells += cell[2].get<int64_t>();
  EXPECT_EQ(counted, 2);
  EXPECT_EQ(cells, 2);
  EXPECT_NEAR(study["excess"][0]["low"].get<double>(), 0.1, 0.021);
}

TEST_F(StudiesCommandTest, ReportFailsAsTheServerDid) {
  EXPECT_CALL(*connection_, GetStudy(_))
      .WillOnce(Return(NotFound("STUDY_NOT_FOUND", "there is no such study")));
  EXPECT_EQ(Run({"studies", "report", "x", "--out", ::testing::TempDir() + "/none"}), 3);
  EXPECT_THAT(err_.str(), HasSubstr("there is no such study"));
}

}  // namespace
}  // namespace homolog::cli
