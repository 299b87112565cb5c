#include "client/cpp/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "common/error.h"
#include "mock_connection.h"

namespace homolog::client {
namespace {

using ::testing::_;
using ::testing::ElementsAre;
using ::testing::Return;

class ClientTest : public ::testing::Test {
 protected:
  std::shared_ptr<::testing::StrictMock<MockConnection>> connection_ =
      std::make_shared<::testing::StrictMock<MockConnection>>();
  Client client_{connection_, FollowPolicy{.attempts = 2, .pause = std::chrono::milliseconds(0)}};
};

v1::Operation Operation(v1::OperationState state, int64_t done = 0) {
  v1::Operation operation;
  operation.set_name("operations/7");
  operation.set_state(state);
  operation.mutable_progress()->set_done_tokens(done);
  return operation;
}

// An implementation of WatchOperation that sends `operations` and ends with `status`.
auto Sends(std::vector<v1::Operation> operations, absl::Status status) {
  return [operations, status](const v1::WatchOperationRequest& request,
                              const MessageSink<v1::Operation>& sink) -> absl::Status {
    EXPECT_EQ(request.name(), "operations/7");
    for (const auto& operation : operations) HOMOLOG_RETURN_IF_ERROR(sink(operation));
    return status;
  };
}

v1::ListDatasetsResponse DatasetPage(const std::string& name, const std::string& next) {
  v1::ListDatasetsResponse page;
  page.add_datasets()->set_name(name);
  page.set_next_page_token(next);
  return page;
}

TEST_F(ClientTest, SendsNamesAndGivesWhatTheServerGave) {
  v1::Checkpoint checkpoint;
  checkpoint.set_family("gpt2");
  EXPECT_CALL(*connection_, GetCheckpoint(_))
      .WillOnce([&](const v1::GetCheckpointRequest& request) {
        EXPECT_EQ(request.name(), "models/a/checkpoints/1");
        return checkpoint;
      });
  EXPECT_EQ(client_.GetCheckpoint("models/a/checkpoints/1")->family(), "gpt2");
}

TEST_F(ClientTest, GivesTheServersErrorWithItsReason) {
  EXPECT_CALL(*connection_, GetDataset(_)).WillOnce(Return(NotFound("DATASET_NOT_FOUND", "none")));
  EXPECT_EQ(ErrorReason(client_.GetDataset("datasets/x").status()), "DATASET_NOT_FOUND");
}

TEST_F(ClientTest, FollowsEveryPageOfAList) {
  EXPECT_CALL(*connection_, ListDatasets(_))
      .WillOnce([](const v1::ListDatasetsRequest& request) {
        EXPECT_EQ(request.page_token(), "");
        return DatasetPage("datasets/a", "second");
      })
      .WillOnce([](const v1::ListDatasetsRequest& request) {
        EXPECT_EQ(request.page_token(), "second");
        return DatasetPage("datasets/b", "");
      });
  const auto list = client_.ListDatasets();
  ASSERT_TRUE(list.ok());
  ASSERT_EQ(list->datasets_size(), 2);
  EXPECT_EQ(list->datasets(0).name(), "datasets/a");
  EXPECT_EQ(list->datasets(1).name(), "datasets/b");
  EXPECT_EQ(list->next_page_token(), "");
}

TEST_F(ClientTest, GivesNoListWhereAPageFails) {
  EXPECT_CALL(*connection_, ListDatasets(_))
      .WillOnce(Return(DatasetPage("datasets/a", "second")))
      .WillOnce(Return(absl::UnavailableError("gone")));
  EXPECT_EQ(client_.ListDatasets().status(), absl::UnavailableError("gone"));
}

TEST_F(ClientTest, DoesNotFollowThePagesOfAServerThatRunsInCircles) {
  EXPECT_CALL(*connection_, ListDatasets(_))
      .WillRepeatedly(Return(DatasetPage("datasets/a", "same")));
  EXPECT_EQ(client_.ListDatasets().status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(ClientTest, HandsOnEveryPageOfNeurons) {
  v1::QueryUniversalNeuronsResponse first;
  first.add_neurons()->set_neuron(1);
  first.set_next_page_token("more");
  v1::QueryUniversalNeuronsResponse second;
  second.add_neurons()->set_neuron(2);
  EXPECT_CALL(*connection_, QueryUniversalNeurons(_))
      .WillOnce(Return(first))
      .WillOnce([&](const v1::QueryUniversalNeuronsRequest& request) {
        EXPECT_EQ(request.page_token(), "more");
        EXPECT_EQ(request.correlation(), "correlations/c");
        return second;
      });
  v1::QueryUniversalNeuronsRequest request;
  request.set_correlation("correlations/c");
  std::vector<int> neurons;
  const absl::Status status = client_.QueryEveryPage(request, [&](const auto& page) {
    neurons.push_back(page.neurons(0).neuron());
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_THAT(neurons, ElementsAre(1, 2));
}

TEST_F(ClientTest, UploadsAFilePieceByPieceAndReportsProgress) {
  std::string pattern = ::testing::TempDir() + "upload_XXXXXX";
  const int fd = mkstemp(pattern.data());
  ASSERT_GE(fd, 0);
  close(fd);
  std::ofstream(pattern) << std::string((1 << 20) + 1, 'x');
  EXPECT_CALL(*connection_, CreateDataset(_, _))
      .WillOnce(
          [](const v1::DatasetSpec& spec, const DataSource& next) -> absl::StatusOr<v1::Dataset> {
            EXPECT_EQ(spec.dataset_id(), "pile");
            EXPECT_EQ(next()->size(), size_t{1} << 20);
            EXPECT_EQ(next()->size(), 1u);
            EXPECT_EQ(next()->size(), 0u);
            return v1::Dataset();
          });
  v1::DatasetSpec spec;
  spec.set_dataset_id("pile");
  std::vector<int64_t> sent;
  const auto dataset = client_.CreateDataset(spec, pattern, [&](int64_t bytes, int64_t total) {
    sent.push_back(bytes);
    EXPECT_EQ(total, (1 << 20) + 1);
  });
  EXPECT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_THAT(sent, ElementsAre(0, 1 << 20, (1 << 20) + 1));
  std::filesystem::remove(pattern);
}

TEST_F(ClientTest, DoesNotCallTheServerForAFileThatIsNotThere) {
  EXPECT_EQ(client_.CreateDataset({}, "/nowhere/at/all").status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(ClientTest, FollowsAnOperationToItsEnd) {
  EXPECT_CALL(*connection_, WatchOperation(_, _))
      .WillOnce(
          Sends({Operation(v1::OPERATION_STATE_QUEUED), Operation(v1::OPERATION_STATE_RUNNING, 5),
                 Operation(v1::OPERATION_STATE_SUCCEEDED, 9)},
                absl::OkStatus()));
  std::vector<int64_t> done;
  const auto operation = client_.FollowOperation("operations/7", [&](const v1::Operation& change) {
    done.push_back(change.progress().done_tokens());
  });
  ASSERT_TRUE(operation.ok()) << operation.status();
  EXPECT_EQ(operation->state(), v1::OPERATION_STATE_SUCCEEDED);
  EXPECT_THAT(done, ElementsAre(0, 5, 9));
}

TEST_F(ClientTest, FollowsAnOperationAcrossARestartOfTheServer) {
  EXPECT_CALL(*connection_, WatchOperation(_, _))
      .WillOnce(Sends({Operation(v1::OPERATION_STATE_RUNNING)}, absl::UnavailableError("bye")))
      .WillOnce(Sends({}, absl::UnavailableError("not yet")))
      .WillOnce(Sends({Operation(v1::OPERATION_STATE_RUNNING)}, absl::CancelledError("bye again")))
      .WillOnce(Sends({Operation(v1::OPERATION_STATE_RUNNING)}, absl::OkStatus()))
      .WillOnce(Sends({Operation(v1::OPERATION_STATE_SUCCEEDED)}, absl::OkStatus()));
  const auto operation = client_.FollowOperation("operations/7");
  ASSERT_TRUE(operation.ok()) << operation.status();
  EXPECT_EQ(operation->state(), v1::OPERATION_STATE_SUCCEEDED);
}

TEST_F(ClientTest, GivesUpFollowingAServerThatStaysAway) {
  EXPECT_CALL(*connection_, WatchOperation(_, _))
      .WillOnce(Sends({Operation(v1::OPERATION_STATE_RUNNING)}, absl::OkStatus()))
      .WillRepeatedly(Sends({}, absl::UnavailableError("gone")));
  EXPECT_EQ(client_.FollowOperation("operations/7").status(), absl::UnavailableError("gone"));
}

TEST_F(ClientTest, DoesNotWaitForAServerThatWasNeverThere) {
  EXPECT_CALL(*connection_, WatchOperation(_, _))
      .WillOnce(Sends({}, absl::UnavailableError("nobody")));
  EXPECT_EQ(client_.FollowOperation("operations/7").status(), absl::UnavailableError("nobody"));
}

TEST_F(ClientTest, StopsFollowingAtAnyOtherError) {
  EXPECT_CALL(*connection_, WatchOperation(_, _))
      .WillOnce(Sends({Operation(v1::OPERATION_STATE_RUNNING)}, NotFound("GONE", "deleted")));
  EXPECT_EQ(ErrorReason(client_.FollowOperation("operations/7").status()), "GONE");
}

TEST_F(ClientTest, ReportsActivationsThatAreNotWhole) {
  EXPECT_CALL(*connection_, ExtractActivations(_, _)).WillOnce(Return(absl::OkStatus()));
  class Nothing : public ActivationsSink {
    absl::Status Begin(const v1::ActivationsHeader&) override { return absl::OkStatus(); }
    absl::Status Take(const v1::ActivationsChunk&) override { return absl::OkStatus(); }
  } sink;
  EXPECT_EQ(client_.ExtractActivations({}, sink).code(), absl::StatusCode::kDataLoss);
}

TEST(OperationTest, HasEndedInItsThreeLastStates) {
  EXPECT_FALSE(HasEnded(Operation(v1::OPERATION_STATE_QUEUED)));
  EXPECT_FALSE(HasEnded(Operation(v1::OPERATION_STATE_RUNNING)));
  EXPECT_TRUE(HasEnded(Operation(v1::OPERATION_STATE_SUCCEEDED)));
  EXPECT_TRUE(HasEnded(Operation(v1::OPERATION_STATE_FAILED)));
  EXPECT_TRUE(HasEnded(Operation(v1::OPERATION_STATE_CANCELLED)));
}

TEST(OperationTest, GivesTheErrorThatAnOperationKeeps) {
  v1::Operation failed = Operation(v1::OPERATION_STATE_FAILED);
  failed.mutable_error()->ParseFromString(
      SerializeError(FailedPrecondition("TOO_FEW_POSITIONS", "one position")));
  EXPECT_EQ(OperationError(failed), FailedPrecondition("TOO_FEW_POSITIONS", "one position"));
  EXPECT_TRUE(OperationError(Operation(v1::OPERATION_STATE_SUCCEEDED)).ok());
  EXPECT_TRUE(OperationError(Operation(v1::OPERATION_STATE_RUNNING)).ok());
}

TEST(OperationTest, GivesAnErrorAlsoWhereAnOperationKeepsNone) {
  EXPECT_EQ(OperationError(Operation(v1::OPERATION_STATE_FAILED)).code(),
            absl::StatusCode::kUnknown);
  EXPECT_EQ(OperationError(Operation(v1::OPERATION_STATE_CANCELLED)).code(),
            absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace homolog::client
