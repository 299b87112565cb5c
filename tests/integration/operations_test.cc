#include <grpcpp/generic/generic_stub.h>

#include <chrono>
#include <future>
#include <thread>

#include "common/error.h"
#include "tests/integration/server_fixture.h"

namespace homolog::testing {
namespace {

using Stub = v1::OperationService::Stub;

class OperationsTest : public ServerTest {
 protected:
  // Takes long enough to be met while it runs: a thousand rotations.
  v1::ComputeCorrelationsRequest LongRequest(uint64_t seed = 0) {
    v1::ComputeCorrelationsRequest request;
    request.set_reference("models/wide/checkpoints/1");
    request.add_partners("models/wide2/checkpoints/1");
    request.set_dataset("datasets/text");
    request.mutable_parameters()->set_rotations(1000);
    request.mutable_parameters()->set_seed(seed);
    return request;
  }
  void WriteWideModels() {
    WriteTinyModel(repository() / "wide" / "1", {.layers = 1, .d_mlp = 600, .seed = 11});
    WriteTinyModel(repository() / "wide2" / "1", {.layers = 1, .d_mlp = 600, .seed = 12});
  }
  v1::Operation Submit(const v1::ComputeCorrelationsRequest& request) {
    const auto operation =
        Unary(analysis(), &v1::AnalysisService::Stub::ComputeCorrelations, request);
    EXPECT_TRUE(operation.ok()) << operation.status();
    return operation.ok() ? *operation : v1::Operation();
  }
  absl::StatusOr<v1::Operation> Get(const std::string& name) {
    v1::GetOperationRequest request;
    request.set_name(name);
    return Unary(operations(), &Stub::GetOperation, request);
  }
  absl::StatusOr<v1::Operation> Cancel(const std::string& name) {
    v1::CancelOperationRequest request;
    request.set_name(name);
    return Unary(operations(), &Stub::CancelOperation, request);
  }
  absl::Status Delete(const std::string& name) {
    v1::DeleteOperationRequest request;
    request.set_name(name);
    return Unary(operations(), &Stub::DeleteOperation, request).status();
  }
  void WaitUntilRunning(const std::string& name) {
    while (Get(name)->state() == v1::OPERATION_STATE_QUEUED) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }
};

TEST_F(OperationsTest, StreamsProgressUntilTheEnd) {
  StartServer();
  CreateTextDataset();
  v1::ComputeCorrelationsRequest request;
  request.set_reference("models/a/checkpoints/1");
  request.add_partners("models/b/checkpoints/1");
  request.set_dataset("datasets/text");
  v1::WatchOperationRequest watch;
  watch.set_name(Submit(request).name());
  grpc::ClientContext context;
  auto reader = operations().WatchOperation(&context, watch);
  v1::Operation operation;
  int64_t tokens = 0;
  while (reader->Read(&operation)) {
    EXPECT_GE(operation.progress().done_tokens(), tokens);
    tokens = operation.progress().done_tokens();
  }
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_EQ(operation.state(), v1::OPERATION_STATE_SUCCEEDED);
  EXPECT_EQ(operation.progress().total_tokens(), 2 * 40 * 32);
  EXPECT_EQ(operation.progress().done_tokens(), 2 * 40 * 32);
  EXPECT_TRUE(operation.has_start_time());
  EXPECT_TRUE(operation.has_end_time());
}

TEST_F(OperationsTest, CancelsARunningOperationAndAQueuedOne) {
  WriteWideModels();
  StartServer();
  CreateTextDataset();
  const v1::Operation running = Submit(LongRequest(1));
  const v1::Operation queued = Submit(LongRequest(2));
  WaitUntilRunning(running.name());
  const auto cancelled = Cancel(queued.name());
  ASSERT_TRUE(cancelled.ok()) << cancelled.status();
  EXPECT_EQ(cancelled->state(), v1::OPERATION_STATE_CANCELLED);
  ASSERT_TRUE(Cancel(running.name()).ok());
  const v1::Operation ended = Wait(running.name());
  EXPECT_EQ(ended.state(), v1::OPERATION_STATE_CANCELLED);
  EXPECT_EQ(ErrorReason(ParseError(ended.error().SerializeAsString())), "OPERATION_CANCELLED");
  // Nothing of it is in the store: the same question is a new operation.
  const v1::Operation again = Submit(LongRequest(1));
  EXPECT_NE(again.name(), running.name());
  EXPECT_EQ(again.result(), running.result());
  ASSERT_TRUE(Cancel(again.name()).ok());
  EXPECT_EQ(Wait(again.name()).state(), v1::OPERATION_STATE_CANCELLED);
}

TEST_F(OperationsTest, SharesOneOperationAmongEqualRequestsInFlight) {
  WriteWideModels();
  StartServer();
  CreateTextDataset();
  const v1::Operation first = Submit(LongRequest());
  const v1::Operation second = Submit(LongRequest());
  EXPECT_EQ(first.name(), second.name());
  ASSERT_TRUE(Cancel(first.name()).ok());
}

TEST_F(OperationsTest, ARequestIdMakesARetrySafe) {
  WriteWideModels();
  StartServer();
  CreateTextDataset();
  v1::ComputeCorrelationsRequest request = LongRequest(5);
  request.set_request_id("9f86d081-884c");
  const v1::Operation first = Submit(request);
  EXPECT_THAT(first.client(), ::testing::StartsWith("ipv"));
  ASSERT_TRUE(Cancel(first.name()).ok());
  Wait(first.name());
  EXPECT_EQ(Submit(request).name(), first.name()) << "also when it was cancelled";
  StopServer();
  StartServer();
  EXPECT_EQ(Submit(request).name(), first.name()) << "also after a restart";
  request.mutable_parameters()->set_seed(6);
  EXPECT_EQ(
      CodeAndReason(
          Unary(analysis(), &v1::AnalysisService::Stub::ComputeCorrelations, request).status()),
      "INVALID_ARGUMENT REQUEST_ID_REUSED");
  request.set_request_id("no spaces");
  EXPECT_EQ(
      CodeAndReason(
          Unary(analysis(), &v1::AnalysisService::Stub::ComputeCorrelations, request).status()),
      "INVALID_ARGUMENT INVALID_REQUEST_ID");
  ASSERT_TRUE(Delete(first.name()).ok());
  const v1::Operation anew = Submit([&] {
    v1::ComputeCorrelationsRequest again = LongRequest(5);
    again.set_request_id("9f86d081-884c");
    return again;
  }());
  EXPECT_NE(anew.name(), first.name());
  ASSERT_TRUE(Cancel(anew.name()).ok());
}

TEST_F(OperationsTest, ARequestIdNamesTheOperationOfAStoredResult) {
  StartServer();
  CreateTextDataset();
  v1::ComputeCorrelationsRequest request;
  request.set_reference("models/a/checkpoints/1");
  request.add_partners("models/b/checkpoints/1");
  request.set_dataset("datasets/text");
  const v1::Operation computed = Wait(Submit(request).name());
  request.set_request_id("one");
  const v1::Operation first = Submit(request);
  EXPECT_EQ(first.state(), v1::OPERATION_STATE_SUCCEEDED);
  EXPECT_EQ(first.name(), computed.name());
  EXPECT_EQ(Submit(request).name(), first.name());
}

TEST_F(OperationsTest, ReadersOfActivationsDoNotWaitForALongOperation) {
  WriteWideModels();
  StartServer();
  CreateTextDataset();
  const v1::Operation running = Submit(LongRequest(7));
  WaitUntilRunning(running.name());
  v1::ExtractActivationsRequest extract;
  extract.set_checkpoint("models/a/checkpoints/1");
  extract.set_dataset("datasets/text");
  grpc::ClientContext context;
  auto reader = analysis().ExtractActivations(&context, extract);
  v1::ExtractActivationsResponse message;
  int64_t positions = 0;
  while (reader->Read(&message)) positions += message.chunk().positions();
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_EQ(positions, 2 * 40 * 32);
  EXPECT_EQ(Get(running.name())->state(), v1::OPERATION_STATE_RUNNING);
  ASSERT_TRUE(Cancel(running.name()).ok());
}

TEST_F(OperationsTest, ResumesAfterARestartWhatTheShutdownInterrupted) {
  WriteWideModels();
  StartServer();
  CreateTextDataset();
  v1::ComputeCorrelationsRequest shorter = LongRequest();
  shorter.mutable_parameters()->set_rotations(30);
  const v1::Operation running = Submit(LongRequest());
  const v1::Operation queued = Submit(shorter);
  WaitUntilRunning(running.name());
  StopServer();
  StartServer();
  const auto resumed = Get(running.name());
  ASSERT_TRUE(resumed.ok()) << resumed.status();
  EXPECT_TRUE(resumed->state() == v1::OPERATION_STATE_QUEUED ||
              resumed->state() == v1::OPERATION_STATE_RUNNING)
      << resumed->DebugString();
  ASSERT_TRUE(Cancel(running.name()).ok());
  const v1::Operation ended = Wait(queued.name());
  EXPECT_EQ(ended.state(), v1::OPERATION_STATE_SUCCEEDED) << ended.DebugString();
}

TEST_F(OperationsTest, RefusesMoreThanTheQueueHolds) {
  config_.limits.queue = 2;
  WriteWideModels();
  StartServer();
  CreateTextDataset();
  std::vector<std::string> names = {Submit(LongRequest(0)).name()};
  WaitUntilRunning(names[0]);
  names.push_back(Submit(LongRequest(1)).name());
  names.push_back(Submit(LongRequest(2)).name());
  const auto refused =
      Unary(analysis(), &v1::AnalysisService::Stub::ComputeCorrelations, LongRequest(3));
  EXPECT_EQ(CodeAndReason(refused.status()), "RESOURCE_EXHAUSTED QUEUE_FULL");
  EXPECT_THAT(std::string(refused.status().message()), ::testing::HasSubstr("holds 2 of 2 tasks"));
  for (const std::string& name : names) EXPECT_TRUE(Cancel(name).ok());
}

TEST_F(OperationsTest, KeepsTheResultWhereTheOperationIsDeleted) {
  StartServer();
  CreateTextDataset();
  v1::ComputeCorrelationsRequest request;
  request.set_reference("models/a/checkpoints/1");
  request.add_partners("models/b/checkpoints/1");
  request.set_dataset("datasets/text");
  const v1::Operation ended = Wait(Submit(request).name());
  ASSERT_TRUE(Delete(ended.name()).ok());
  EXPECT_EQ(CodeAndReason(Get(ended.name()).status()), "NOT_FOUND OPERATION_NOT_FOUND");
  const v1::Operation again = Submit(request);
  EXPECT_EQ(again.state(), v1::OPERATION_STATE_SUCCEEDED);
  EXPECT_EQ(again.result(), ended.result());
  EXPECT_TRUE(Get(again.name()).ok());
}

TEST_F(OperationsTest, RefusesToDeleteWhatHasNotEnded) {
  WriteWideModels();
  StartServer();
  CreateTextDataset();
  const v1::Operation running = Submit(LongRequest());
  EXPECT_EQ(CodeAndReason(Delete(running.name())), "FAILED_PRECONDITION OPERATION_RUNNING");
  ASSERT_TRUE(Cancel(running.name()).ok());
}

TEST_F(OperationsTest, RefusesToUnloadACheckpointThatIsInUse) {
  WriteWideModels();
  StartServer();
  CreateTextDataset();
  const v1::Operation running = Submit(LongRequest());
  // In use once its tokens move.
  while (Get(running.name())->progress().done_tokens() == 0) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  v1::UnloadCheckpointRequest unload;
  unload.set_name("models/wide/checkpoints/1");
  EXPECT_EQ(
      CodeAndReason(
          Unary(checkpoints(), &v1::CheckpointService::Stub::UnloadCheckpoint, unload).status()),
      "FAILED_PRECONDITION CHECKPOINT_IN_USE");
  ASSERT_TRUE(Cancel(running.name()).ok());
  Wait(running.name());
}

TEST_F(OperationsTest, WaitsNoLongerThanTheTimeout) {
  WriteWideModels();
  StartServer();
  CreateTextDataset();
  const v1::Operation running = Submit(LongRequest());
  v1::WaitOperationRequest wait;
  wait.set_name(running.name());
  wait.mutable_timeout()->set_nanos(1000000);
  const auto waited = Unary(operations(), &Stub::WaitOperation, wait);
  ASSERT_TRUE(waited.ok()) << waited.status();
  EXPECT_FALSE(waited->has_end_time());
  wait.mutable_timeout()->set_seconds(-1);
  EXPECT_EQ(CodeAndReason(Unary(operations(), &Stub::WaitOperation, wait).status()),
            "INVALID_ARGUMENT INVALID_TIMEOUT");
  ASSERT_TRUE(Cancel(running.name()).ok());
}

TEST_F(OperationsTest, ListsOperationsInTheOrderOfTheirCreation) {
  WriteWideModels();
  StartServer();
  CreateTextDataset();
  std::vector<std::string> names;
  for (int seed = 0; seed < 3; ++seed) names.push_back(Submit(LongRequest(seed)).name());
  const auto page = Unary(operations(), &Stub::ListOperations, v1::ListOperationsRequest());
  ASSERT_TRUE(page.ok()) << page.status();
  ASSERT_EQ(page->operations_size(), 3);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(page->operations(i).name(), names[i]);
  for (const std::string& name : names) EXPECT_TRUE(Cancel(name).ok());
}

TEST_F(OperationsTest, RefusesNamesOfOperationsThatAreNone) {
  StartServer();
  EXPECT_EQ(CodeAndReason(Get("operations/none").status()), "NOT_FOUND OPERATION_NOT_FOUND");
  EXPECT_EQ(CodeAndReason(Get("none").status()), "INVALID_ARGUMENT INVALID_RESOURCE_NAME");
  EXPECT_EQ(CodeAndReason(Cancel("operations/none").status()), "NOT_FOUND OPERATION_NOT_FOUND");
}

TEST_F(OperationsTest, AnswersTheStandardHealthCheck) {
  StartServer();
  // An empty grpc.health.v1.HealthCheckRequest asks about the whole server; the answer's field 1 is
  // 1 for SERVING.
  grpc::ClientContext context;
  const grpc::Slice empty;
  const grpc::ByteBuffer request(&empty, 1);
  grpc::ByteBuffer response;
  std::promise<grpc::Status> done;
  grpc::GenericStub(channel()).UnaryCall(&context, "/grpc.health.v1.Health/Check", {}, &request,
                                         &response,
                                         [&](grpc::Status status) { done.set_value(status); });
  const grpc::Status status = done.get_future().get();
  ASSERT_TRUE(status.ok()) << status.error_message();
  grpc::Slice bytes;
  ASSERT_TRUE(response.DumpToSingleSlice(&bytes).ok());
  EXPECT_EQ(std::string(bytes.begin(), bytes.end()), std::string("\x08\x01"));
}

TEST_F(OperationsTest, EndsWatchersAtOnceWhereTheServerShutsDown) {
  config_.drain_seconds = 3600;  // nobody may use it up
  WriteWideModels();
  StartServer();
  CreateTextDataset();
  v1::WatchOperationRequest watch;
  watch.set_name(Submit(LongRequest()).name());
  grpc::ClientContext context;
  auto reader = operations().WatchOperation(&context, watch);
  v1::Operation operation;
  ASSERT_TRUE(reader->Read(&operation));
  std::thread stopper([this] { StopServer(); });
  while (reader->Read(&operation)) {
  }
  EXPECT_EQ(CodeAndReason(FromWire(reader->Finish())), "UNAVAILABLE SHUTTING_DOWN");
  stopper.join();
}

}  // namespace
}  // namespace homolog::testing
