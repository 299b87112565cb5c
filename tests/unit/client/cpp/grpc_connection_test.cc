// The connection over real gRPC, to services in this process.
#include <gmock/gmock.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include "client/cpp/client.h"
#include "client/cpp/connect.h"
#include "client/cpp/grpc_status.h"
#include "common/digest.h"
#include "common/error.h"
#include "homolog/v1/analysis_service.grpc.pb.h"
#include "homolog/v1/checkpoint_service.grpc.pb.h"
#include "homolog/v1/dataset_service.grpc.pb.h"
#include "homolog/v1/operation_service.grpc.pb.h"

namespace homolog::client {
namespace {

grpc::Status ToGrpc(const absl::Status& status) {
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), std::string(status.message()),
                      SerializeError(status));
}

class Checkpoints : public v1::CheckpointService::Service {
  grpc::Status GetCheckpoint(grpc::ServerContext* context, const v1::GetCheckpointRequest* request,
                             v1::Checkpoint* checkpoint) override {
    const auto header = context->client_metadata().find("authorization");
    authorization = header == context->client_metadata().end()
                        ? ""
                        : std::string(header->second.data(), header->second.size());
    has_deadline = context->deadline() < std::chrono::system_clock::now() + std::chrono::hours(24);
    if (request->name() != "models/a/checkpoints/1") {
      return ToGrpc(NotFound("CHECKPOINT_NOT_FOUND", "no " + request->name()));
    }
    checkpoint->set_name(request->name());
    return grpc::Status::OK;
  }
  grpc::Status ListCheckpoints(grpc::ServerContext* context, const v1::ListCheckpointsRequest*,
                               v1::ListCheckpointsResponse*) override {
    while (!context->IsCancelled()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return grpc::Status::CANCELLED;
  }

 public:
  bool has_deadline = false;
  std::string authorization;
};

class Datasets : public v1::DatasetService::Service {
  grpc::Status CreateDataset(grpc::ServerContext* context,
                             grpc::ServerReader<v1::CreateDatasetRequest>* reader,
                             v1::Dataset* dataset) override {
    v1::CreateDatasetRequest request;
    while (reader->Read(&request)) {
      if (request.has_spec()) spec = request.spec();
      data += request.data();
      if (data.starts_with("refuse")) return ToGrpc(InvalidArgument("MALFORMED_NPY", "no npy"));
    }
    was_cancelled = context->IsCancelled();
    dataset->set_name("datasets/" + spec.dataset_id());
    return grpc::Status::OK;
  }

 public:
  v1::DatasetSpec spec;
  std::string data;
  std::atomic<bool> was_cancelled = false;
};

class Analysis : public v1::AnalysisService::Service {
  grpc::Status ExtractActivations(
      grpc::ServerContext*, const v1::ExtractActivationsRequest*,
      grpc::ServerWriter<v1::ExtractActivationsResponse>* writer) override {
    v1::ExtractActivationsResponse header;
    header.mutable_header()->add_layers(0);
    header.mutable_header()->add_neurons(0);
    header.mutable_header()->set_data_type(v1::DATA_TYPE_FLOAT32);
    header.mutable_header()->set_positions(1);
    writer->Write(header);
    v1::ExtractActivationsResponse chunk;
    chunk.mutable_chunk()->set_positions(1);
    chunk.mutable_chunk()->set_data("wxyz");
    chunk.mutable_chunk()->set_crc32c(Crc32c("wxyz") + damage);
    writer->Write(chunk);
    return grpc::Status::OK;
  }
  grpc::Status QueryUniversalNeurons(grpc::ServerContext*, const v1::QueryUniversalNeuronsRequest*,
                                     v1::QueryUniversalNeuronsResponse* response) override {
    response->set_next_page_token(std::string(8 << 20, 'x'));
    return grpc::Status::OK;
  }

 public:
  uint32_t damage = 0;
};

class Operations : public v1::OperationService::Service {
  grpc::Status WatchOperation(grpc::ServerContext* context, const v1::WatchOperationRequest*,
                              grpc::ServerWriter<v1::Operation>* writer) override {
    v1::Operation operation;
    operation.set_state(v1::OPERATION_STATE_RUNNING);
    writer->Write(operation);
    // For ever: only the client ends it.
    while (!context->IsCancelled()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    was_cancelled = true;
    return grpc::Status::CANCELLED;
  }

 public:
  std::atomic<bool> was_cancelled = false;
};

class GrpcConnectionTest : public ::testing::Test {
 protected:
  GrpcConnectionTest() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(&checkpoints_);
    builder.RegisterService(&datasets_);
    builder.RegisterService(&analysis_);
    builder.RegisterService(&operations_);
    server_ = builder.BuildAndStart();
    connection_ = ConnectOver(server_->InProcessChannel(grpc::ChannelArguments()));
  }
  ~GrpcConnectionTest() override { server_->Shutdown(); }

  std::string Address() const { return "127.0.0.1:" + std::to_string(port_); }

