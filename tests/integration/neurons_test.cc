// Single neurons and tables of all neurons, as a client gets them.
#include <algorithm>
#include <cstring>
#include <set>

#include "common/error.h"
#include "tests/integration/extract.h"
#include "tests/unit/server/results/stored_correlation.h"

namespace homolog::testing {
namespace {

using ::testing::HasSubstr;
using Stub = v1::AnalysisService::Stub;

class NeuronsTest : public ServerTest {
 protected:
  // Starts the server with datasets/text and with correlations/hand, made by hand as if computed on
  // it for models/a (stored_correlation.h).
  void StartWith(const analysis::CorrelationResult& result) {
    StartServer();
    const v1::Dataset dataset = CreateTextDataset();
    StopServer();
    v1::Correlation manifest = HandMadeManifest("hand");
    manifest.mutable_reference()->set_name("models/a/checkpoints/1");
    manifest.set_dataset(dataset.name());
    manifest.set_dataset_sha256(dataset.sha256());
    {
      const auto store = store::Store::Open(config_.data);
      ASSERT_TRUE(store.ok()) << store.status();
      ASSERT_TRUE((*store)
                      ->PutResult("correlations", "hand", manifest.SerializeAsString(),
                                  results::EncodeColumns(result))
                      .ok());
    }
    StartServer();
  }
  // Of models a with b and small on datasets/text, computed by the server.
  std::string Correlate() {
    v1::ComputeCorrelationsRequest request;
    request.set_reference("models/a/checkpoints/1");
    request.add_partners("models/b/checkpoints/1");
    request.add_partners("models/small/checkpoints/1");
    request.set_dataset("datasets/text");
    const auto operation = Unary(analysis(), &Stub::ComputeCorrelations, request);
    EXPECT_TRUE(operation.ok()) << operation.status();
    return operation.ok() ? Wait(operation->name()).result() : "";
  }

