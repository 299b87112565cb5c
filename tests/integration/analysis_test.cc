#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "tests/integration/extract.h"

namespace homolog::testing {
namespace {

using ::testing::HasSubstr;
using Stub = v1::AnalysisService::Stub;

// The only set of the request.
v1::NeuronSet& NeuronsOf(v1::RunAblationRequest& request) {
  if (request.neurons().empty()) request.add_neurons();
  return *request.mutable_neurons(0);
}

class AnalysisTest : public ServerTest {
 protected:
  static v1::ComputeCorrelationsRequest CorrelationRequest() {
    v1::ComputeCorrelationsRequest request;
    request.set_reference("models/a/checkpoints/1");
    request.add_partners("models/b/checkpoints/1");
    request.add_partners("models/small/checkpoints/1");
    request.set_dataset("datasets/text");
    return request;
  }

  absl::StatusOr<v1::Operation> Compute(const v1::ComputeCorrelationsRequest& request) {
    return Unary(analysis(), &Stub::ComputeCorrelations, request);
  }
  absl::StatusOr<v1::Operation> Ablate(const v1::RunAblationRequest& request) {
    return Unary(analysis(), &Stub::RunAblation, request);
  }

  // Computes and returns the name of the correlation.
  std::string Correlate(const v1::ComputeCorrelationsRequest& request) {
    const auto operation = Compute(request);
    EXPECT_TRUE(operation.ok()) << operation.status();
    if (!operation.ok()) return "";
    const v1::Operation ended = Wait(operation->name());
    EXPECT_EQ(ended.state(), v1::OPERATION_STATE_SUCCEEDED) << ended.DebugString();
    return ended.result();
  }

  v1::QueryUniversalNeuronsResponse Query(const v1::QueryUniversalNeuronsRequest& request) {
    const auto response = Unary(analysis(), &Stub::QueryUniversalNeurons, request);
    EXPECT_TRUE(response.ok()) << response.status();
    return response.ok() ? *response : v1::QueryUniversalNeuronsResponse();
  }
  v1::QueryUniversalNeuronsResponse QueryAll(const std::string& correlation) {
    v1::QueryUniversalNeuronsRequest request;
    request.set_correlation(correlation);
    request.set_threshold(-2);
    request.set_order_by("layer, neuron");
    return Query(request);
  }

  v1::Ablation RunAndGet(const v1::RunAblationRequest& request) {
    const auto operation = Ablate(request);
    EXPECT_TRUE(operation.ok()) << operation.status();
    if (!operation.ok()) return {};
    const v1::Operation ended = Wait(operation->name());
    EXPECT_EQ(ended.state(), v1::OPERATION_STATE_SUCCEEDED) << ended.DebugString();
    v1::GetAblationRequest get;
    get.set_name(ended.result());
    const auto ablation = Unary(analysis(), &Stub::GetAblation, get);
    EXPECT_TRUE(ablation.ok()) << ablation.status();
    return ablation.ok() ? *ablation : v1::Ablation();
  }

  // [neuron][position] of a whole model in float64, as extracted.
  std::vector<std::vector<double>> Columns(const std::string& checkpoint) {
    v1::ExtractActivationsRequest request;
    request.set_checkpoint(checkpoint);
    request.set_dataset("datasets/text");
    const Extracted extracted = Extract(analysis(), request);
    EXPECT_TRUE(extracted.status.ok()) << extracted.status;
    std::vector<std::vector<double>> columns;
    const size_t neurons = static_cast<size_t>(extracted.header.neurons_size());
    for (const auto& [layer, packed] : extracted.layers) {
      const std::vector<float> values = Floats(packed);
      for (size_t n = 0; n < neurons; ++n) {
        columns.emplace_back();
        for (size_t p = n; p < values.size(); p += neurons) columns.back().push_back(values[p]);
      }
    }
    return columns;
  }
};

double Pearson(const std::vector<double>& a, const std::vector<double>& b) {
  double mean_a = 0, mean_b = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    mean_a += a[i] / static_cast<double>(a.size());
    mean_b += b[i] / static_cast<double>(a.size());
  }
  double ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    ab += (a[i] - mean_a) * (b[i] - mean_b);
    aa += (a[i] - mean_a) * (a[i] - mean_a);
    bb += (b[i] - mean_b) * (b[i] - mean_b);
  }
  return ab / std::sqrt(aa * bb);
}

