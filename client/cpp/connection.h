// The RPCs of the services homolog.v1, as plain functions. Client is built on it; tests put their
// own Connection under a Client. See connect.h for the one that talks to a server.
//
// Thread-safety: implementations may be called from any thread at the same time.
#ifndef HOMOLOG_CLIENT_CPP_CONNECTION_H_
#define HOMOLOG_CLIENT_CPP_CONNECTION_H_

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "homolog/v1/analysis_service.pb.h"
#include "homolog/v1/checkpoint_service.pb.h"
#include "homolog/v1/dataset_service.pb.h"
#include "homolog/v1/operation_service.pb.h"
#include "homolog/v1/store_service.pb.h"

namespace homolog::client {

// The next bytes of an upload (at most 4 MiB), "" at its end.
using DataSource = std::function<absl::StatusOr<std::string>()>;

// Takes one message of a stream. Anything but OK cancels the call and becomes its result.
template <typename Message>
using MessageSink = std::function<absl::Status(const Message&)>;

// Every function gives the status that the server gave, with its ErrorInfo (common/error.h), or
// UNAVAILABLE where none was reached, DEADLINE_EXCEEDED where it did not answer in time.
class Connection {
 public:
  virtual ~Connection() = default;

  virtual absl::StatusOr<v1::ListCheckpointsResponse> ListCheckpoints(
      const v1::ListCheckpointsRequest& request) = 0;
  virtual absl::StatusOr<v1::Checkpoint> GetCheckpoint(const v1::GetCheckpointRequest& request) = 0;
  virtual absl::StatusOr<v1::Checkpoint> LoadCheckpoint(
      const v1::LoadCheckpointRequest& request) = 0;
  virtual absl::StatusOr<v1::Checkpoint> UnloadCheckpoint(
      const v1::UnloadCheckpointRequest& request) = 0;

  virtual absl::StatusOr<v1::Dataset> CreateDataset(const v1::DatasetSpec& spec,
                                                    const DataSource& next) = 0;
  virtual absl::StatusOr<v1::ListDatasetsResponse> ListDatasets(
      const v1::ListDatasetsRequest& request) = 0;
  virtual absl::StatusOr<v1::Dataset> GetDataset(const v1::GetDatasetRequest& request) = 0;
  virtual absl::Status DeleteDataset(const v1::DeleteDatasetRequest& request) = 0;

  virtual absl::Status ExtractActivations(
      const v1::ExtractActivationsRequest& request,
      const MessageSink<v1::ExtractActivationsResponse>& sink) = 0;
  virtual absl::StatusOr<v1::Operation> ComputeCorrelations(
      const v1::ComputeCorrelationsRequest& request) = 0;
  virtual absl::StatusOr<v1::Correlation> GetCorrelation(
      const v1::GetCorrelationRequest& request) = 0;
  virtual absl::StatusOr<v1::ListCorrelationsResponse> ListCorrelations(
      const v1::ListCorrelationsRequest& request) = 0;
  virtual absl::StatusOr<v1::QueryUniversalNeuronsResponse> QueryUniversalNeurons(
      const v1::QueryUniversalNeuronsRequest& request) = 0;
  virtual absl::StatusOr<v1::NeuronDetail> GetNeuron(const v1::GetNeuronRequest& request) = 0;
  virtual absl::StatusOr<v1::GetNeuronTableResponse> GetNeuronTable(
      const v1::GetNeuronTableRequest& request) = 0;
  virtual absl::StatusOr<v1::Operation> RunAblation(const v1::RunAblationRequest& request) = 0;
  virtual absl::StatusOr<v1::Ablation> GetAblation(const v1::GetAblationRequest& request) = 0;
  virtual absl::StatusOr<v1::ListAblationsResponse> ListAblations(
      const v1::ListAblationsRequest& request) = 0;
  virtual absl::StatusOr<v1::Operation> RunStudy(const v1::RunStudyRequest& request) = 0;
  virtual absl::StatusOr<v1::Study> GetStudy(const v1::GetStudyRequest& request) = 0;
  virtual absl::StatusOr<v1::ListStudiesResponse> ListStudies(
      const v1::ListStudiesRequest& request) = 0;
  virtual absl::StatusOr<v1::Persistence> GetPersistence(
      const v1::GetPersistenceRequest& request) = 0;
  virtual absl::StatusOr<v1::Lineage> GetLineage(const v1::GetLineageRequest& request) = 0;
  virtual absl::StatusOr<v1::FamilySet> GetFamilySet(const v1::GetFamilySetRequest& request) = 0;
  virtual absl::StatusOr<v1::ListFamiliesResponse> ListFamilies(
      const v1::ListFamiliesRequest& request) = 0;

  virtual absl::StatusOr<v1::Operation> GetOperation(const v1::GetOperationRequest& request) = 0;
  virtual absl::StatusOr<v1::ListOperationsResponse> ListOperations(
      const v1::ListOperationsRequest& request) = 0;
  virtual absl::StatusOr<v1::Operation> WaitOperation(const v1::WaitOperationRequest& request) = 0;
  virtual absl::Status WatchOperation(const v1::WatchOperationRequest& request,
                                      const MessageSink<v1::Operation>& sink) = 0;
  virtual absl::StatusOr<v1::Operation> CancelOperation(
      const v1::CancelOperationRequest& request) = 0;
  virtual absl::Status DeleteOperation(const v1::DeleteOperationRequest& request) = 0;

  virtual absl::StatusOr<v1::Store> GetStore(const v1::GetStoreRequest& request) = 0;
  virtual absl::StatusOr<v1::VerifyStoreResponse> VerifyStore(
      const v1::VerifyStoreRequest& request) = 0;
  virtual absl::StatusOr<v1::Store> CompactStore(const v1::CompactStoreRequest& request) = 0;
};

}  // namespace homolog::client

#endif  // HOMOLOG_CLIENT_CPP_CONNECTION_H_
