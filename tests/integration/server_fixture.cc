#include "tests/integration/server_fixture.h"

#include <algorithm>
#include <random>

#include "common/error.h"

namespace homolog::testing {

absl::Status FromWire(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  if (!status.error_details().empty()) return ParseError(status.error_details());
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

std::string CodeAndReason(const absl::Status& status) {
  return absl::StatusCodeToString(status.code()) + " " + ErrorReason(status);
}

std::string SampleText(size_t bytes) {
  std::mt19937_64 random(7);
  std::string text;
  while (text.size() < bytes) {
    text += static_cast<char>(random() % 5 == 0 ? ' ' : 'a' + random() % 26);
  }
  return text;
}

ServerTest::ServerTest() {
  WriteTinyModel(repository() / "a" / "1", {.seed = 1});
  WriteTinyModel(repository() / "b" / "1", {.seed = 2});
  WriteTinyModel(repository() / "small" / "1", {.layers = 1, .d_mlp = 10, .seed = 3});
  config_.repository = repository().string();
  config_.data = (folder_ / "data").string();
  config_.listen = "127.0.0.1:0";
  config_.device = "cpu";
  config_.threads = 1;
  config_.memory_budget_bytes = 1 << 30;
  config_.limits.queue = 16;
  config_.drain_seconds = 1;
}

ServerTest::~ServerTest() = default;

void ServerTest::StartServer() {
  absl::StatusOr<std::unique_ptr<app::Server>> server = app::Server::Start(config_);
  ASSERT_TRUE(server.ok()) << server.status();
  server_ = *std::move(server);
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  channel_ = grpc::CreateCustomChannel("127.0.0.1:" + std::to_string(server_->port()),
                                       grpc::InsecureChannelCredentials(), arguments);
  checkpoints_ = v1::CheckpointService::NewStub(channel_);
  datasets_ = v1::DatasetService::NewStub(channel_);
  analysis_ = v1::AnalysisService::NewStub(channel_);
  operations_ = v1::OperationService::NewStub(channel_);
  store_ = v1::StoreService::NewStub(channel_);
}

absl::StatusOr<v1::Dataset> ServerTest::CreateDataset(const v1::DatasetSpec& spec,
                                                      const std::string& bytes, size_t piece) {
  grpc::ClientContext context;
  v1::Dataset dataset;
  auto writer = datasets().CreateDataset(&context, &dataset);
  v1::CreateDatasetRequest message;
  *message.mutable_spec() = spec;
  bool open = writer->Write(message);
  for (size_t at = 0; open && at < bytes.size(); at += piece) {
    message.set_data(bytes.substr(at, piece));
    open = writer->Write(message);
  }
  if (open) {
    message.mutable_end()->set_size_bytes(static_cast<int64_t>(bytes.size()));
    writer->Write(message);
  }
  writer->WritesDone();
  const absl::Status status = FromWire(writer->Finish());
  if (!status.ok()) return status;
  return dataset;
}

v1::Dataset ServerTest::CreateTextDataset() {
  v1::DatasetSpec spec;
  spec.set_dataset_id("text");
  spec.set_checkpoint("models/a/checkpoints/1");
  absl::StatusOr<v1::Dataset> dataset = CreateDataset(spec, SampleText(40 * 32 + 5));
  EXPECT_TRUE(dataset.ok()) << dataset.status();
  return dataset.ok() ? *dataset : v1::Dataset();
}

v1::Operation ServerTest::Wait(const std::string& name) {
  v1::WaitOperationRequest request;
  request.set_name(name);
  while (true) {  // a call waits a minute; a loaded machine takes longer
    const absl::StatusOr<v1::Operation> operation =
        Unary(operations(), &v1::OperationService::Stub::WaitOperation, request);
    EXPECT_TRUE(operation.ok()) << operation.status();
    if (!operation.ok()) return v1::Operation();
    if (operation->has_end_time()) return *operation;
  }
}

}  // namespace homolog::testing