TEST_F(AnalysisTest, CorrelatesAsANaiveFloat64ComputationOnTheExtractedActivationsDoes) {
  StartServer();
  CreateTextDataset();
  const v1::QueryUniversalNeuronsResponse all = QueryAll(Correlate(CorrelationRequest()));
  ASSERT_EQ(all.total_size(), 48);
  ASSERT_EQ(all.neurons_size(), 48);
  const auto reference = Columns("models/a/checkpoints/1");
  const std::vector<std::vector<std::vector<double>>> partners = {
      Columns("models/b/checkpoints/1"), Columns("models/small/checkpoints/1")};
  const int d_mlp[] = {24, 10};
  for (int k = 0; k < 48; ++k) {
    const v1::Neuron& neuron = all.neurons(k);
    ASSERT_EQ(neuron.layer() * 24 + neuron.neuron(), k);
    for (int p = 0; p < 2; ++p) {
      double max = -2, min = 2;
      for (const auto& column : partners[p]) {
        const double rho = Pearson(reference[k], column);
        max = std::max(max, rho);
        min = std::min(min, rho);
      }
      const v1::NeuronPartner& partner = neuron.partners(p);
      EXPECT_NEAR(partner.max_corr(), max, 1e-5);
      EXPECT_NEAR(partner.min_corr(), min, 1e-5);
      const int best = partner.max_sim_layer() * d_mlp[p] + partner.max_sim_neuron();
      EXPECT_NEAR(Pearson(reference[k], partners[p][best]), max, 1e-5);
      EXPECT_NEAR(partner.excess_corr(), partner.max_corr() - partner.baseline(), 1e-12);
    }
    EXPECT_NEAR(neuron.max_corr(),
                (neuron.partners(0).max_corr() + neuron.partners(1).max_corr()) / 2, 1e-9);
    EXPECT_NEAR(neuron.excess_corr(),
                (neuron.partners(0).excess_corr() + neuron.partners(1).excess_corr()) / 2, 1e-9);
  }
}

TEST_F(AnalysisTest, StatesWhatWentIntoTheResult) {
  StartServer();
  const v1::Dataset dataset = CreateTextDataset();
  v1::ComputeCorrelationsRequest request = CorrelationRequest();
  request.mutable_parameters()->add_excluded_token_ids(' ');
  v1::GetCorrelationRequest get;
  get.set_name(Correlate(request));
  const auto correlation = Unary(analysis(), &Stub::GetCorrelation, get);
  ASSERT_TRUE(correlation.ok()) << correlation.status();
  EXPECT_EQ(correlation->reference().name(), "models/a/checkpoints/1");
  EXPECT_EQ(correlation->reference().weights_sha256().size(), 64u);
  EXPECT_EQ(correlation->partners_size(), 2);
  EXPECT_EQ(correlation->dataset_sha256(), dataset.sha256());
  EXPECT_EQ(correlation->parameters().rotations(), 1);
  EXPECT_EQ(correlation->parameters().site(), v1::SITE_MLP_POST);
  const std::string text = SampleText(40 * 32 + 5).substr(0, 40 * 32);
  const auto spaces = std::count(text.begin(), text.end(), ' ');
  EXPECT_EQ(correlation->excluded_positions(), spaces);
  EXPECT_EQ(correlation->counted_positions(), 40 * 32 - spaces);
  ASSERT_EQ(correlation->universal_shares_size(), 9);
  for (const v1::UniversalShare& share : correlation->universal_shares()) {
    v1::QueryUniversalNeuronsRequest query;
    query.set_correlation(correlation->name());
    query.set_threshold(share.threshold());
    query.set_rule(share.rule());
    const v1::QueryUniversalNeuronsResponse neurons = Query(query);
    EXPECT_EQ(share.universal_count(), neurons.total_size());
    EXPECT_NEAR(share.universal_share(), static_cast<double>(neurons.total_size()) / 48, 1e-12);
  }
}

