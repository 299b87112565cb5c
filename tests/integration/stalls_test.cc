// Clients that are there and do nothing.
#include <chrono>
#include <memory>
#include <thread>

#include "tests/integration/capture_log.h"
#include "tests/integration/server_fixture.h"

namespace homolog::testing {
namespace {

using ::testing::HasSubstr;

class StallsTest : public ServerTest {
 protected:
  // Whether the log says so, within a while.
  static bool Logged(const CapturedLog& log, const std::string& text) {
    for (int i = 0; i < 1000; ++i) {
      if (log.text().find(text) != std::string::npos) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }
  static v1::DatasetSpec Spec(const std::string& id) {
    v1::DatasetSpec spec;
    spec.set_dataset_id(id);
    spec.set_checkpoint("models/a/checkpoints/1");
    return spec;
  }
};

TEST_F(StallsTest, AnUploadWhoseClientSendsNothingGivesItsPlaceToOthers) {
  config_.limits.uploads = 1;
  config_.limits.stalled_upload_seconds = 3;
  StartServer();
  const CapturedLog log;
  grpc::ClientContext context;
  v1::Dataset dataset;
  auto writer = datasets().CreateDataset(&context, &dataset);
  v1::CreateDatasetRequest message;
  *message.mutable_spec() = Spec("half");
  ASSERT_TRUE(writer->Write(message));
  EXPECT_TRUE(Logged(log, "reason=STREAM_STALLED")) << log.text();
  EXPECT_THAT(log.text(), HasSubstr("the client sent nothing for 3 seconds"));
  EXPECT_TRUE(CreateDataset(Spec("whole"), SampleText(1000)).ok());
  EXPECT_EQ(writer->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(StallsTest, AnUploadMayTakeLongerThanAStallWhileItMoves) {
  config_.limits.stalled_upload_seconds = 3;
  StartServer();
  grpc::ClientContext context;
  v1::Dataset dataset;
  auto writer = datasets().CreateDataset(&context, &dataset);
  v1::CreateDatasetRequest message;
  *message.mutable_spec() = Spec("slow");
  ASSERT_TRUE(writer->Write(message));
  constexpr int kPieces = 12, kPieceBytes = 1000;
  for (int i = 0; i < kPieces; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    message.set_data(SampleText(kPieceBytes));
    ASSERT_TRUE(writer->Write(message));
  }
  message.mutable_end()->set_size_bytes(kPieces * kPieceBytes);
  ASSERT_TRUE(writer->Write(message));
  writer->WritesDone();
  const absl::Status status = FromWire(writer->Finish());
  EXPECT_TRUE(status.ok()) << status;
}

TEST_F(StallsTest, AStreamWhoseClientTakesNothingGivesItsPlaceToOthers) {
  config_.limits.activation_streams = 1;
  config_.limits.stalled_reader_seconds = 1;
  WriteTinyModel(repository() / "wide" / "1", {.layers = 1, .d_mlp = 600, .seed = 11});
  StartServer();
  ASSERT_TRUE(CreateDataset(Spec("long"), SampleText(200'000), 1 << 20).ok());
  v1::ExtractActivationsRequest request;
  request.set_checkpoint("models/wide/checkpoints/1");
  request.set_dataset("datasets/long");
  const CapturedLog log;
  grpc::ClientContext context;
  auto reader = analysis().ExtractActivations(&context, request);
  v1::ExtractActivationsResponse message;
  ASSERT_TRUE(reader->Read(&message));
  EXPECT_TRUE(Logged(log, "reason=STREAM_STALLED")) << log.text();
  EXPECT_THAT(log.text(), HasSubstr("the client took no message for 1 seconds"));
  // Its place is free while it still has not noticed.
  grpc::ClientContext other;
  auto second = analysis().ExtractActivations(&other, request);
  EXPECT_TRUE(second->Read(&message));
  other.TryCancel();
  second->Finish();
  int64_t positions = 0;
  while (reader->Read(&message)) positions += message.chunk().positions();
  EXPECT_LT(positions, 200'000);
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

}  // namespace
}  // namespace homolog::testing
