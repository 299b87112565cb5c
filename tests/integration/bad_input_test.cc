// What a client may send that is wrong: every case has a code and a reason, and the server goes on.

#include <limits>

#include "common/error.h"
#include "tests/integration/extract.h"

namespace homolog::testing {
namespace {

using Stub = v1::AnalysisService::Stub;

class BadInputTest : public ServerTest {
 protected:
  static v1::ComputeCorrelationsRequest Good() {
    v1::ComputeCorrelationsRequest request;
    request.set_reference("models/a/checkpoints/1");
    request.add_partners("models/b/checkpoints/1");
    request.set_dataset("datasets/text");
    return request;
  }
  // The code and reason with which `change`d Good() is refused.
  template <typename Change>
  std::string Refusal(Change change) {
    v1::ComputeCorrelationsRequest request = Good();
    change(request);
    const auto operation = Unary(analysis(), &Stub::ComputeCorrelations, request);
    if (!operation.ok()) {
      EXPECT_GT(operation.status().message().size(), 20u) << operation.status();
      return CodeAndReason(operation.status());
    }
    const v1::Operation ended = Wait(operation->name());
    return CodeAndReason(ParseError(ended.error().SerializeAsString()));
  }
  std::string QueryRefusal(const v1::QueryUniversalNeuronsRequest& request) {
    return CodeAndReason(Unary(analysis(), &Stub::QueryUniversalNeurons, request).status());
  }
};

TEST_F(BadInputTest, NamesWhatIsWrongWithACorrelation) {
  WriteTinyModel(repository() / "ids" / "1", {.vocabulary = 300, .seed = 5});
  WriteTinyModel(repository() / "short" / "1", {.context = 16, .seed = 6});
  StartServer();
  CreateTextDataset();
  using Request = v1::ComputeCorrelationsRequest;
  EXPECT_EQ(Refusal([](Request& r) { r.set_reference("a/1"); }),
            "INVALID_ARGUMENT INVALID_RESOURCE_NAME");
  EXPECT_EQ(Refusal([](Request& r) { r.set_reference("models/../checkpoints/1"); }),
            "INVALID_ARGUMENT INVALID_RESOURCE_NAME");
  EXPECT_EQ(Refusal([](Request& r) { r.set_reference("models/none/checkpoints/1"); }),
            "NOT_FOUND CHECKPOINT_NOT_FOUND");
  EXPECT_EQ(Refusal([](Request& r) { r.set_dataset("datasets/none"); }),
            "NOT_FOUND DATASET_NOT_FOUND");
  EXPECT_EQ(Refusal([](Request& r) { r.clear_partners(); }), "INVALID_ARGUMENT NO_PARTNERS");
  EXPECT_EQ(Refusal([](Request& r) { r.add_partners(r.partners(0)); }),
            "INVALID_ARGUMENT DUPLICATE_PARTNER");
  EXPECT_EQ(Refusal([](Request& r) { r.add_partners(r.reference()); }),
            "INVALID_ARGUMENT DUPLICATE_PARTNER");
  EXPECT_EQ(Refusal([](Request& r) {
              for (int i = 0; i < 64; ++i) r.add_partners("models/x" + std::to_string(i));
            }),
            "INVALID_ARGUMENT TOO_MANY_PARTNERS");
  EXPECT_EQ(Refusal([](Request& r) { r.add_partners("models/ids/checkpoints/1"); }),
            "INVALID_ARGUMENT TOKENIZER_MISMATCH");
  EXPECT_EQ(Refusal([](Request& r) { r.add_partners("models/short/checkpoints/1"); }),
            "INVALID_ARGUMENT SEQUENCE_TOO_LONG");
  EXPECT_EQ(Refusal([](Request& r) {
              r.add_partners("models/small/checkpoints/1");
              r.mutable_parameters()->set_pairing(v1::PAIRING_SAME_INDEX);
            }),
            "INVALID_ARGUMENT SHAPE_MISMATCH");
  EXPECT_EQ(Refusal([](Request& r) { r.mutable_parameters()->set_rotations(-1); }),
            "INVALID_ARGUMENT INVALID_ROTATIONS");
  EXPECT_EQ(Refusal([](Request& r) { r.mutable_parameters()->set_rotations(1001); }),
            "INVALID_ARGUMENT INVALID_ROTATIONS");
  EXPECT_EQ(Refusal([](Request& r) { r.mutable_parameters()->add_excluded_token_ids(256); }),
            "INVALID_ARGUMENT INVALID_TOKEN_ID");
  EXPECT_EQ(Refusal([](Request& r) {
              for (int id = 0; id < 256; ++id) r.mutable_parameters()->add_excluded_token_ids(id);
            }),
            "FAILED_PRECONDITION TOO_FEW_POSITIONS");
  EXPECT_EQ(
      Refusal([](Request& r) { r.mutable_parameters()->set_site(static_cast<v1::Site>(77)); }),
      "INVALID_ARGUMENT INVALID_PARAMETER");
  EXPECT_EQ(Refusal([](Request&) {}), "OK ");
}

TEST_F(BadInputTest, RefusesAPrecisionThatTheDeviceLacks) {
  StartServer();
  CreateTextDataset();
  EXPECT_EQ(Refusal([](v1::ComputeCorrelationsRequest& request) {
              request.mutable_parameters()->set_precision(v1::PRECISION_TF32);
            }),
            "INVALID_ARGUMENT PRECISION_UNAVAILABLE");
  EXPECT_EQ(Refusal([](v1::ComputeCorrelationsRequest& request) {
              request.mutable_parameters()->set_precision(static_cast<v1::Precision>(9));
            }),
            "INVALID_ARGUMENT INVALID_PARAMETER");
}

TEST_F(BadInputTest, RefusesMomentsThatExceedTheMemoryBudget) {
  config_.memory_budget_bytes = 200000;
  StartServer();
  CreateTextDataset();
  EXPECT_EQ(Refusal([](v1::ComputeCorrelationsRequest&) {}), "RESOURCE_EXHAUSTED MEMORY_BUDGET");
}

TEST_F(BadInputTest, NamesModelLayerAndNeuronOfAnActivationThatIsNotFinite) {
  WriteTinyModel(repository() / "broken" / "1", {.seed = 5, .scale = 1e30});
  StartServer();
  CreateTextDataset();
  v1::ComputeCorrelationsRequest request = Good();
  request.add_partners("models/broken/checkpoints/1");
  const auto operation = Unary(analysis(), &Stub::ComputeCorrelations, request);
  ASSERT_TRUE(operation.ok()) << operation.status();
  const v1::Operation ended = Wait(operation->name());
  EXPECT_EQ(ended.state(), v1::OPERATION_STATE_FAILED);
  EXPECT_EQ(CodeAndReason(ParseError(ended.error().SerializeAsString())),
            "FAILED_PRECONDITION NON_FINITE_ACTIVATION");
  EXPECT_THAT(ended.error().message(), ::testing::HasSubstr("models/broken/checkpoints/1"));
  EXPECT_THAT(ended.error().message(), ::testing::HasSubstr("layer 0"));
}

TEST_F(BadInputTest, NamesWhatIsWrongWithAQuery) {
  StartServer();
  CreateTextDataset();
  const auto operation = Unary(analysis(), &Stub::ComputeCorrelations, Good());
  ASSERT_TRUE(operation.ok()) << operation.status();
  v1::QueryUniversalNeuronsRequest good;
  good.set_correlation(Wait(operation->name()).result());
  EXPECT_EQ(QueryRefusal(good), "OK ");

  v1::QueryUniversalNeuronsRequest request = good;
  request.set_correlation("correlations/none");
  EXPECT_EQ(QueryRefusal(request), "NOT_FOUND CORRELATION_NOT_FOUND");
  for (const double threshold : {-2.1, 2.1, std::numeric_limits<double>::quiet_NaN(),
                                 std::numeric_limits<double>::infinity()}) {
    request = good;
    request.set_threshold(threshold);
    EXPECT_EQ(QueryRefusal(request), "INVALID_ARGUMENT INVALID_THRESHOLD");
  }
  for (const int layer : {-1, 2}) {
    request = good;
    request.set_layer(layer);
    EXPECT_EQ(QueryRefusal(request), "INVALID_ARGUMENT INVALID_LAYER");
  }
  for (const char* order : {"size", "layer up", ",", "layer desc desc", " "}) {
    request = good;
    request.set_order_by(order);
    EXPECT_EQ(QueryRefusal(request), "INVALID_ARGUMENT INVALID_ORDER_BY") << order;
  }
  for (const int size : {-1, 10001}) {
    request = good;
    request.set_page_size(size);
    EXPECT_EQ(QueryRefusal(request), "INVALID_ARGUMENT INVALID_PAGE_SIZE");
  }
  for (const char* token : {"x", "-", "0-0", "\xc3\x28"}) {
    request = good;
    request.set_page_token(std::string(token) == "\xc3\x28" ? "%" : token);
    EXPECT_EQ(QueryRefusal(request), "INVALID_ARGUMENT INVALID_PAGE_TOKEN");
  }
}

TEST_F(BadInputTest, RefusesATokenOfAnotherQuery) {
  StartServer();
  CreateTextDataset();
  const auto operation = Unary(analysis(), &Stub::ComputeCorrelations, Good());
  ASSERT_TRUE(operation.ok()) << operation.status();
  v1::QueryUniversalNeuronsRequest request;
  request.set_correlation(Wait(operation->name()).result());
  request.set_threshold(-2);
  request.set_page_size(5);
  const auto page = Unary(analysis(), &Stub::QueryUniversalNeurons, request);
  ASSERT_TRUE(page.ok()) << page.status();
  request.set_page_token(page->next_page_token());
  request.set_order_by("layer");
  EXPECT_EQ(QueryRefusal(request), "INVALID_ARGUMENT INVALID_PAGE_TOKEN");
}

TEST_F(BadInputTest, RefusesNegativePageSizesEverywhere) {
  StartServer();
  v1::ListCheckpointsRequest checkpoint_list;
  checkpoint_list.set_page_size(-1);
  EXPECT_EQ(CodeAndReason(
                Unary(checkpoints(), &v1::CheckpointService::Stub::ListCheckpoints, checkpoint_list)
                    .status()),
            "INVALID_ARGUMENT INVALID_PAGE_SIZE");
  v1::ListDatasetsRequest dataset_list;
  dataset_list.set_page_size(-1);
  EXPECT_EQ(CodeAndReason(
                Unary(datasets(), &v1::DatasetService::Stub::ListDatasets, dataset_list).status()),
            "INVALID_ARGUMENT INVALID_PAGE_SIZE");
  v1::ListOperationsRequest operation_list;
  operation_list.set_page_size(-1);
  EXPECT_EQ(
      CodeAndReason(Unary(operations(), &v1::OperationService::Stub::ListOperations, operation_list)
                        .status()),
      "INVALID_ARGUMENT INVALID_PAGE_SIZE");
  v1::ListCorrelationsRequest correlation_list;
  correlation_list.set_page_size(-1);
  EXPECT_EQ(CodeAndReason(Unary(analysis(), &Stub::ListCorrelations, correlation_list).status()),
            "INVALID_ARGUMENT INVALID_PAGE_SIZE");
}

TEST_F(BadInputTest, NamesWhatIsWrongWithAnAblation) {
  StartServer();
  CreateTextDataset();
  v1::RunAblationRequest request;
  request.set_checkpoint("models/a/checkpoints/1");
  request.set_dataset("datasets/text");
  auto refusal = [&] {
    return CodeAndReason(Unary(analysis(), &Stub::RunAblation, request).status());
  };
  EXPECT_EQ(refusal(), "INVALID_ARGUMENT MISSING_NEURONS");
  v1::NeuronSet& set = *request.add_neurons();
  EXPECT_EQ(refusal(), "INVALID_ARGUMENT MISSING_NEURONS");
  set.mutable_explicit_();
  EXPECT_EQ(refusal(), "FAILED_PRECONDITION EMPTY_NEURON_SET");
  v1::NeuronId& neuron = *set.mutable_explicit_()->add_neurons();
  neuron.set_neuron(24);
  EXPECT_EQ(refusal(), "INVALID_ARGUMENT INVALID_NEURON");
  neuron.set_neuron(-1);
  EXPECT_EQ(refusal(), "INVALID_ARGUMENT INVALID_NEURON");
  neuron.set_neuron(3);
  *set.mutable_explicit_()->add_neurons() = neuron;
  EXPECT_EQ(refusal(), "INVALID_ARGUMENT DUPLICATE_NEURON");
  set.mutable_universal()->set_correlation("correlations/none");
  EXPECT_EQ(refusal(), "NOT_FOUND CORRELATION_NOT_FOUND");
  set.mutable_universal()->set_threshold(3);
  EXPECT_EQ(refusal(), "INVALID_ARGUMENT INVALID_THRESHOLD");
  set.mutable_random()->set_draws(101);
  EXPECT_EQ(refusal(), "INVALID_ARGUMENT INVALID_DRAWS");
}

TEST_F(BadInputTest, NamesWhatIsWrongWithAnExtraction) {
  StartServer();
  CreateTextDataset();
  v1::ExtractActivationsRequest good;
  good.set_checkpoint("models/a/checkpoints/1");
  good.set_dataset("datasets/text");
  v1::ExtractActivationsRequest request = good;
  request.add_layers(2);
  EXPECT_EQ(CodeAndReason(Extract(analysis(), request).status), "INVALID_ARGUMENT INVALID_LAYER");
  request = good;
  request.add_layers(1);
  request.add_layers(0);
  EXPECT_EQ(CodeAndReason(Extract(analysis(), request).status), "INVALID_ARGUMENT INVALID_LAYER");
  request = good;
  request.add_neurons(24);
  EXPECT_EQ(CodeAndReason(Extract(analysis(), request).status), "INVALID_ARGUMENT INVALID_NEURON");
  request = good;
  request.set_dataset("datasets/none");
  EXPECT_EQ(CodeAndReason(Extract(analysis(), request).status), "NOT_FOUND DATASET_NOT_FOUND");
  EXPECT_TRUE(Extract(analysis(), good).status.ok());
}

}  // namespace
}  // namespace homolog::testing
