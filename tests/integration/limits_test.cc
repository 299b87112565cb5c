// What is too much, and what it says then.

#include <chrono>
#include <memory>
#include <thread>

#include "common/error.h"
#include "tests/integration/server_fixture.h"

namespace homolog::testing {
namespace {

using ::testing::HasSubstr;
using Analysis = v1::AnalysisService::Stub;
using Datasets = v1::DatasetService::Stub;
using Operations = v1::OperationService::Stub;

// `words` name what was asked for and what is taken.
void ExpectRefused(const absl::Status& status, const std::string& code_and_reason,
                   const std::string& words) {
  EXPECT_EQ(CodeAndReason(status), code_and_reason);
  EXPECT_THAT(std::string(status.message()), HasSubstr(words));
}

class LimitsTest : public ServerTest {
 protected:
  // Open until it is cancelled.
  struct Upload {
    grpc::ClientContext context;
    v1::Dataset dataset;
    std::unique_ptr<grpc::ClientWriter<v1::CreateDatasetRequest>> writer;
  };
  std::unique_ptr<Upload> BeginUpload() {
    auto upload = std::make_unique<Upload>();
    upload->context.set_wait_for_ready(true);  // a slow first connection is no refusal
    upload->writer = datasets().CreateDataset(&upload->context, &upload->dataset);
    return upload;
  }
  static void Cancel(Upload& upload) {
    upload.context.TryCancel();
    upload.writer->Finish();
  }
  absl::Status UploadAtOnce() {
    v1::DatasetSpec spec;
    spec.set_dataset_id("d");
    spec.set_checkpoint("models/a/checkpoints/1");
    return CreateDataset(spec, SampleText(100)).status();
  }
  // Asks again and again: the server hears a moment later of what other calls do.
  absl::Status UploadUntil(const std::string& wanted) {
    absl::Status status;
    for (int i = 0; i < 500; ++i) {
      status = UploadAtOnce();
      if (CodeAndReason(status) == wanted) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return status;
  }
  // Bodies of tests, whose limits are set.
  void ExpectRoomForTwoUploads(const std::string& refusal);
  void ExpectRoomForOneActivationsStream(const std::string& refusal);
  // An operation that does not end by itself soon.
  std::string LongOperation() {
    WriteTinyModel(repository() / "wide" / "1", {.layers = 1, .d_mlp = 600, .seed = 11});
    WriteTinyModel(repository() / "wide2" / "1", {.layers = 1, .d_mlp = 600, .seed = 12});
    CreateTextDataset();
    v1::ComputeCorrelationsRequest request;
    request.set_reference("models/wide/checkpoints/1");
    request.add_partners("models/wide2/checkpoints/1");
    request.set_dataset("datasets/text");
    request.mutable_parameters()->set_rotations(1000);
    const auto operation =
        Unary(analysis(), &v1::AnalysisService::Stub::ComputeCorrelations, request);
    EXPECT_TRUE(operation.ok()) << operation.status();
    return operation->name();
  }
  struct Watch {
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientReader<v1::Operation>> reader;
  };
  std::unique_ptr<Watch> BeginWatch(const std::string& name) {
    auto watch = std::make_unique<Watch>();
    v1::WatchOperationRequest request;
    request.set_name(name);
    watch->reader = operations().WatchOperation(&watch->context, request);
    return watch;
  }
};

void LimitsTest::ExpectRoomForTwoUploads(const std::string& refusal) {
  StartServer();
  // The third may be heard of before the first two, and take the place of one of them: again, then.
  std::unique_ptr<Upload> first, second;
  absl::Status third;
  for (int i = 1; third.ok() && i <= 50; ++i) {
    if (first) Cancel(*first);
    if (second) Cancel(*second);
    first = BeginUpload();
    second = BeginUpload();
    std::this_thread::sleep_for(std::chrono::milliseconds(20 * i));
    third = UploadAtOnce();
  }
  ExpectRefused(third, "RESOURCE_EXHAUSTED TOO_MANY_STREAMS", refusal);
  Cancel(*first);
  const absl::Status again = UploadUntil("OK ");
  EXPECT_TRUE(again.ok()) << again;
  Cancel(*second);
}

TEST_F(LimitsTest, BoundUploadsOfOneClientAtTheSameTime) {
  config_.limits.uploads = 3;
  config_.limits.uploads_per_client = 2;
  ExpectRoomForTwoUploads("ipv4:127.0.0.1 has 2 uploads open; at most 2 of one client");
}

TEST_F(LimitsTest, BoundUploadsOfAllClientsAtTheSameTime) {
  config_.limits.uploads = 2;
  ExpectRoomForTwoUploads("2 uploads of all clients are open; at most 2");
}

TEST_F(LimitsTest, MakeFurtherCallsOfAConnectionWait) {
  config_.limits.connection_streams = 2;
  StartServer();
  const auto first = BeginUpload(), second = BeginUpload();
  grpc::ClientContext impatient;
  impatient.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(300));
  v1::ListDatasetsResponse response;
  EXPECT_EQ(datasets().ListDatasets(&impatient, {}, &response).error_code(),
            grpc::StatusCode::DEADLINE_EXCEEDED);
  first->context.TryCancel();
  first->writer->Finish();
  EXPECT_TRUE(
      Unary(datasets(), &v1::DatasetService::Stub::ListDatasets, v1::ListDatasetsRequest()).ok());
  second->context.TryCancel();
  second->writer->Finish();
}

TEST_F(LimitsTest, BoundWatchersOfOneClientAndFreeTheirPlaces) {
  config_.limits.watchers_per_client = 2;
  StartServer();
  const std::string operation = LongOperation();
  const auto first = BeginWatch(operation), second = BeginWatch(operation);
  v1::Operation state;
  EXPECT_TRUE(first->reader->Read(&state));
  EXPECT_TRUE(second->reader->Read(&state));
  const auto third = BeginWatch(operation);
  EXPECT_FALSE(third->reader->Read(&state));
  ExpectRefused(FromWire(third->reader->Finish()), "RESOURCE_EXHAUSTED TOO_MANY_STREAMS",
                "ipv4:127.0.0.1 has 2 calls that follow operations open; at most 2 of one client");
  v1::WaitOperationRequest wait;
  wait.set_name(operation);
  EXPECT_EQ(
      CodeAndReason(Unary(operations(), &v1::OperationService::Stub::WaitOperation, wait).status()),
      "RESOURCE_EXHAUSTED TOO_MANY_STREAMS");
  v1::CancelOperationRequest cancel;
  cancel.set_name(operation);
  EXPECT_TRUE(Unary(operations(), &v1::OperationService::Stub::CancelOperation, cancel).ok());
  while (first->reader->Read(&state)) continue;
  while (second->reader->Read(&state)) continue;
  EXPECT_TRUE(first->reader->Finish().ok());
  EXPECT_TRUE(second->reader->Finish().ok());
  EXPECT_EQ(Wait(operation).state(), v1::OPERATION_STATE_CANCELLED);
}

TEST_F(LimitsTest, BoundWatchersOfAllClients) {
  config_.limits.watchers = 1;
  StartServer();
  const std::string operation = LongOperation();
  const auto first = BeginWatch(operation);
  v1::Operation state;
  ASSERT_TRUE(first->reader->Read(&state));
  const auto second = BeginWatch(operation);
  EXPECT_FALSE(second->reader->Read(&state));
  ExpectRefused(FromWire(second->reader->Finish()), "RESOURCE_EXHAUSTED TOO_MANY_STREAMS",
                "1 calls that follow operations of all clients are open; at most 1");
  v1::CancelOperationRequest cancel;
  cancel.set_name(operation);
  EXPECT_TRUE(Unary(operations(), &Operations::CancelOperation, cancel).ok());
  while (first->reader->Read(&state)) continue;
  EXPECT_TRUE(first->reader->Finish().ok());
}

void LimitsTest::ExpectRoomForOneActivationsStream(const std::string& refusal) {
  StartServer();
  v1::DatasetSpec spec;
  spec.set_dataset_id("long");
  spec.set_checkpoint("models/a/checkpoints/1");
  ASSERT_TRUE(CreateDataset(spec, SampleText(200000), 100000).ok());
  v1::ExtractActivationsRequest request;
  request.set_checkpoint("models/a/checkpoints/1");
  request.set_dataset("datasets/long");
  grpc::ClientContext context;
  const auto reader = analysis().ExtractActivations(&context, request);
  v1::ExtractActivationsResponse response;
  ASSERT_TRUE(reader->Read(&response));  // far more follows than flow control lets out
  grpc::ClientContext another;
  const auto refused = analysis().ExtractActivations(&another, request);
  EXPECT_FALSE(refused->Read(&response));
  ExpectRefused(FromWire(refused->Finish()), "RESOURCE_EXHAUSTED TOO_MANY_STREAMS", refusal);
  while (reader->Read(&response)) continue;
  EXPECT_TRUE(reader->Finish().ok());
  grpc::ClientContext later;
  const auto free = analysis().ExtractActivations(&later, request);
  EXPECT_TRUE(free->Read(&response));
  later.TryCancel();
  free->Finish();
}

TEST_F(LimitsTest, BoundActivationsStreamsOfOneClientAtTheSameTime) {
  config_.limits.activation_streams_per_client = 1;
  ExpectRoomForOneActivationsStream(
      "ipv4:127.0.0.1 has 1 ExtractActivations streams open; at most 1 of one client");
}

TEST_F(LimitsTest, BoundActivationsStreamsOfAllClientsAtTheSameTime) {
  config_.limits.activation_streams = 1;
  ExpectRoomForOneActivationsStream(
      "1 ExtractActivations streams of all clients are open; at most 1");
}

TEST_F(LimitsTest, BoundOperationsOfOneClient) {
  config_.limits.operations_per_client = 1;
  StartServer();
  const std::string operation = LongOperation();
  v1::ComputeCorrelationsRequest request;
  request.set_reference("models/a/checkpoints/1");
  request.add_partners("models/b/checkpoints/1");
  request.set_dataset("datasets/text");
  const absl::Status refused = Unary(analysis(), &Analysis::ComputeCorrelations, request).status();
  ExpectRefused(refused, "RESOURCE_EXHAUSTED CLIENT_QUEUE_FULL",
                "1 operations of ipv4:127.0.0.1 wait or run, of 1 that one client may have");
  EXPECT_TRUE(RetryDelay(refused).has_value());
  v1::CancelOperationRequest cancel;
  cancel.set_name(operation);
  ASSERT_TRUE(Unary(operations(), &Operations::CancelOperation, cancel).ok());
  ASSERT_EQ(Wait(operation).state(), v1::OPERATION_STATE_CANCELLED);
  // Its place is free a moment after its end is seen.
  auto taken = Unary(analysis(), &Analysis::ComputeCorrelations, request);
  for (int i = 0; i < 500 && !taken.ok(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    taken = Unary(analysis(), &Analysis::ComputeCorrelations, request);
  }
  ASSERT_TRUE(taken.ok()) << taken.status();
  EXPECT_EQ(Wait(taken->name()).state(), v1::OPERATION_STATE_SUCCEEDED);
}

TEST_F(LimitsTest, BoundADataset) {
  config_.limits.upload_bytes = 1000;
  config_.limits.sequence_length = 16;
  StartServer();
  v1::DatasetSpec spec;
  spec.set_dataset_id("d");
  spec.set_checkpoint("models/a/checkpoints/1");
  // The model's own context length where nothing is said.
  ExpectRefused(CreateDataset(spec, SampleText(100)).status(),
                "INVALID_ARGUMENT INVALID_SEQUENCE_LENGTH",
                "sequence_length is 32; this server takes 2 to 16 tokens");
  spec.set_sequence_length(17);
  ExpectRefused(CreateDataset(spec, SampleText(100)).status(),
                "INVALID_ARGUMENT INVALID_SEQUENCE_LENGTH",
                "sequence_length is 17; this server takes 2 to 16 tokens");
  spec.set_sequence_length(16);
  ExpectRefused(CreateDataset(spec, SampleText(1001)).status(), "INVALID_ARGUMENT UPLOAD_TOO_LARGE",
                "the upload has more than 1000 bytes");
  EXPECT_TRUE(CreateDataset(spec, SampleText(100)).ok());
}

TEST_F(LimitsTest, BoundACorrelation) {
  config_.limits.partners = 1;
  config_.limits.rotations = 2;
  config_.limits.excluded_token_ids = 3;
  StartServer();
  CreateTextDataset();
  v1::ComputeCorrelationsRequest good;
  good.set_reference("models/a/checkpoints/1");
  good.add_partners("models/b/checkpoints/1");
  good.set_dataset("datasets/text");
  good.mutable_parameters()->set_rotations(2);
  for (int id = 0; id < 3; ++id) good.mutable_parameters()->add_excluded_token_ids(id);
  const auto refusal = [&](auto change) {
    v1::ComputeCorrelationsRequest request = good;
    change(request);
    return Unary(analysis(), &Analysis::ComputeCorrelations, request).status();
  };
  using R = v1::ComputeCorrelationsRequest&;
  ExpectRefused(refusal([](R r) { r.add_partners("models/small/checkpoints/1"); }),
                "INVALID_ARGUMENT TOO_MANY_PARTNERS", "2 partners; at most 1");
  ExpectRefused(refusal([](R r) { r.mutable_parameters()->set_rotations(3); }),
                "INVALID_ARGUMENT INVALID_ROTATIONS", "rotations is 3; must be 0 (1) to 2");
  ExpectRefused(refusal([](R r) { r.mutable_parameters()->add_excluded_token_ids(3); }),
                "INVALID_ARGUMENT INVALID_TOKEN_ID", "4 excluded token ids; at most 3");
  EXPECT_EQ(CodeAndReason(refusal([](R) {})), "OK ");
}

TEST_F(LimitsTest, BoundAnAblation) {
  config_.limits.sets = 2;
  config_.limits.draws = 10;
  config_.limits.draws_in_all = 15;
  StartServer();
  CreateTextDataset();
  const auto refusal = [&](const std::vector<int>& draws) {
    v1::RunAblationRequest request;
    request.set_checkpoint("models/a/checkpoints/1");
    request.set_dataset("datasets/text");
    for (const int n : draws) request.add_neurons()->mutable_random()->set_draws(n);
    return Unary(analysis(), &Analysis::RunAblation, request).status();
  };
  ExpectRefused(refusal({1, 1, 1}), "INVALID_ARGUMENT TOO_MANY_SETS",
                "3 sets of neurons; at most 2");
  ExpectRefused(refusal({8, 8}), "INVALID_ARGUMENT TOO_MANY_SETS",
                "16 draws in all sets; at most 15");
  ExpectRefused(refusal({0, 11}), "INVALID_ARGUMENT TOO_MANY_SETS",  // 0 stands for 5
                "16 draws in all sets; at most 15");
  ExpectRefused(refusal({11, 1}), "INVALID_ARGUMENT INVALID_DRAWS",
                "draws is 11; must be 0 (5) to 10");
  // What is no limit's: the sets name no correlation.
  EXPECT_EQ(CodeAndReason(refusal({5, 10})), "INVALID_ARGUMENT INVALID_RESOURCE_NAME");
}

TEST_F(LimitsTest, BoundAStudy) {
  config_.limits.study_models = 3;
  config_.limits.study_steps = 4;
  config_.limits.study_checkpoints = 8;
  config_.limits.study_thresholds = 3;
  config_.limits.study_classifications = 16;
  config_.limits.draws = 10;
  StartServer();
  const auto refusal = [&](int models, int steps, int thresholds, int draws = 1) {
    v1::RunStudyRequest request;
    for (int i = 0; i < models; ++i) request.add_models("models/m" + std::to_string(i));
    for (int i = 0; i < steps; ++i) request.add_steps(std::to_string(i));
    for (int i = 0; i < thresholds; ++i) request.add_thresholds(0.1 * (i + 1));
    request.mutable_ablation()->set_draws(draws);
    request.set_dataset("datasets/text");
    return Unary(analysis(), &Analysis::RunStudy, request).status();
  };
  ExpectRefused(refusal(4, 1, 1), "INVALID_ARGUMENT TOO_MANY_MODELS", "4 models; at most 3");
  ExpectRefused(refusal(2, 5, 1), "INVALID_ARGUMENT TOO_MANY_STEPS",
                "5 steps of 2 models; at most 4 steps and 8 checkpoints in all");
  ExpectRefused(refusal(3, 3, 1), "INVALID_ARGUMENT TOO_MANY_STEPS",
                "3 steps of 3 models; at most 4 steps and 8 checkpoints in all");
  ExpectRefused(refusal(2, 1, 4), "INVALID_ARGUMENT INVALID_THRESHOLD", "4 thresholds; at most 3");
  ExpectRefused(refusal(2, 4, 3), "INVALID_ARGUMENT INVALID_THRESHOLD",
                "3 thresholds of 8 checkpoints; at most 2 thresholds of so many checkpoints");
  ExpectRefused(refusal(2, 4, 2, 11), "INVALID_ARGUMENT INVALID_DRAWS",
                "ablation.draws is 11; must be 0 (5) to 10");
  // What is no limit's: there are no such models.
  EXPECT_EQ(CodeAndReason(refusal(2, 4, 2, 10)), "NOT_FOUND CHECKPOINT_NOT_FOUND");
}

TEST_F(LimitsTest, BoundThePagesOfEveryListing) {
  config_.limits.page_size = 10;
  config_.limits.neuron_page_size = 20;
  StartServer();
  const auto expect = [this](auto& stub, auto method, auto request) {
    request.set_page_size(11);
    ExpectRefused(Unary(stub, method, request).status(), "INVALID_ARGUMENT INVALID_PAGE_SIZE",
                  "page_size is 11; must be 0 (10) to 10");
  };
  expect(checkpoints(), &v1::CheckpointService::Stub::ListCheckpoints,
         v1::ListCheckpointsRequest());
  expect(datasets(), &Datasets::ListDatasets, v1::ListDatasetsRequest());
  expect(analysis(), &Analysis::ListCorrelations, v1::ListCorrelationsRequest());
  expect(analysis(), &Analysis::ListAblations, v1::ListAblationsRequest());
  expect(analysis(), &Analysis::ListStudies, v1::ListStudiesRequest());
  expect(analysis(), &Analysis::ListFamilies, v1::ListFamiliesRequest());
  expect(operations(), &Operations::ListOperations, v1::ListOperationsRequest());
  v1::QueryUniversalNeuronsRequest query;
  query.set_correlation("correlations/" + std::string(64, '0'));
  query.set_page_size(21);
  ExpectRefused(Unary(analysis(), &Analysis::QueryUniversalNeurons, query).status(),
                "INVALID_ARGUMENT INVALID_PAGE_SIZE", "page_size is 21; must be 0 (20) to 20");
  // The default is no more than the limit, either.
  EXPECT_TRUE(Unary(datasets(), &Datasets::ListDatasets, v1::ListDatasetsRequest()).ok());
}

TEST_F(LimitsTest, BoundAMessage) {
  config_.limits.message_bytes = 100000;
  StartServer();
  v1::ComputeCorrelationsRequest request;
  request.set_reference(std::string(100001, 'x'));
  EXPECT_TRUE(absl::IsResourceExhausted(
      Unary(analysis(), &v1::AnalysisService::Stub::ComputeCorrelations, request).status()));
}

}  // namespace
}  // namespace homolog::testing