  int port_ = 0;
  Checkpoints checkpoints_;
  Datasets datasets_;
  Analysis analysis_;
  Operations operations_;
  std::unique_ptr<grpc::Server> server_;
  std::shared_ptr<Connection> connection_;
};

TEST_F(GrpcConnectionTest, GivesWhatTheServerGives) {
  const auto checkpoint = Client(connection_).GetCheckpoint("models/a/checkpoints/1");
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_EQ(checkpoint->name(), "models/a/checkpoints/1");
  EXPECT_TRUE(checkpoints_.has_deadline);
}

TEST_F(GrpcConnectionTest, RestoresTheErrorWithItsReason) {
  const absl::Status status = Client(connection_).GetCheckpoint("models/b/checkpoints/1").status();
  EXPECT_EQ(status, NotFound("CHECKPOINT_NOT_FOUND", "no models/b/checkpoints/1"));
}

TEST_F(GrpcConnectionTest, SendsItsTokenToThisMachineAndNotToOthersInTheClear) {
  ConnectOptions options;
  options.security.token = "secret-token";
  const auto connection = Connect(Address(), options);
  ASSERT_TRUE(connection.ok()) << connection.status();
  EXPECT_TRUE(Client(*connection).GetCheckpoint("models/a/checkpoints/1").ok());
  EXPECT_EQ(checkpoints_.authorization, "Bearer secret-token");
  EXPECT_EQ(ErrorReason(Connect("example.org:7431", options).status()), "TOKEN_IN_THE_CLEAR");
}

TEST_F(GrpcConnectionTest, RestoresTheErrorOverASocketToo) {
  const absl::Status status =
      Client(*Connect(Address())).GetCheckpoint("models/b/checkpoints/1").status();
  EXPECT_EQ(ErrorReason(status), "CHECKPOINT_NOT_FOUND");
}

TEST_F(GrpcConnectionTest, EndsACallThatTakesLongerThanItsTimeout) {
  ConnectOptions options;
  options.call_timeout = std::chrono::milliseconds(50);
  const auto connection = ConnectOver(server_->InProcessChannel(grpc::ChannelArguments()), options);
  EXPECT_EQ(connection->ListCheckpoints({}).status().code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(GrpcConnectionTest, SaysUnavailableWhereNobodyListens) {
  server_->Shutdown();
  EXPECT_EQ((*Connect(Address()))->GetCheckpoint({}).status().code(),
            absl::StatusCode::kUnavailable);
}

TEST_F(GrpcConnectionTest, TakesPagesBeyondGrpcsOwnLimit) {
  const auto page = (*Connect(Address()))->QueryUniversalNeurons({});
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_EQ(page->next_page_token().size(), size_t{8} << 20);
}

TEST_F(GrpcConnectionTest, SendsTheSpecAndThenEveryPiece) {
  std::vector<std::string> pieces = {"one ", "two", ""};
  size_t next = 0;
  v1::DatasetSpec spec;
  spec.set_dataset_id("pile");
  const auto dataset = connection_->CreateDataset(
      spec, [&]() -> absl::StatusOr<std::string> { return pieces.at(next++); });
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_EQ(dataset->name(), "datasets/pile");
  EXPECT_EQ(datasets_.data, "one two");
}

TEST_F(GrpcConnectionTest, GivesTheReasonWhereTheServerEndsAnUpload) {
  const auto dataset = connection_->CreateDataset(
      {}, []() -> absl::StatusOr<std::string> { return std::string("refuse me"); });
  EXPECT_EQ(ErrorReason(dataset.status()), "MALFORMED_NPY");
}

TEST_F(GrpcConnectionTest, CancelsAnUploadWhoseFileCannotBeRead) {
  int calls = 0;
  const auto dataset = connection_->CreateDataset({}, [&]() -> absl::StatusOr<std::string> {
    if (++calls == 1) return std::string("half");
    return absl::DataLossError("disk");
  });
  EXPECT_EQ(dataset.status(), absl::DataLossError("disk"));
  server_->Shutdown();
  EXPECT_TRUE(datasets_.was_cancelled);
}

class Bytes : public ActivationsSink {
 public:
  absl::Status Begin(const v1::ActivationsHeader&) override { return absl::OkStatus(); }
  absl::Status Take(const v1::ActivationsChunk& chunk) override {
    bytes += chunk.data();
    return absl::OkStatus();
  }
  std::string bytes;
};

TEST_F(GrpcConnectionTest, StreamsActivations) {
  Bytes sink;
  const absl::Status status = Client(connection_).ExtractActivations({}, sink);
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(sink.bytes, "wxyz");
}

TEST_F(GrpcConnectionTest, EndsTheStreamAtADamagedChunk) {
  analysis_.damage = 1;
  Bytes sink;
  EXPECT_EQ(ErrorReason(Client(connection_).ExtractActivations({}, sink)), "DAMAGED_CHUNK");
}

TEST_F(GrpcConnectionTest, CancelsAStreamThatItsReaderHasEnoughOf) {
  const absl::Status status = connection_->WatchOperation(
      {}, [](const v1::Operation&) { return absl::OutOfRangeError("enough"); });
  EXPECT_EQ(status, absl::OutOfRangeError("enough"));
  server_->Shutdown();
  EXPECT_TRUE(operations_.was_cancelled);
}

TEST(GrpcStatusTest, KeepsCodeAndMessageWithoutDetails) {
  EXPECT_TRUE(FromGrpcStatus(grpc::Status::OK).ok());
  EXPECT_EQ(FromGrpcStatus(grpc::Status(grpc::StatusCode::ABORTED, "x")), absl::AbortedError("x"));
}

TEST(GrpcStatusTest, DoesNotTrustDetailsThatSayOtherwise) {
  const grpc::Status status(grpc::StatusCode::ABORTED, "x",
                            SerializeError(NotFound("OTHER", "other")));
  EXPECT_EQ(FromGrpcStatus(status), absl::AbortedError("x"));
  EXPECT_EQ(FromGrpcStatus(grpc::Status(grpc::StatusCode::ABORTED, "x", "\xFF rubbish")),
            absl::AbortedError("x"));
}

}  // namespace
}  // namespace homolog::client
