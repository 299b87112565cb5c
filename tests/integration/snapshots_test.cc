// Long correlations across restarts.
#include <chrono>
#include <filesystem>
#include <thread>

#include "tests/integration/server_fixture.h"

namespace homolog::testing {
namespace {

using Analysis = v1::AnalysisService::Stub;
using Operations = v1::OperationService::Stub;

class SnapshotsTest : public ServerTest {
 protected:
  // Some hundred blocks of tokens.
  void CreateLongDataset() {
    v1::DatasetSpec spec;
    spec.set_dataset_id("long");
    spec.set_checkpoint("models/a/checkpoints/1");
    const auto dataset = CreateDataset(spec, SampleText(1 << 19), 1 << 18);
    ASSERT_TRUE(dataset.ok()) << dataset.status();
  }
  v1::Operation Submit() {
    v1::ComputeCorrelationsRequest request;
    request.set_reference("models/a/checkpoints/1");
    request.add_partners("models/b/checkpoints/1");
    request.set_dataset("datasets/long");
    const auto operation = Unary(analysis(), &Analysis::ComputeCorrelations, request);
    EXPECT_TRUE(operation.ok()) << operation.status();
    return operation.ok() ? *operation : v1::Operation();
  }
  v1::Operation Get(const std::string& name) {
    v1::GetOperationRequest request;
    request.set_name(name);
    const auto operation = Unary(operations(), &Operations::GetOperation, request);
    return operation.ok() ? *operation : v1::Operation();
  }
  // Until the operation has come so far; fails where that takes long, or it has ended by then.
  void WaitForTokens(const std::string& name, int64_t tokens) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(10);
    v1::Operation operation = Get(name);
    while (operation.progress().done_tokens() < tokens) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << operation.ShortDebugString();
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      operation = Get(name);
    }
    ASSERT_EQ(operation.state(), v1::OPERATION_STATE_RUNNING) << "too fast to be met";
  }
  std::string TableOf(const std::string& correlation) {
    v1::GetNeuronTableRequest request;
    request.set_correlation(correlation);
    for (const char* column : {"0.max_corr", "0.baseline", "activation.histogram"}) {
      request.add_columns(column);
    }
    const auto table = Unary(analysis(), &Analysis::GetNeuronTable, request);
    EXPECT_TRUE(table.ok()) << table.status();
    return table.ok() ? table->SerializeAsString() : "";
  }
  size_t SnapshotFolders() {
    size_t count = 0;
    std::error_code none;
    for (const auto& entry :
         std::filesystem::directory_iterator(config_.data + "/snapshots", none)) {
      count += entry.is_directory() ? 1 : 0;
    }
    return count;
  }
};

TEST_F(SnapshotsTest, ACorrelationGoesOnFromWhereAShutdownMetItWithTheSameResult) {
  StartServer();
  CreateLongDataset();
  const v1::Operation operation = Submit();
  ASSERT_NO_FATAL_FAILURE(WaitForTokens(operation.name(), 200'000));
  StopServer();
  EXPECT_EQ(SnapshotFolders(), 1U);
  StartServer();
  const v1::Operation ended = Wait(operation.name());
  ASSERT_EQ(ended.state(), v1::OPERATION_STATE_SUCCEEDED) << ended.error().message();
  EXPECT_GE(ended.progress().resumed_tokens(), 100'000);
  EXPECT_EQ(ended.progress().done_tokens(), ended.progress().total_tokens());
  EXPECT_EQ(SnapshotFolders(), 0U);
  const std::string resumed = TableOf(ended.result());
  StopServer();
  // The same without an interruption, in a store of its own.
  config_.data += ".other";
  StartServer();
  CreateLongDataset();
  const v1::Operation whole = Submit();
  EXPECT_EQ(Wait(whole.name()).progress().resumed_tokens(), 0);
  EXPECT_EQ(whole.result(), ended.result());
  EXPECT_TRUE(TableOf(whole.result()) == resumed);  // megabytes, not to be printed
}

TEST_F(SnapshotsTest, NothingIsKeptOfWhatWasCancelled) {
  StartServer();
  CreateLongDataset();
  const v1::Operation operation = Submit();
  ASSERT_NO_FATAL_FAILURE(WaitForTokens(operation.name(), 100'000));
  StopServer();
  ASSERT_EQ(SnapshotFolders(), 1U);  // there is something to be forgotten
  StartServer();
  v1::CancelOperationRequest cancel;
  cancel.set_name(operation.name());
  ASSERT_TRUE(Unary(operations(), &Operations::CancelOperation, cancel).ok());
  const v1::Operation ended = Wait(operation.name());
  ASSERT_EQ(ended.state(), v1::OPERATION_STATE_CANCELLED) << ended.ShortDebugString();
  StopServer();
  EXPECT_EQ(SnapshotFolders(), 0U);
}

}  // namespace
}  // namespace homolog::testing
