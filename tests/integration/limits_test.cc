// What is too much, and what it says then.

#include <chrono>
#include <memory>
#include <thread>

#include "common/error.h"
#include "tests/integration/server_fixture.h"

namespace homolog::testing {
namespace {

using ::testing::HasSubstr;

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

TEST_F(LimitsTest, BoundUploadsAtTheSameTime) {
  config_.limits.uploads = 3;
  config_.limits.uploads_per_client = 2;
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
  EXPECT_EQ(CodeAndReason(third), "RESOURCE_EXHAUSTED TOO_MANY_STREAMS");
  EXPECT_THAT(std::string(third.message()), HasSubstr("2 uploads"));
  Cancel(*first);
  const absl::Status again = UploadUntil("OK ");
  EXPECT_TRUE(again.ok()) << again;
  Cancel(*second);
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
  EXPECT_EQ(CodeAndReason(FromWire(third->reader->Finish())),
            "RESOURCE_EXHAUSTED TOO_MANY_STREAMS");
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

TEST_F(LimitsTest, BoundActivationsStreamsAtTheSameTime) {
  config_.limits.activation_streams = 1;
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
  EXPECT_EQ(CodeAndReason(FromWire(refused->Finish())), "RESOURCE_EXHAUSTED TOO_MANY_STREAMS");
  while (reader->Read(&response)) continue;
  EXPECT_TRUE(reader->Finish().ok());
  grpc::ClientContext later;
  const auto free = analysis().ExtractActivations(&later, request);
  EXPECT_TRUE(free->Read(&response));
  later.TryCancel();
  free->Finish();
}

TEST_F(LimitsTest, BoundWhatOneRequestAsksFor) {
  config_.limits.partners = 1;
  config_.limits.rotations = 2;
  config_.limits.page_size = 10;
  config_.limits.neuron_page_size = 20;
  config_.limits.upload_bytes = 1000;
  config_.limits.sequence_length = 16;
  StartServer();
  using Stub = v1::AnalysisService::Stub;
  v1::DatasetSpec spec;
  spec.set_dataset_id("d");
  spec.set_checkpoint("models/a/checkpoints/1");
  EXPECT_EQ(CodeAndReason(CreateDataset(spec, SampleText(100)).status()),
            "INVALID_ARGUMENT INVALID_SEQUENCE_LENGTH");
  spec.set_sequence_length(16);
  EXPECT_EQ(CodeAndReason(CreateDataset(spec, SampleText(1001)).status()),
            "INVALID_ARGUMENT UPLOAD_TOO_LARGE");
  ASSERT_TRUE(CreateDataset(spec, SampleText(100)).ok());
  v1::ComputeCorrelationsRequest compute;
  compute.set_reference("models/a/checkpoints/1");
  compute.add_partners("models/b/checkpoints/1");
  compute.set_dataset("datasets/d");
  compute.mutable_parameters()->set_rotations(3);
  EXPECT_EQ(CodeAndReason(Unary(analysis(), &Stub::ComputeCorrelations, compute).status()),
            "INVALID_ARGUMENT INVALID_ROTATIONS");
  compute.mutable_parameters()->set_rotations(2);
  compute.add_partners("models/small/checkpoints/1");
  EXPECT_EQ(CodeAndReason(Unary(analysis(), &Stub::ComputeCorrelations, compute).status()),
            "INVALID_ARGUMENT TOO_MANY_PARTNERS");
  v1::ListDatasetsRequest list;
  EXPECT_TRUE(Unary(datasets(), &v1::DatasetService::Stub::ListDatasets, list).ok());
  list.set_page_size(11);
  EXPECT_EQ(
      CodeAndReason(Unary(datasets(), &v1::DatasetService::Stub::ListDatasets, list).status()),
      "INVALID_ARGUMENT INVALID_PAGE_SIZE");
  v1::QueryUniversalNeuronsRequest query;
  query.set_correlation("correlations/" + std::string(64, '0'));
  query.set_page_size(21);
  EXPECT_EQ(CodeAndReason(Unary(analysis(), &Stub::QueryUniversalNeurons, query).status()),
            "INVALID_ARGUMENT INVALID_PAGE_SIZE");
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