TEST_F(AnalysisTest, AnswersTheSameQuestionFromTheStoreAlsoAfterARestart) {
  StartServer();
  CreateTextDataset();
  const auto first = Compute(CorrelationRequest());
  ASSERT_TRUE(first.ok()) << first.status();
  const v1::Operation ended = Wait(first->name());
  const auto again = Compute(CorrelationRequest());
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->SerializeAsString(), ended.SerializeAsString());
  const std::string before = QueryAll(ended.result()).SerializeAsString();
  StopServer();
  StartServer();
  const auto restarted = Compute(CorrelationRequest());
  ASSERT_TRUE(restarted.ok()) << restarted.status();
  EXPECT_EQ(restarted->state(), v1::OPERATION_STATE_SUCCEEDED);
  EXPECT_EQ(restarted->result(), ended.result());
  EXPECT_EQ(QueryAll(ended.result()).SerializeAsString(), before);
}

TEST_F(AnalysisTest, GivesEveryDifferentQuestionAnotherName) {
  StartServer();
  CreateTextDataset();
  std::vector<v1::ComputeCorrelationsRequest> requests(9, CorrelationRequest());
  requests[1].mutable_parameters()->set_seed(1);
  requests[2].mutable_parameters()->set_rotations(2);
  requests[3].mutable_parameters()->set_site(v1::SITE_MLP_PRE);
  requests[4].mutable_parameters()->set_baseline(v1::BASELINE_ORTHOGONAL);
  requests[5].mutable_parameters()->add_excluded_token_ids(32);
  requests[6].mutable_partners()->RemoveLast();
  requests[7].mutable_partners()->RemoveLast();
  requests[7].mutable_parameters()->set_pairing(v1::PAIRING_SAME_INDEX);
  requests[8].mutable_parameters()->set_precision(v1::PRECISION_BFLOAT16);
  std::set<std::string> names;
  for (const auto& request : requests) names.insert(Correlate(request));
  EXPECT_EQ(names.size(), requests.size());
  // Defaults spelled out are the same question.
  v1::ComputeCorrelationsRequest spelled = CorrelationRequest();
  spelled.mutable_parameters()->set_site(v1::SITE_MLP_POST);
  spelled.mutable_parameters()->set_rotations(1);
  spelled.mutable_parameters()->set_precision(v1::PRECISION_FLOAT32);
  EXPECT_EQ(Correlate(spelled), Correlate(CorrelationRequest()));
}

