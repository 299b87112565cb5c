// A Connection whose RPCs are set one by one, for tests of what is built on it.
#ifndef HOMOLOG_TESTS_UNIT_CLIENT_CPP_MOCK_CONNECTION_H_
#define HOMOLOG_TESTS_UNIT_CLIENT_CPP_MOCK_CONNECTION_H_

#include <gmock/gmock.h>

#include "client/cpp/connection.h"

namespace homolog::client {

class MockConnection : public Connection {
 public:
  // Defined elsewhere: they instantiate every mock, which takes compilers long.
  MockConnection();
  ~MockConnection() override;

  MOCK_METHOD(absl::StatusOr<v1::ListCheckpointsResponse>, ListCheckpoints,
              (const v1::ListCheckpointsRequest&), (override));
  MOCK_METHOD(absl::StatusOr<v1::Checkpoint>, GetCheckpoint, (const v1::GetCheckpointRequest&),
              (override));
  MOCK_METHOD(absl::StatusOr<v1::Checkpoint>, LoadCheckpoint, (const v1::LoadCheckpointRequest&),
              (override));
  MOCK_METHOD(absl::StatusOr<v1::Checkpoint>, UnloadCheckpoint,
              (const v1::UnloadCheckpointRequest&), (override));
  MOCK_METHOD(absl::StatusOr<v1::Dataset>, CreateDataset,
              (const v1::DatasetSpec&, const DataSource&), (override));
  MOCK_METHOD(absl::StatusOr<v1::ListDatasetsResponse>, ListDatasets,
              (const v1::ListDatasetsRequest&), (override));
  MOCK_METHOD(absl::StatusOr<v1::Dataset>, GetDataset, (const v1::GetDatasetRequest&), (override));
  MOCK_METHOD(absl::Status, DeleteDataset, (const v1::DeleteDatasetRequest&), (override));
  MOCK_METHOD(absl::Status, ExtractActivations,
              (const v1::ExtractActivationsRequest&,
               const MessageSink<v1::ExtractActivationsResponse>&),
              (override));
  MOCK_METHOD(absl::StatusOr<v1::Operation>, ComputeCorrelations,
              (const v1::ComputeCorrelationsRequest&), (override));
  MOCK_METHOD(absl::StatusOr<v1::Correlation>, GetCorrelation, (const v1::GetCorrelationRequest&),
              (override));
  MOCK_METHOD(absl::StatusOr<v1::ListCorrelationsResponse>, ListCorrelations,
              (const v1::ListCorrelationsRequest&), (override));
  MOCK_METHOD(absl::StatusOr<v1::QueryUniversalNeuronsResponse>, QueryUniversalNeurons,
              (const v1::QueryUniversalNeuronsRequest&), (override));
  MOCK_METHOD(absl::StatusOr<v1::NeuronDetail>, GetNeuron, (const v1::GetNeuronRequest&),
              (override));
  MOCK_METHOD(absl::StatusOr<v1::GetNeuronTableResponse>, GetNeuronTable,
              (const v1::GetNeuronTableRequest&), (override));
  MOCK_METHOD(absl::StatusOr<v1::Operation>, RunAblation, (const v1::RunAblationRequest&),
              (override));
  MOCK_METHOD(absl::StatusOr<v1::Ablation>, GetAblation, (const v1::GetAblationRequest&),
              (override));
  MOCK_METHOD(absl::StatusOr<v1::ListAblationsResponse>, ListAblations,
              (const v1::ListAblationsRequest&), (override));
  MOCK_METHOD(absl::StatusOr<v1::Operation>, RunStudy, (const v1::RunStudyRequest&), (override));
  MOCK_METHOD(absl::StatusOr<v1::Study>, GetStudy, (const v1::GetStudyRequest&), (override));
  MOCK_METHOD(absl::StatusOr<v1::ListStudiesResponse>, ListStudies, (const v1::ListStudiesRequest&),
              (override));
  MOCK_METHOD(absl::StatusOr<v1::Persistence>, GetPersistence, (const v1::GetPersistenceRequest&),
              (override));
  MOCK_METHOD(absl::StatusOr<v1::Lineage>, GetLineage, (const v1::GetLineageRequest&), (override));
  MOCK_METHOD(absl::StatusOr<v1::FamilySet>, GetFamilySet, (const v1::GetFamilySetRequest&),
              (override));
  MOCK_METHOD(absl::StatusOr<v1::ListFamiliesResponse>, ListFamilies,
              (const v1::ListFamiliesRequest&), (override));
  MOCK_METHOD(absl::StatusOr<v1::Store>, GetStore, (const v1::GetStoreRequest&), (override));
  MOCK_METHOD(absl::StatusOr<v1::VerifyStoreResponse>, VerifyStore, (const v1::VerifyStoreRequest&),
              (override));
  MOCK_METHOD(absl::StatusOr<v1::Store>, CompactStore, (const v1::CompactStoreRequest&),
              (override));
  MOCK_METHOD(absl::StatusOr<v1::Operation>, GetOperation, (const v1::GetOperationRequest&),
              (override));
  MOCK_METHOD(absl::StatusOr<v1::ListOperationsResponse>, ListOperations,
              (const v1::ListOperationsRequest&), (override));
  MOCK_METHOD(absl::StatusOr<v1::Operation>, WaitOperation, (const v1::WaitOperationRequest&),
              (override));
  MOCK_METHOD(absl::Status, WatchOperation,
              (const v1::WatchOperationRequest&, const MessageSink<v1::Operation>&), (override));
  MOCK_METHOD(absl::StatusOr<v1::Operation>, CancelOperation, (const v1::CancelOperationRequest&),
              (override));
  MOCK_METHOD(absl::Status, DeleteOperation, (const v1::DeleteOperationRequest&), (override));
};

}  // namespace homolog::client

#endif  // HOMOLOG_TESTS_UNIT_CLIENT_CPP_MOCK_CONNECTION_H_
