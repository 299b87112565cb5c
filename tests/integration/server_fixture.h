// A server in this process, on a free port, with small models and a data set.
#ifndef HOMOLOG_TESTS_INTEGRATION_SERVER_FIXTURE_H_
#define HOMOLOG_TESTS_INTEGRATION_SERVER_FIXTURE_H_

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "homolog/v1/analysis_service.grpc.pb.h"
#include "homolog/v1/checkpoint_service.grpc.pb.h"
#include "homolog/v1/dataset_service.grpc.pb.h"
#include "homolog/v1/operation_service.grpc.pb.h"
#include "homolog/v1/store_service.grpc.pb.h"
#include "server/app/server.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

namespace homolog::testing {

// The status of a call with the ErrorInfo that came with it.
absl::Status FromWire(const grpc::Status& status);

// "NOT_FOUND CHECKPOINT_NOT_FOUND": what tests compare.
std::string CodeAndReason(const absl::Status& status);

class ServerTest : public ::testing::Test {
 protected:
  ServerTest();
  ~ServerTest() override;

  // The repository holds models a, b (equal shapes) and small (fewer neurons), all byte-level, each
  // with checkpoint "1".
  void StartServer();
  void StopServer() { server_.reset(); }
  int port() const { return server_->port(); }

  // Calls a unary method: Unary(checkpoints(), &CheckpointService::Stub::GetCheckpoint, request).
  template <typename Stub, typename Request, typename Response>
  absl::StatusOr<Response> Unary(Stub& stub,
                                 grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                              Response*),
                                 const Request& request) {
    grpc::ClientContext context;
    Response response;
    const absl::Status status = FromWire((stub.*method)(&context, request, &response));
    if (!status.ok()) return status;
    return response;
  }

  v1::CheckpointService::Stub& checkpoints() { return *checkpoints_; }
  v1::DatasetService::Stub& datasets() { return *datasets_; }
  v1::AnalysisService::Stub& analysis() { return *analysis_; }
  v1::OperationService::Stub& operations() { return *operations_; }
  v1::StoreService::Stub& store() { return *store_; }

  // Uploads `bytes` in pieces of `piece` bytes, with the end message.
  absl::StatusOr<v1::Dataset> CreateDataset(const v1::DatasetSpec& spec, const std::string& bytes,
                                            size_t piece = 1000);
  // datasets/text: 40 sequences of 32 bytes, for the models of the repository.
  v1::Dataset CreateTextDataset();
  // Waits for the end of an operation.
  v1::Operation Wait(const std::string& name);

  std::shared_ptr<grpc::Channel> channel() { return channel_; }
  const std::filesystem::path repository() const { return folder_ / "models"; }
  app::Config config_;

 private:
  TemporaryFolder folder_;
  std::unique_ptr<app::Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::CheckpointService::Stub> checkpoints_;
  std::unique_ptr<v1::DatasetService::Stub> datasets_;
  std::unique_ptr<v1::AnalysisService::Stub> analysis_;
  std::unique_ptr<v1::OperationService::Stub> operations_;
  std::unique_ptr<v1::StoreService::Stub> store_;
};

// Text whose bytes vary enough that every neuron does.
std::string SampleText(size_t bytes);

}  // namespace homolog::testing

#endif  // HOMOLOG_TESTS_INTEGRATION_SERVER_FIXTURE_H_