TEST_F(AnalysisTest, CorrelatesEveryReferenceInTurnFromOnePass) {
  StartServer();
  CreateTextDataset();
  const std::string alone = Correlate(CorrelationRequest());  // is not computed again
  v1::ComputeCorrelationsRequest request = CorrelationRequest();
  request.set_every_reference(true);
  const v1::Operation ended = Wait(Compute(request)->name());
  ASSERT_EQ(ended.state(), v1::OPERATION_STATE_SUCCEEDED) << ended.DebugString();
  ASSERT_EQ(ended.results_size(), 3);
  EXPECT_EQ(ended.result(), alone);
  EXPECT_EQ(ended.results(0), alone);
  EXPECT_EQ(ended.correlation_plan().passes(), 1);
  EXPECT_GT(ended.correlation_plan().memory_bytes(), 0);
  // Each has the name that its own request would give it.
  v1::ComputeCorrelationsRequest turned = CorrelationRequest();
  turned.set_reference("models/small/checkpoints/1");
  turned.set_partners(0, "models/a/checkpoints/1");
  turned.set_partners(1, "models/b/checkpoints/1");
  const auto answered = Compute(turned);
  ASSERT_TRUE(answered.ok()) << answered.status();
  EXPECT_EQ(answered->state(), v1::OPERATION_STATE_SUCCEEDED);
  EXPECT_EQ(answered->result(), ended.results(2));
  v1::GetCorrelationRequest get;
  get.set_name(ended.results(2));
  const auto correlation = Unary(analysis(), &Stub::GetCorrelation, get);
  ASSERT_TRUE(correlation.ok()) << correlation.status();
  EXPECT_EQ(correlation->reference().name(), "models/small/checkpoints/1");
  EXPECT_EQ(correlation->partners(1).name(), "models/b/checkpoints/1");
  ASSERT_EQ(correlation->pairs_size(), 2);
  EXPECT_GT(correlation->pairs(0).error().pair_count(), 0);
  EXPECT_LT(correlation->pairs(0).error().max_abs(), 1e-5);
  EXPECT_EQ(correlation->pairs(0).layer_similarity_size(),
            correlation->reference().shape().layers() * correlation->partners(0).shape().layers());
  // Asked again, all of them are answered from the store.
  const auto again = Compute(request);
  EXPECT_EQ(again->state(), v1::OPERATION_STATE_SUCCEEDED);
  EXPECT_EQ(again->name(), ended.name());
  EXPECT_THAT(again->results(), ::testing::ElementsAreArray(ended.results()));
}

