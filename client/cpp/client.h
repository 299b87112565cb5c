// The C++ client of a Homolog server.
//
//   homolog::client::Client client(*homolog::client::Connect("localhost:7431"));
//   auto checkpoints = client.ListCheckpoints();
//
// Thread-safety: every function may be called from any thread at the same time.
#ifndef HOMOLOG_CLIENT_CPP_CLIENT_H_
#define HOMOLOG_CLIENT_CPP_CLIENT_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "client/cpp/activations_stream.h"
#include "client/cpp/connection.h"

namespace homolog::client {

// How long to go on following an operation whose server does not answer: it may be restarting, and
// operations outlive that.
struct FollowPolicy {
  int attempts = 15;  // without a word from the server in between
  std::chrono::milliseconds pause = std::chrono::seconds(2);
};

// True once `operation` will not change any more.
bool HasEnded(const v1::Operation& operation);
// Why `operation` ended without a result; OK while it runs and where it succeeded.
absl::Status OperationError(const v1::Operation& operation);

// Names are full resource names (common/resource_names.h expands short ones). Errors are those of
// Connection, that is, the server's own.
class Client {
 public:
  explicit Client(std::shared_ptr<Connection> connection, FollowPolicy policy = {});

  // Lists follow all pages and give one response without a next page.
  absl::StatusOr<v1::ListCheckpointsResponse> ListCheckpoints(const std::string& model = "");
  absl::StatusOr<v1::Checkpoint> GetCheckpoint(const std::string& name);
  absl::StatusOr<v1::Checkpoint> LoadCheckpoint(const std::string& name);
  absl::StatusOr<v1::Checkpoint> UnloadCheckpoint(const std::string& name);

  // Uploads the file at `path` in pieces of 1 MiB. `on_progress` (may be empty) hears the bytes
  // sent and the bytes in all (0: not known).
  absl::StatusOr<v1::Dataset> CreateDataset(
      const v1::DatasetSpec& spec, const std::string& path,
      const std::function<void(int64_t sent, int64_t total)>& on_progress = nullptr);
  absl::StatusOr<v1::ListDatasetsResponse> ListDatasets();
  absl::StatusOr<v1::Dataset> GetDataset(const std::string& name);
  absl::Status DeleteDataset(const std::string& name);

  // Streams activations into `sink`, every chunk checked (see ActivationsStream).
  absl::Status ExtractActivations(const v1::ExtractActivationsRequest& request,
                                  ActivationsSink& sink);

  absl::StatusOr<v1::Operation> ComputeCorrelations(const v1::ComputeCorrelationsRequest& request);
  absl::StatusOr<v1::Correlation> GetCorrelation(const std::string& name);
  absl::StatusOr<v1::ListCorrelationsResponse> ListCorrelations();

  // One page.
  absl::StatusOr<v1::QueryUniversalNeuronsResponse> QueryUniversalNeurons(
      const v1::QueryUniversalNeuronsRequest& request);
  // Every page from the request's on, one after the other; a page is handed to `sink` and
  // forgotten.
  absl::Status QueryEveryPage(v1::QueryUniversalNeuronsRequest request,
                              const MessageSink<v1::QueryUniversalNeuronsResponse>& sink);

  absl::StatusOr<v1::NeuronDetail> GetNeuron(const v1::GetNeuronRequest& request);
  // One page.
  absl::StatusOr<v1::GetNeuronTableResponse> GetNeuronTable(
      const v1::GetNeuronTableRequest& request);
  // As QueryEveryPage.
  absl::Status GetNeuronTableEveryPage(v1::GetNeuronTableRequest request,
                                       const MessageSink<v1::GetNeuronTableResponse>& sink);

  absl::StatusOr<v1::Operation> RunAblation(const v1::RunAblationRequest& request);
  absl::StatusOr<v1::Ablation> GetAblation(const std::string& name);
  absl::StatusOr<v1::ListAblationsResponse> ListAblations();

  absl::StatusOr<v1::Operation> RunStudy(const v1::RunStudyRequest& request);
  absl::StatusOr<v1::Study> GetStudy(const std::string& name);
  absl::StatusOr<v1::ListStudiesResponse> ListStudies();
  absl::StatusOr<v1::Persistence> GetPersistence(const v1::GetPersistenceRequest& request);
  absl::StatusOr<v1::Lineage> GetLineage(const v1::GetLineageRequest& request);
  absl::StatusOr<v1::FamilySet> GetFamilySet(const std::string& name);
  // One page.
  absl::StatusOr<v1::ListFamiliesResponse> ListFamilies(const v1::ListFamiliesRequest& request);

  absl::StatusOr<v1::Store> GetStore();
  // All pages: the counts of all of them, and every damaged record.
  absl::StatusOr<v1::VerifyStoreResponse> VerifyStore();
  absl::StatusOr<v1::Store> CompactStore();

  absl::StatusOr<v1::Operation> GetOperation(const std::string& name);
  absl::StatusOr<v1::ListOperationsResponse> ListOperations();
  absl::StatusOr<v1::Operation> CancelOperation(const std::string& name);
  absl::Status DeleteOperation(const std::string& name);
  // One call: the operation as it stands once it has ended or `timeout` has passed.
  absl::StatusOr<v1::Operation> WaitOperation(const std::string& name,
                                              std::chrono::seconds timeout);
  // Follows the operation until it has ended, also across a restart of the server, and returns it;
  // `on_change` (may be empty) hears it now and whenever it changed. An operation that failed is a
  // value here, see OperationError.
  absl::StatusOr<v1::Operation> FollowOperation(
      const std::string& name,
      const std::function<void(const v1::Operation&)>& on_change = nullptr);

 private:
  const std::shared_ptr<Connection> connection_;
  const FollowPolicy policy_;
};

}  // namespace homolog::client

#endif  // HOMOLOG_CLIENT_CPP_CLIENT_H_
