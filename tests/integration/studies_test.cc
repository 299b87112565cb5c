// Studies through a server: all parts, only what is missing, and what is refused.
#include <chrono>
#include <cstring>
#include <filesystem>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/integration/server_fixture.h"

namespace homolog::testing {
namespace {

using ::testing::AllOf;
using ::testing::Gt;
using ::testing::HasSubstr;
using ::testing::Not;
using Stub = v1::AnalysisService::Stub;

constexpr int64_t kTokens = 40 * 32;  // of the data set
constexpr int kNeurons = 48;          // of each model

template <typename T>
T ValueOf(absl::StatusOr<T> result) {
  if (!result.ok()) throw std::runtime_error(result.status().ToString());
  return *std::move(result);
}

void SkipAblations(v1::RunStudyRequest& request) {
  request.clear_ablation();
  request.mutable_ablation()->set_skip(true);
}

class StudiesTest : public ServerTest {
 protected:
  StudiesTest() {
    // b and c learn nothing from step 1 to step 2; a becomes another model.
    WriteTinyModel(repository() / "c" / "1", {.seed = 4});
    WriteTinyModel(repository() / "a" / "2", {.seed = 7});
    WriteTinyModel(repository() / "b" / "2", {.seed = 2});
    WriteTinyModel(repository() / "c" / "2", {.seed = 4});
  }
  void Start() {
    StartServer();
    CreateTextDataset();
  }
  static v1::RunStudyRequest Question(const std::vector<std::string>& models,
                                      const std::vector<std::string>& steps,
                                      const std::vector<double>& thresholds) {
    v1::RunStudyRequest request;
    for (const std::string& model : models) request.add_models("models/" + model);
    for (const std::string& step : steps) request.add_steps(step);
    request.set_dataset("datasets/text");
    request.mutable_thresholds()->Assign(thresholds.begin(), thresholds.end());
    request.mutable_ablation()->set_draws(2);
    return request;
  }
  v1::Operation Run(const v1::RunStudyRequest& request) {
    const v1::Operation ended = Wait(ValueOf(Unary(analysis(), &Stub::RunStudy, request)).name());
    EXPECT_EQ(ended.state(), v1::OPERATION_STATE_SUCCEEDED) << ended.DebugString();
    return ended;
  }
  v1::Study Get(const v1::Operation& operation) {
    v1::GetStudyRequest request;
    request.set_name(operation.result());
    return ValueOf(Unary(analysis(), &Stub::GetStudy, request));
  }
  v1::Ablation Ablation(const std::string& name) {
    v1::GetAblationRequest request;
    request.set_name(name);
    return ValueOf(Unary(analysis(), &Stub::GetAblation, request));
  }
  std::string Refusal(const v1::RunStudyRequest& request) {
    return CodeAndReason(Unary(analysis(), &Stub::RunStudy, request).status());
  }
};

TEST_F(StudiesTest, HasEveryPart) {
  Start();
  v1::RunStudyRequest request = Question({"a", "b", "c"}, {"2", "1"}, {-0.1, 0.0, 0.1});
  request.set_main_threshold(0.0);
  request.set_same_index(true);
  const v1::Operation operation = Run(request);
  const v1::Study study = Get(operation);
  EXPECT_EQ(operation.kind(), "study");
  EXPECT_EQ(study.steps(0), "1");
  EXPECT_EQ(study.steps(1), "2");
  EXPECT_EQ(study.checkpoints_size(), 6);
  EXPECT_EQ(study.checkpoints(1).name(), "models/a/checkpoints/2");
  EXPECT_EQ(study.parts().correlations_size(), 6 + 3);
  EXPECT_EQ(study.parts().families_size(), 2);
  // Three thresholds of four sets, and two layer by layer, of six checkpoints.
  EXPECT_EQ(study.parts().ablations_size(), 6 * (3 * 4 + 2));
  EXPECT_EQ(study.emergence_size(), 6 * 3);
  EXPECT_EQ(study.lineages_size(), 3);
  EXPECT_EQ(operation.study_plan().correlation_count(), 6 + 3 * 2 + 3);
  EXPECT_EQ(operation.study_plan().stored_correlation_count(), 0);
  EXPECT_EQ(operation.study_plan().ablation_count(), 6 * 14);
  // What was planned is what was done, once sets that proved empty are left out.
  EXPECT_EQ(operation.progress().done_tokens(), operation.progress().total_tokens());
  EXPECT_LE(operation.progress().done_tokens(), operation.study_plan().forward_tokens());
  EXPECT_EQ(study.forward_tokens(), operation.progress().done_tokens());
}

TEST_F(StudiesTest, ClassifiesAsQueriesDo) {
  Start();
  const v1::Study study = Get(Run(Question({"a", "b", "c"}, {"1", "2"}, {0.0, 0.1})));
  for (const v1::StudyCorrelation& part : study.parts().correlations()) {
    for (const double threshold : study.thresholds()) {
      v1::QueryUniversalNeuronsRequest query;
      query.set_correlation(part.correlation());
      query.set_threshold(threshold);
      const auto found = ValueOf(Unary(analysis(), &Stub::QueryUniversalNeurons, query));
      std::map<int32_t, int64_t> by_layer;
      for (const v1::Neuron& neuron : found.neurons()) ++by_layer[neuron.layer()];
      for (const v1::Emergence& emergence : study.emergence()) {
        if (emergence.model() != part.model() || emergence.step() != part.step() ||
            emergence.threshold() != threshold) {
          continue;
        }
        EXPECT_EQ(emergence.universal_count(), found.total_size());
        EXPECT_DOUBLE_EQ(emergence.universal_share(),
                         static_cast<double>(found.total_size()) / kNeurons);
        ASSERT_EQ(emergence.layer_counts_size(), 2);
        EXPECT_EQ(emergence.layer_counts(0), by_layer[0]);
        EXPECT_EQ(emergence.layer_counts(1), by_layer[1]);
      }
    }
  }
}

// Flat indices of a model's universal neurons at a step.
std::set<int64_t> Universal(v1::AnalysisService::Stub& stub, const v1::Study& study,
                            const std::string& model, const std::string& step, double threshold) {
  std::set<int64_t> universal;
  for (const v1::StudyCorrelation& part : study.parts().correlations()) {
    if (part.model() != model || part.step() != step) continue;
    v1::QueryUniversalNeuronsRequest query;
    query.set_correlation(part.correlation());
    query.set_threshold(threshold);
    grpc::ClientContext context;
    v1::QueryUniversalNeuronsResponse found;
    EXPECT_TRUE(stub.QueryUniversalNeurons(&context, query, &found).ok());
    for (const v1::Neuron& neuron : found.neurons()) {
      universal.insert(neuron.layer() * (kNeurons / 2) + neuron.neuron());
    }
  }
  return universal;
}

TEST_F(StudiesTest, CountsWhatPersists) {
  Start();
  const v1::Study study = Get(Run(Question({"a", "b", "c"}, {"1", "2"}, {-0.05, 0.0})));
  for (const std::string model : {"models/a", "models/b"}) {
    v1::GetPersistenceRequest request;
    request.set_study(study.name());
    request.set_model(model);
    request.set_threshold(-0.05);
    const auto persistence = ValueOf(Unary(analysis(), &Stub::GetPersistence, request));
    ASSERT_EQ(persistence.kept_counts_size(), 2 * 2 * 2);
    const std::string steps[] = {"1", "2"};
    for (int from = 0; from < 2; ++from) {
      for (int to = 0; to < 2; ++to) {
        const auto before = Universal(analysis(), study, model, steps[from], -0.05);
        const auto after = Universal(analysis(), study, model, steps[to], -0.05);
        int64_t expected[2] = {};
        for (const int64_t flat : before) {
          if (after.count(flat) > 0) ++expected[flat / (kNeurons / 2)];
        }
        EXPECT_EQ(persistence.kept_counts((from * 2 + to) * 2), expected[0]);
        EXPECT_EQ(persistence.kept_counts((from * 2 + to) * 2 + 1), expected[1]);
      }
    }
  }
}

TEST_F(StudiesTest, FollowsANeuronThroughItsOwnModel) {
  Start();
  const v1::Study study = Get(Run(Question({"a", "b"}, {"1", "2"}, {0.0})));
  v1::GetLineageRequest request;
  request.set_study(study.name());
  request.set_model("models/b");
  request.set_step("2");
  request.set_layer(1);
  request.set_neuron(5);
  const auto lineage = ValueOf(Unary(analysis(), &Stub::GetLineage, request));
  ASSERT_EQ(lineage.points_size(), 2);
  // b is the same at both steps: the neuron is its own best partner.
  EXPECT_EQ(lineage.points(0).step(), "1");
  EXPECT_EQ(lineage.points(0).layer(), 1);
  EXPECT_EQ(lineage.points(0).neuron(), 5);
  EXPECT_NEAR(lineage.points(0).corr(), 1, 1e-5);
  EXPECT_EQ(lineage.points(1).corr(), 1);
  for (const v1::LineagePoint& point : lineage.points()) {
    EXPECT_EQ(point.universal(),
              Universal(analysis(), study, "models/b", point.step(), 0.0).count(24 + 5) > 0);
  }
}

TEST_F(StudiesTest, CountsWhatBecameOfEveryNeuron) {
  Start();
  const v1::Study study = Get(Run(Question({"a", "b"}, {"1", "2"}, {-0.02})));
  ASSERT_EQ(study.lineages_size(), 2);
  for (const v1::LineageSummary& summary : study.lineages()) {
    const auto before = Universal(analysis(), study, summary.model(), "1", -0.02);
    const auto after = Universal(analysis(), study, summary.model(), "2", -0.02);
    v1::GetNeuronTableRequest request;
    request.set_correlation(summary.forward_correlation());
    request.add_columns("0.max_sim");
    request.add_columns("0.max_corr");
    const auto table = ValueOf(Unary(analysis(), &Stub::GetNeuronTable, request));
    ASSERT_EQ(table.neuron_count(), kNeurons);
    int64_t became = 0, stayed = 0, ceased = 0;
    for (int64_t neuron = 0; neuron < kNeurons; ++neuron) {
      int32_t partner = 0;
      float corr = 0;
      std::memcpy(&partner, table.columns(0).data().data() + neuron * 4, 4);
      std::memcpy(&corr, table.columns(1).data().data() + neuron * 4, 4);
      const bool was = before.count(neuron) > 0, is = corr > 0 && after.count(partner) > 0;
      became += !was && is;
      stayed += was && is;
      ceased += was && !is;
    }
    EXPECT_EQ(summary.became_count(), became) << summary.model();
    EXPECT_EQ(summary.stayed_count(), stayed) << summary.model();
    EXPECT_EQ(summary.ceased_count(), ceased) << summary.model();
    EXPECT_EQ(summary.never_count(), kNeurons - became - stayed - ceased) << summary.model();
    if (summary.model() == "models/a") {
      EXPECT_GT(became + ceased, 0);  // a becomes another model
    }
  }
}

TEST_F(StudiesTest, AblatesAFamilyInEveryModelAtOnce) {
  config_.limits.results = 3;  // as many as there are models
  Start();
  const v1::Study study = Get(Run(Question({"a", "b", "c"}, {"1"}, {0.0})));
  v1::ListFamiliesRequest list;
  list.set_parent(study.parts().families(0).families());
  const auto families = ValueOf(Unary(analysis(), &Stub::ListFamilies, list));
  ASSERT_GT(families.families_size(), 0);
  EXPECT_EQ(families.total_size(), study.parts().families(0).family_count());
  const v1::NeuronFamily& family = families.families(0);
  std::map<std::string, int64_t> members;
  for (const v1::FamilyMember& member : family.members()) ++members[member.checkpoint()];
  EXPECT_EQ(family.model_count(), static_cast<int>(members.size()));
  EXPECT_GE(members.size(), 2);

  v1::RunAblationRequest request;
  request.set_dataset("datasets/text");
  request.add_neurons()->mutable_family()->set_families(list.parent());
  const v1::Operation ended = Wait(ValueOf(Unary(analysis(), &Stub::RunAblation, request)).name());
  ASSERT_EQ(ended.state(), v1::OPERATION_STATE_SUCCEEDED) << ended.DebugString();
  ASSERT_EQ(ended.results_size(), static_cast<int>(members.size()));
  for (const std::string& name : ended.results()) {
    const v1::Ablation ablation = Ablation(name);
    EXPECT_EQ(ablation.effect().neuron_count(), members[ablation.checkpoint().name()]);
    EXPECT_GT(ablation.effect().kl(), 0);
  }
  // The same twice is twice as many results.
  *request.add_neurons() = request.neurons(0);
  const absl::Status refused = Unary(analysis(), &Stub::RunAblation, request).status();
  EXPECT_EQ(CodeAndReason(refused), "INVALID_ARGUMENT TOO_MANY_SETS");
  EXPECT_THAT(std::string(refused.message()),
              HasSubstr(std::to_string(2 * members.size()) +
                        " results would follow; at most 3: name fewer families"));
  // A member finds its family.
  *list.mutable_member() = family.members(1);
  EXPECT_EQ(ValueOf(Unary(analysis(), &Stub::ListFamilies, list)).families(0).index(), 0);
}

TEST_F(StudiesTest, SaysWhyASetIsAbsent) {
  Start();
  const v1::Study study = Get(Run(Question({"a", "b"}, {"1"}, {-2.0, 1.9})));
  int absent = 0;
  for (const v1::StudyAblationPart& part : study.parts().ablations()) {
    if (part.ablation().empty()) {
      ++absent;
      EXPECT_THAT(part.absent_reason(), AllOf(HasSubstr("universal"), HasSubstr("threshold")));
      EXPECT_EQ(part.threshold() > 0, part.set() != v1::STUDY_SET_OTHERS);
    } else {
      EXPECT_TRUE(Ablation(part.ablation()).name() == part.ablation());
      EXPECT_TRUE(part.absent_reason().empty());
    }
  }
  // Of two models at -2: the others. At 1.9: all but the others, two of them also by layer.
  EXPECT_EQ(absent, 2 * (1 + 5));
}

TEST_F(StudiesTest, MeasuresAblationsOnTheirOwnDataSet) {
  Start();
  v1::DatasetSpec spec;
  spec.set_dataset_id("short");
  spec.set_checkpoint("models/a/checkpoints/1");
  spec.set_sequence_length(16);
  spec.set_max_tokens(96);
  const v1::Dataset few = ValueOf(CreateDataset(spec, SampleText(500)));
  v1::RunStudyRequest request = Question({"a", "b"}, {"1"}, {0.0});
  request.mutable_ablation()->set_dataset(few.name());
  const v1::Study study = Get(Run(request));
  EXPECT_EQ(study.dataset(), "datasets/text");
  EXPECT_EQ(study.ablation_dataset_sha256(), few.sha256());
  EXPECT_EQ(study.ablation_sequence_count(), few.sequence_count());
  for (const v1::StudyAblationPart& part : study.parts().ablations()) {
    if (part.ablation().empty()) continue;
    EXPECT_EQ(Ablation(part.ablation()).dataset(), few.name());
    EXPECT_EQ(Ablation(part.ablation()).predicted_positions(),
              few.sequence_count() * (few.sequence_length() - 1));
  }
  request.mutable_ablation()->clear_dataset();
  EXPECT_NE(Get(Run(request)).name(), study.name());
  request.mutable_ablation()->set_dataset("datasets/none");
  EXPECT_EQ(Refusal(request), "NOT_FOUND DATASET_NOT_FOUND");
}

TEST_F(StudiesTest, AskedAgainComesFromTheStore) {
  Start();
  const v1::RunStudyRequest request = Question({"a", "b"}, {"1", "2"}, {0.0});
  const v1::Operation first = Run(request);
  const auto again = ValueOf(Unary(analysis(), &Stub::RunStudy, request));
  EXPECT_EQ(again.state(), v1::OPERATION_STATE_SUCCEEDED);
  EXPECT_EQ(again.name(), first.name());
  v1::ListStudiesRequest list;
  const auto studies = ValueOf(Unary(analysis(), &Stub::ListStudies, list));
  ASSERT_EQ(studies.studies_size(), 1);
  EXPECT_EQ(studies.studies(0).name(), first.result());
  EXPECT_FALSE(studies.studies(0).has_parts());
}

TEST_F(StudiesTest, AnotherThresholdReadsNoModelForCorrelations) {
  Start();
  Run(Question({"a", "b"}, {"1", "2"}, {0.0}));
  v1::RunStudyRequest request = Question({"a", "b"}, {"1", "2"}, {0.0, 0.05});
  request.set_main_threshold(0.0);
  const v1::Operation wider = Run(request);
  EXPECT_EQ(wider.study_plan().correlation_count(), wider.study_plan().stored_correlation_count());
  // Of four checkpoints: six ablations of the threshold that was there.
  EXPECT_EQ(wider.study_plan().ablation_count(), 4 * 10);
  EXPECT_EQ(wider.study_plan().stored_ablation_count(), 4 * 6);
  SkipAblations(request);
  EXPECT_EQ(Run(request).progress().done_tokens(), 0);
}

TEST_F(StudiesTest, AnotherStepAndAnotherModelComputeTheirPairsOnly) {
  Start();
  v1::RunStudyRequest request = Question({"a", "b"}, {"1"}, {0.0});
  SkipAblations(request);
  EXPECT_EQ(Run(request).progress().done_tokens(), 2 * kTokens);
  request.add_steps("2");
  // Two models at step 2, and each with itself between the steps.
  EXPECT_EQ(Run(request).progress().done_tokens(), (2 + 4) * kTokens);
  request.add_models("models/c");
  // At step 1 all three models, for the pairs with c. At step 2 a and c: b and c are what they
  // were, and so is their pair. c between the steps.
  EXPECT_EQ(Run(request).progress().done_tokens(), (3 + 2 + 2) * kTokens);
}

TEST_F(StudiesTest, GoesOnAfterARestart) {
  Start();
  const v1::RunStudyRequest request = Question({"a", "b", "c"}, {"1", "2"}, {0.0, 0.1});
  const v1::Operation started = ValueOf(Unary(analysis(), &Stub::RunStudy, request));
  StopServer();
  StartServer();
  const v1::Operation ended = Wait(started.name());
  ASSERT_EQ(ended.state(), v1::OPERATION_STATE_SUCCEEDED) << ended.DebugString();
  EXPECT_EQ(Get(ended).emergence_size(), 3 * 2 * 2);
}

TEST_F(StudiesTest, CancelledKeepsWhatIsFinished) {
  Start();
  v1::RunStudyRequest request = Question({"a", "b", "c"}, {"1", "2"}, {0.0});
  request.mutable_ablation()->set_draws(100);
  const std::string name = ValueOf(Unary(analysis(), &Stub::RunStudy, request)).name();
  v1::GetOperationRequest get;
  get.set_name(name);
  // The first step's correlations are stored once its ablations have begun.
  while (true) {
    const auto now = ValueOf(Unary(operations(), &v1::OperationService::Stub::GetOperation, get));
    ASSERT_NE(now.state(), v1::OPERATION_STATE_SUCCEEDED);
    if (now.progress().done_tokens() > 4 * kTokens) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  v1::CancelOperationRequest cancel;
  cancel.set_name(name);
  ValueOf(Unary(operations(), &v1::OperationService::Stub::CancelOperation, cancel));
  ASSERT_EQ(Wait(name).state(), v1::OPERATION_STATE_CANCELLED);
  SkipAblations(request);
  EXPECT_GE(Run(request).study_plan().stored_correlation_count(), 3);
}

TEST_F(StudiesTest, RefusesWhatIsNoStudy) {
  Start();
  const v1::RunStudyRequest good = Question({"a", "b"}, {"1"}, {0.4, 0.5});
  auto refusal = [&](auto change) {
    v1::RunStudyRequest request = good;
    change(request);
    return Refusal(request);
  };
  using R = v1::RunStudyRequest&;
  EXPECT_EQ(refusal([](R r) { r.clear_models(); }), "INVALID_ARGUMENT TOO_FEW_MODELS");
  EXPECT_EQ(refusal([](R r) { r.mutable_models()->RemoveLast(); }),
            "INVALID_ARGUMENT TOO_FEW_MODELS");
  EXPECT_EQ(refusal([](R r) { r.add_models("models/a"); }), "INVALID_ARGUMENT DUPLICATE_MODEL");
  EXPECT_EQ(refusal([](R r) { r.add_models("a"); }), "INVALID_ARGUMENT INVALID_RESOURCE_NAME");
  EXPECT_EQ(refusal([](R r) {
              for (int i = 0; i < 40; ++i) r.add_models("models/m" + std::to_string(i));
            }),
            "INVALID_ARGUMENT TOO_MANY_MODELS");
  EXPECT_EQ(refusal([](R r) { r.clear_steps(); }), "INVALID_ARGUMENT NO_STEPS");
  EXPECT_EQ(refusal([](R r) { r.add_steps("1"); }), "INVALID_ARGUMENT DUPLICATE_STEP");
  EXPECT_EQ(refusal([](R r) {
              for (int i = 0; i < 300; ++i) r.add_steps(std::to_string(i + 10));
            }),
            "INVALID_ARGUMENT TOO_MANY_STEPS");
  EXPECT_EQ(refusal([](R r) { r.add_thresholds(0.5); }), "INVALID_ARGUMENT INVALID_THRESHOLD");
  EXPECT_EQ(refusal([](R r) { r.add_thresholds(0.3); }), "INVALID_ARGUMENT INVALID_THRESHOLD");
  EXPECT_EQ(refusal([](R r) { r.add_thresholds(7); }), "INVALID_ARGUMENT INVALID_THRESHOLD");
  EXPECT_EQ(refusal([](R r) { r.set_main_threshold(0.6); }), "INVALID_ARGUMENT INVALID_THRESHOLD");
  EXPECT_EQ(refusal([](R r) { r.set_rule(static_cast<v1::UniversalityRule>(9)); }),
            "INVALID_ARGUMENT INVALID_RULE");
  EXPECT_EQ(refusal([](R r) { r.mutable_parameters()->set_pairing(static_cast<v1::Pairing>(-1)); }),
            "INVALID_ARGUMENT INVALID_PAIRING");
  EXPECT_EQ(refusal([](R r) { r.mutable_parameters()->set_pairing(v1::PAIRING_SAME_INDEX); }),
            "INVALID_ARGUMENT INVALID_PAIRING");
  EXPECT_EQ(refusal([](R r) { r.mutable_ablation()->set_draws(101); }),
            "INVALID_ARGUMENT INVALID_DRAWS");
  EXPECT_EQ(refusal([](R r) { r.mutable_ablation()->set_skip(true); }),  // beside draws
            "INVALID_ARGUMENT INVALID_PARAMETER");
  EXPECT_EQ(refusal([](R r) { r.mutable_ablation()->set_kind(v1::ABLATION_KIND_FIXED); }),
            "INVALID_ARGUMENT INVALID_VALUE");
  EXPECT_EQ(refusal([](R r) { r.set_dataset("datasets/none"); }), "NOT_FOUND DATASET_NOT_FOUND");
  EXPECT_EQ(refusal([](R r) {
              r.set_models(1, "models/small");
              r.set_same_index(true);
            }),
            "INVALID_ARGUMENT SHAPE_MISMATCH");
}

TEST_F(StudiesTest, RefusesAModelThatChangesItsShape) {
  std::filesystem::copy(repository() / "small" / "1", repository() / "b" / "3",
                        std::filesystem::copy_options::recursive);
  std::filesystem::copy(repository() / "a" / "1", repository() / "a" / "3",
                        std::filesystem::copy_options::recursive);
  Start();
  EXPECT_EQ(Refusal(Question({"a", "b"}, {"1", "3"}, {0.5})), "INVALID_ARGUMENT SHAPE_MISMATCH");
  // Models of different sizes are fine.
  const v1::Study study = Get(Run(Question({"a", "small"}, {"1"}, {0.0})));
  EXPECT_NE(study.checkpoints(0).shape().d_mlp(), study.checkpoints(1).shape().d_mlp());
}

TEST_F(StudiesTest, RefusesAModelOfAnotherVocabulary) {
  WriteTinyModel(repository() / "narrow" / "1", {.vocabulary = 64, .seed = 9});
  Start();
  const absl::Status status =
      Unary(analysis(), &Stub::RunStudy, Question({"a", "narrow"}, {"1"}, {0.5})).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("models/narrow/checkpoints/1"));
}

TEST_F(StudiesTest, NamesEveryModelThatLacksAStep) {
  Start();
  const auto missing =
      Unary(analysis(), &Stub::RunStudy, Question({"a", "small", "b"}, {"1", "2", "main"}, {0.5}));
  EXPECT_EQ(CodeAndReason(missing.status()), "NOT_FOUND CHECKPOINT_NOT_FOUND");
  EXPECT_THAT(std::string(missing.status().message()),
              AllOf(HasSubstr("models/small lacks 2, main"), HasSubstr("models/a lacks main"),
                    HasSubstr("models/b lacks main")));
}

TEST_F(StudiesTest, SaysThatThereIsNoSuchThing) {
  Start();
  v1::GetStudyRequest get;
  get.set_name("studies/none");
  EXPECT_EQ(CodeAndReason(Unary(analysis(), &Stub::GetStudy, get).status()),
            "NOT_FOUND STUDY_NOT_FOUND");
  v1::ListFamiliesRequest list;
  list.set_parent("families/none");
  EXPECT_EQ(CodeAndReason(Unary(analysis(), &Stub::ListFamilies, list).status()),
            "NOT_FOUND FAMILIES_NOT_FOUND");
  const v1::Study study = Get(Run(Question({"a", "b"}, {"1"}, {0.0})));
  v1::GetPersistenceRequest persistence;
  persistence.set_study(study.name());
  persistence.set_model("models/z");
  EXPECT_EQ(CodeAndReason(Unary(analysis(), &Stub::GetPersistence, persistence).status()),
            "INVALID_ARGUMENT INVALID_MODEL");
  persistence.set_model("models/a");
  persistence.set_threshold(0.3);
  EXPECT_EQ(CodeAndReason(Unary(analysis(), &Stub::GetPersistence, persistence).status()),
            "INVALID_ARGUMENT INVALID_THRESHOLD");
  v1::GetLineageRequest lineage;
  lineage.set_study(study.name());
  lineage.set_model("models/a");
  lineage.set_step("9");
  EXPECT_EQ(CodeAndReason(Unary(analysis(), &Stub::GetLineage, lineage).status()),
            "INVALID_ARGUMENT INVALID_STEP");
  lineage.set_step("1");
  lineage.set_layer(2);
  EXPECT_EQ(CodeAndReason(Unary(analysis(), &Stub::GetLineage, lineage).status()),
            "INVALID_ARGUMENT INVALID_LAYER");
  lineage.set_layer(1);
  lineage.set_neuron(24);
  EXPECT_EQ(CodeAndReason(Unary(analysis(), &Stub::GetLineage, lineage).status()),
            "INVALID_ARGUMENT INVALID_NEURON");
}

}  // namespace
}  // namespace homolog::testing