TEST_F(AnalysisTest, PagesAndOrdersNeurons) {
  StartServer();
  CreateTextDataset();
  const std::string correlation = Correlate(CorrelationRequest());
  v1::QueryUniversalNeuronsRequest request;
  request.set_correlation(correlation);
  request.set_threshold(-2);
  request.set_page_size(7);
  request.set_order_by("max_corr desc");
  std::vector<double> values;
  std::set<std::pair<int, int>> seen;
  do {
    const v1::QueryUniversalNeuronsResponse page = Query(request);
    ASSERT_GT(page.neurons_size(), 0);
    EXPECT_EQ(page.total_size(), 48);
    for (const v1::Neuron& neuron : page.neurons()) {
      values.push_back(neuron.max_corr());
      seen.emplace(neuron.layer(), neuron.neuron());
    }
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_EQ(seen.size(), 48u);
  EXPECT_TRUE(std::is_sorted(values.rbegin(), values.rend()));

  request.set_layer(1);
  request.set_page_size(0);
  const v1::QueryUniversalNeuronsResponse layer = Query(request);
  EXPECT_EQ(layer.total_size(), 24);
  EXPECT_EQ(layer.neuron_count(), 24);
  for (const v1::Neuron& neuron : layer.neurons()) EXPECT_EQ(neuron.layer(), 1);
}

TEST_F(AnalysisTest, ListsOnlyNeuronsAboveTheThreshold) {
  StartServer();
  CreateTextDataset();
  const std::string correlation = Correlate(CorrelationRequest());
  const v1::QueryUniversalNeuronsResponse all = QueryAll(correlation);
  for (const auto rule :
       {v1::UNIVERSALITY_RULE_MEAN, v1::UNIVERSALITY_RULE_ALL, v1::UNIVERSALITY_RULE_ANY}) {
    for (const double threshold : {-0.1, 0.0, 0.1}) {
      int64_t expected = 0;
      for (const v1::Neuron& neuron : all.neurons()) {
        const double x = neuron.partners(0).excess_corr(), y = neuron.partners(1).excess_corr();
        const double excess = rule == v1::UNIVERSALITY_RULE_MEAN  ? (x + y) / 2
                              : rule == v1::UNIVERSALITY_RULE_ALL ? std::min(x, y)
                                                                  : std::max(x, y);
        expected += excess > threshold;
      }
      v1::QueryUniversalNeuronsRequest request;
      request.set_correlation(correlation);
      request.set_threshold(threshold);
      request.set_rule(rule);
      const v1::QueryUniversalNeuronsResponse response = Query(request);
      EXPECT_EQ(response.total_size(), expected);
      for (const v1::Neuron& neuron : response.neurons()) EXPECT_TRUE(neuron.universal());
    }
  }
}

TEST_F(AnalysisTest, AblatesExplicitNeurons) {
  StartServer();
  CreateTextDataset();
  v1::RunAblationRequest request;
  request.set_checkpoint("models/a/checkpoints/1");
  request.set_dataset("datasets/text");
  for (int neuron = 0; neuron < 12; ++neuron) {
    v1::NeuronId& id = *NeuronsOf(request).mutable_explicit_()->add_neurons();
    id.set_layer(1);
    id.set_neuron(neuron);
  }
  const v1::Ablation ablation = RunAndGet(request);
  EXPECT_EQ(ablation.effect().neuron_count(), 12);
  EXPECT_EQ(ablation.predicted_positions(), 40 * 31);
  EXPECT_GT(ablation.effect().kl(), 0);
  EXPECT_NEAR(ablation.effect().loss_increase(),
              ablation.effect().ablated_loss() - ablation.clean_loss(), 1e-12);
  EXPECT_GT(ablation.effect().top1_agreement(), 0);
  EXPECT_LT(ablation.effect().top1_agreement(), 1);
  // The order in which the neurons are named does not matter.
  std::reverse(NeuronsOf(request).mutable_explicit_()->mutable_neurons()->begin(),
               NeuronsOf(request).mutable_explicit_()->mutable_neurons()->end());
  EXPECT_EQ(RunAndGet(request).name(), ablation.name());
}

TEST_F(AnalysisTest, AblatesUniversalOtherAndRandomNeurons) {
  StartServer();
  CreateTextDataset();
  const std::string correlation = Correlate(CorrelationRequest());
  v1::UniversalNeurons universal;
  universal.set_correlation(correlation);
  universal.set_threshold(0.0);
  v1::QueryUniversalNeuronsRequest query;
  query.set_correlation(correlation);
  query.set_threshold(0.0);
  const int64_t count = Query(query).total_size();
  ASSERT_GT(count, 0);
  ASSERT_LT(count, 48);

  v1::RunAblationRequest request;
  request.set_checkpoint("models/a/checkpoints/1");
  request.set_dataset("datasets/text");
  *NeuronsOf(request).mutable_universal() = universal;
  EXPECT_EQ(RunAndGet(request).effect().neuron_count(), count);
  *NeuronsOf(request).mutable_others() = universal;
  EXPECT_EQ(RunAndGet(request).effect().neuron_count(), 48 - count);
  *NeuronsOf(request).mutable_random()->mutable_universal() = universal;
  const v1::Ablation random = RunAndGet(request);
  EXPECT_EQ(random.effect().neuron_count(), count);
  ASSERT_EQ(random.draws_size(), 5);
  double mean = 0, squares = 0;
  for (const v1::AblationEffect& draw : random.draws()) mean += draw.kl() / 5;
  for (const v1::AblationEffect& draw : random.draws()) {
    squares += (draw.kl() - mean) * (draw.kl() - mean);
  }
  EXPECT_NEAR(random.effect().kl(), mean, 1e-12);
  EXPECT_NEAR(random.effect_std().kl(), std::sqrt(squares / 4), 1e-12);
}

TEST_F(AnalysisTest, RefusesAnAblationWithoutNeuronsOrWithAnotherModelsCorrelation) {
  StartServer();
  CreateTextDataset();
  const std::string correlation = Correlate(CorrelationRequest());
  v1::RunAblationRequest request;
  request.set_checkpoint("models/a/checkpoints/1");
  request.set_dataset("datasets/text");
  v1::UniversalNeurons& universal = *NeuronsOf(request).mutable_universal();
  universal.set_correlation(correlation);
  universal.set_threshold(1.9);
  const absl::Status empty = Ablate(request).status();
  EXPECT_EQ(CodeAndReason(empty), "FAILED_PRECONDITION EMPTY_NEURON_SET");
  EXPECT_THAT(std::string(empty.message()), HasSubstr("1.9"));
  universal.set_threshold(0.0);
  request.set_checkpoint("models/b/checkpoints/1");
  EXPECT_EQ(CodeAndReason(Ablate(request).status()), "FAILED_PRECONDITION WRONG_REFERENCE");
}

TEST_F(AnalysisTest, AblatesSeveralSetsBesideOneCleanPass) {
  StartServer();
  CreateTextDataset();
  const std::string correlation = Correlate(CorrelationRequest());
  v1::RunAblationRequest request;
  request.set_checkpoint("models/a/checkpoints/1");
  request.set_dataset("datasets/text");
  for (const double threshold : {-0.1, 0.0}) {
    v1::UniversalNeurons universal;
    universal.set_correlation(correlation);
    universal.set_threshold(threshold);
    *request.add_neurons()->mutable_universal() = universal;
    v1::RandomNeurons& random = *request.add_neurons()->mutable_random_layer_matched();
    *random.mutable_universal() = universal;
    random.set_draws(3);
  }
  const auto started = Ablate(request);
  ASSERT_TRUE(started.ok()) << started.status();
  const v1::Operation ended = Wait(started->name());
  ASSERT_EQ(ended.state(), v1::OPERATION_STATE_SUCCEEDED) << ended.DebugString();
  ASSERT_EQ(ended.results_size(), 4);
  // One clean pass; one set, three draws, one set, three draws.
  EXPECT_EQ(ended.progress().done_tokens(), 40 * 32 * (1 + 8));
  // Each is what it is when asked for alone, and known by then.
  for (int i = 0; i < 4; ++i) {
    v1::RunAblationRequest alone = request;
    alone.clear_neurons();
    *alone.add_neurons() = request.neurons(i);
    const auto known = Ablate(alone);
    ASSERT_TRUE(known.ok()) << known.status();
    EXPECT_EQ(known->state(), v1::OPERATION_STATE_SUCCEEDED);
    EXPECT_EQ(known->result(), ended.results(i));
    const v1::Ablation ablation = RunAndGet(alone);
    EXPECT_GT(ablation.effect().kl_error(), 0);
    EXPECT_GT(ablation.effect().loss_increase_error(), 0);
    EXPECT_EQ(ablation.draws_size(), i % 2 == 0 ? 0 : 3);
  }
}

TEST_F(AnalysisTest, AblatesLayerByLayer) {
  StartServer();
  CreateTextDataset();
  v1::RunAblationRequest request;
  request.set_checkpoint("models/a/checkpoints/1");
  request.set_dataset("datasets/text");
  for (int neuron = 0; neuron < 12; ++neuron) {
    v1::NeuronId& id = *NeuronsOf(request).mutable_explicit_()->add_neurons();
    id.set_layer(1);
    id.set_neuron(neuron);
  }
  const v1::Ablation whole = RunAndGet(request);
  request.set_scope(v1::ABLATION_SCOPE_PER_LAYER);
  const v1::Ablation by_layer = RunAndGet(request);
  EXPECT_NE(by_layer.name(), whole.name());
  EXPECT_FALSE(by_layer.has_effect());
  ASSERT_EQ(by_layer.layers_size(), 2);
  EXPECT_FALSE(by_layer.layers(0).has_effect());  // absent, not 0
  EXPECT_EQ(by_layer.layers(1).effect().neuron_count(), 12);
  EXPECT_NEAR(by_layer.layers(1).effect().kl(), whole.effect().kl(), 1e-6);
}

TEST_F(AnalysisTest, EveryKindOfAblationIsAResultOfItsOwn) {
  StartServer();
  CreateTextDataset();
  v1::RunAblationRequest request;
  request.set_checkpoint("models/a/checkpoints/1");
  request.set_dataset("datasets/text");
  for (int neuron = 0; neuron < 24; ++neuron) {
    v1::NeuronId& id = *NeuronsOf(request).mutable_explicit_()->add_neurons();
    id.set_neuron(neuron);
  }
  std::set<std::string> names;
  std::set<double> effects;
  auto run = [&] {
    const v1::Ablation ablation = RunAndGet(request);
    names.insert(ablation.name());
    effects.insert(ablation.effect().kl());
    EXPECT_EQ(ablation.kind(), request.kind());
  };
  for (const v1::AblationKind kind :
       {v1::ABLATION_KIND_ZERO, v1::ABLATION_KIND_MEAN, v1::ABLATION_KIND_RESAMPLE}) {
    request.set_kind(kind);
    run();
  }
  request.set_seed(1);  // of the positions
  run();
  request.clear_seed();
  for (const v1::AblationKind kind : {v1::ABLATION_KIND_FIXED, v1::ABLATION_KIND_THRESHOLD}) {
    request.set_kind(kind);
    for (const double value : {0.5, -0.1}) {
      request.set_value(value);
      run();
    }
  }
  EXPECT_EQ(names.size(), 8);
  EXPECT_EQ(effects.size(), 8);
  request.set_value(std::numeric_limits<double>::infinity());
  EXPECT_EQ(CodeAndReason(Ablate(request).status()), "INVALID_ARGUMENT INVALID_VALUE");
  request.clear_value();
  EXPECT_EQ(CodeAndReason(Ablate(request).status()), "INVALID_ARGUMENT INVALID_VALUE");
  request.set_kind(v1::ABLATION_KIND_ZERO);
  request.set_value(1);
  EXPECT_EQ(CodeAndReason(Ablate(request).status()), "INVALID_ARGUMENT INVALID_VALUE");
  request.clear_value();
  for (int i = 0; i < 11; ++i) request.add_neurons()->mutable_random()->set_draws(100);
  EXPECT_EQ(CodeAndReason(Ablate(request).status()), "INVALID_ARGUMENT TOO_MANY_SETS");
  for (int i = 0; i < 256; ++i) request.add_neurons()->mutable_random();
  EXPECT_EQ(CodeAndReason(Ablate(request).status()), "INVALID_ARGUMENT TOO_MANY_SETS");
  request.mutable_neurons()->DeleteSubrange(1, request.neurons_size() - 1);
  request.set_seed(1);
  EXPECT_EQ(CodeAndReason(Ablate(request).status()), "INVALID_ARGUMENT INVALID_PARAMETER");
  request.clear_seed();
  request.set_kind(static_cast<v1::AblationKind>(17));
  EXPECT_EQ(CodeAndReason(Ablate(request).status()), "INVALID_ARGUMENT INVALID_PARAMETER");
}

TEST_F(AnalysisTest, ListsResults) {
  StartServer();
  CreateTextDataset();
  v1::ComputeCorrelationsRequest request = CorrelationRequest();
  for (int seed = 0; seed < 3; ++seed) {
    request.mutable_parameters()->set_seed(seed);
    Correlate(request);
  }
  v1::ListCorrelationsRequest list;
  list.set_page_size(2);
  const auto first = Unary(analysis(), &Stub::ListCorrelations, list);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->correlations_size(), 2);
  list.set_page_token(first->next_page_token());
  const auto second = Unary(analysis(), &Stub::ListCorrelations, list);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(second->correlations_size(), 1);
  EXPECT_TRUE(second->next_page_token().empty());
}

}  // namespace
}  // namespace homolog::testing