  absl::StatusOr<v1::NeuronDetail> Get(const v1::GetNeuronRequest& request) {
    return Unary(analysis(), &Stub::GetNeuron, request);
  }
  absl::StatusOr<v1::GetNeuronTableResponse> Table(const v1::GetNeuronTableRequest& request) {
    return Unary(analysis(), &Stub::GetNeuronTable, request);
  }
  static v1::GetNeuronRequest Neuron(const std::string& correlation, int layer, int neuron) {
    v1::GetNeuronRequest request;
    request.set_correlation(correlation);
    request.set_layer(layer);
    request.set_neuron(neuron);
    return request;
  }
};

TEST_F(NeuronsTest, ShowsWhatExcitesANeuronInTheTextOfTheDataSet) {
  StartWith(HandMadeDetailedResult());
  const std::string text = SampleText(40 * 32 + 5);
  const auto detail = Get(Neuron("correlations/hand", 1, 0));  // flat index 3
  ASSERT_TRUE(detail.ok()) << detail.status();
  EXPECT_EQ(detail->neuron().max_corr(), 0.75);
  EXPECT_EQ(detail->statistics().mean(), 3);
  EXPECT_EQ(detail->distributions_size(), 2);
  ASSERT_EQ(detail->exciting_positions_size(), 3);
  for (const v1::ExcitingPosition& position : detail->exciting_positions()) {
    std::string shown;
    for (const std::string& token : position.tokens()) shown += token;
    const int64_t begin = std::max<int64_t>(0, position.position() - 16);
    EXPECT_EQ(shown, text.substr(begin, std::min<int64_t>(32, position.position() + 17) - begin));
    EXPECT_EQ(position.tokens(position.token_index()), text.substr(position.position(), 1));
  }
}

TEST_F(NeuronsTest, NamesWhatIsWrongWithARequestForANeuron) {
  StartWith(HandMadeDetailedResult());
  const auto refusal = [&](const v1::GetNeuronRequest& request) {
    return CodeAndReason(Get(request).status());
  };
  EXPECT_EQ(refusal(Neuron("correlations/hand", -1, 0)), "INVALID_ARGUMENT INVALID_LAYER");
  EXPECT_EQ(refusal(Neuron("correlations/hand", 2, 0)), "INVALID_ARGUMENT INVALID_LAYER");
  EXPECT_EQ(refusal(Neuron("correlations/hand", 1, 3)), "INVALID_ARGUMENT INVALID_NEURON");
  EXPECT_EQ(refusal(Neuron("correlations/none", 0, 0)), "NOT_FOUND CORRELATION_NOT_FOUND");
  EXPECT_EQ(refusal(Neuron("datasets/text", 0, 0)), "INVALID_ARGUMENT INVALID_RESOURCE_NAME");
  EXPECT_EQ(refusal(v1::GetNeuronRequest()), "INVALID_ARGUMENT INVALID_RESOURCE_NAME");
  v1::GetNeuronRequest request = Neuron("correlations/hand", 0, 0);
  request.set_threshold(3);
  EXPECT_EQ(refusal(request), "INVALID_ARGUMENT INVALID_THRESHOLD");
  request.clear_threshold();
  request.set_context_tokens(129);
  EXPECT_EQ(refusal(request), "INVALID_ARGUMENT INVALID_CONTEXT");
  request.clear_context_tokens();
  EXPECT_EQ(refusal(request), "OK ");
}

TEST_F(NeuronsTest, ServesResultsOfServersThatKeptNoStatistics) {
  StartWith(HandMadeResult());
  EXPECT_EQ(CodeAndReason(Get(Neuron("correlations/hand", 0, 0)).status()),
            "FAILED_PRECONDITION NO_DISTRIBUTION");
  v1::QueryUniversalNeuronsRequest query;
  query.set_correlation("correlations/hand");
  const auto universal = Unary(analysis(), &Stub::QueryUniversalNeurons, query);
  ASSERT_TRUE(universal.ok()) << universal.status();
  EXPECT_EQ(universal->total_size(), 3);
  v1::GetNeuronTableRequest table;
  table.set_correlation("correlations/hand");
  EXPECT_EQ(CodeAndReason(Table(table).status()), "OK ");
  table.add_columns("activation.mean");
  const absl::Status status = Table(table).status();
  EXPECT_EQ(CodeAndReason(status), "INVALID_ARGUMENT INVALID_COLUMN");
  EXPECT_THAT(std::string(status.message()), HasSubstr("0.max_corr"));
}

TEST_F(NeuronsTest, GivesTheColumnsOfAComputedCorrelationAsQueriesSeeThem) {
  StartServer();
  CreateTextDataset();
  v1::GetNeuronTableRequest request;
  request.set_correlation(Correlate());
  request.add_columns("1.max_corr");
  request.add_columns("1.max_sim");
  request.set_page_size(7);
  std::vector<float> corr;
  std::vector<int32_t> sim;
  do {
    const auto page = Table(request);
    ASSERT_TRUE(page.ok()) << page.status();
    ASSERT_EQ(page->total_size(), 48);
    ASSERT_EQ(page->first_neuron(), static_cast<int64_t>(corr.size()));
    for (const float value : Floats(page->columns(0).data())) corr.push_back(value);
    const std::string& packed = page->columns(1).data();
    sim.resize(sim.size() + packed.size() / 4);
    std::memcpy(sim.data() + sim.size() - packed.size() / 4, packed.data(), packed.size());
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  v1::QueryUniversalNeuronsRequest query;
  query.set_correlation(request.correlation());
  query.set_threshold(-2);
  query.set_order_by("layer, neuron");
  const auto all = Unary(analysis(), &Stub::QueryUniversalNeurons, query);
  ASSERT_TRUE(all.ok()) << all.status();
  ASSERT_EQ(corr.size(), 48u);
  ASSERT_EQ(all->neurons_size(), 48);
  for (int k = 0; k < 48; ++k) {
    const v1::NeuronPartner& partner = all->neurons(k).partners(1);
    EXPECT_EQ(corr[k], partner.max_corr());
    EXPECT_EQ(sim[k], partner.max_sim_layer() * 10 + partner.max_sim_neuron());
  }
}

TEST_F(NeuronsTest, FindsThePositionsWhereExtractedActivationsAreLargest) {
  StartServer();
  CreateTextDataset();
  const std::string correlation = Correlate();
  const auto detail = Get(Neuron(correlation, 1, 5));
  ASSERT_TRUE(detail.ok()) << detail.status();
  v1::ExtractActivationsRequest request;
  request.set_checkpoint("models/a/checkpoints/1");
  request.set_dataset("datasets/text");
  request.add_layers(1);
  request.add_neurons(5);
  const Extracted extracted = Extract(analysis(), request);
  ASSERT_TRUE(extracted.status.ok()) << extracted.status;
  std::vector<float> sorted = Floats(extracted.layers.at(1));
  const std::vector<float> activations = sorted;
  std::sort(sorted.rbegin(), sorted.rend());
  ASSERT_EQ(detail->exciting_positions_size(), 20);
  std::set<int64_t> seen;
  for (int i = 0; i < 20; ++i) {
    const v1::ExcitingPosition& position = detail->exciting_positions(i);
    EXPECT_NEAR(position.activation(), sorted[i], 1e-4);
    EXPECT_NEAR(position.activation(), activations[position.position()], 1e-4);
    EXPECT_EQ(position.sequence(), position.position() / 32);
    seen.insert(position.position());
  }
  EXPECT_EQ(seen.size(), 20u);
}

TEST_F(NeuronsTest, NamesWhatIsWrongWithARequestForATable) {
  StartWith(HandMadeDetailedResult());
  v1::GetNeuronTableRequest good;
  good.set_correlation("correlations/hand");
  const auto refusal = [&](auto change) {
    v1::GetNeuronTableRequest request = good;
    change(request);
    return CodeAndReason(Table(request).status());
  };
  using Request = v1::GetNeuronTableRequest;
  EXPECT_EQ(refusal([](Request&) {}), "OK ");
  EXPECT_EQ(refusal([](Request& r) { r.add_columns("2.max_corr"); }),
            "INVALID_ARGUMENT INVALID_COLUMN");
  EXPECT_EQ(refusal([](Request& r) { r.add_columns(std::string(1 << 20, '0')); }),
            "INVALID_ARGUMENT INVALID_COLUMN");
  EXPECT_EQ(refusal([](Request& r) {
              for (int i = 0; i < 100000; ++i) r.add_columns("dead");
            }),
            "INVALID_ARGUMENT INVALID_COLUMN");
  EXPECT_EQ(refusal([](Request& r) { r.set_layer(2); }), "INVALID_ARGUMENT INVALID_LAYER");
  EXPECT_EQ(refusal([](Request& r) { r.set_page_size(-5); }), "INVALID_ARGUMENT INVALID_PAGE_SIZE");
  EXPECT_EQ(refusal([](Request& r) { r.set_page_token("7"); }),
            "INVALID_ARGUMENT INVALID_PAGE_TOKEN");
  EXPECT_EQ(refusal([](Request& r) { r.set_correlation("correlations/none"); }),
            "NOT_FOUND CORRELATION_NOT_FOUND");
}

}  // namespace
}  // namespace homolog::testing
