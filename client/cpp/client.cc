#include "client/cpp/client.h"

#include <thread>
#include <utility>

#include "client/cpp/file_source.h"
#include "common/error.h"

namespace homolog::client {
namespace {

template <typename Request>
Request Named(const std::string& name) {
  Request request;
  request.set_name(name);
  return request;
}

// Calls `list` for page after page and gives all of their items in one response. Protocol buffers
// merge repeated fields by appending, so that a page's items follow those before them.
template <typename Request, typename List>
auto EveryPage(Request request, const List& list) -> decltype(list(request)) {
  auto all = list(request);
  while (all.ok() && !all->next_page_token().empty()) {
    request.set_page_token(all->next_page_token());
    all->clear_next_page_token();
    auto page = list(request);
    if (!page.ok()) return page;
    if (page->next_page_token() == request.page_token()) {
      return DataLoss("ENDLESS_LIST", "the server gave the same page token twice");
    }
    all->MergeFrom(*page);
  }
  return all;
}

// Calls `list` for page after page and hands each to `sink`.
template <typename Request, typename List, typename Sink>
absl::Status PageByPage(Request& request, const List& list, const Sink& sink) {
  while (true) {
    HOMOLOG_ASSIGN_OR_RETURN(const auto page, list(request));
    HOMOLOG_RETURN_IF_ERROR(sink(page));
    if (page.next_page_token().empty()) return absl::OkStatus();
    if (page.next_page_token() == request.page_token()) {
      return DataLoss("ENDLESS_LIST", "the server gave the same page token twice");
    }
    request.set_page_token(page.next_page_token());
  }
}

}  // namespace

bool HasEnded(const v1::Operation& operation) {
  return operation.state() == v1::OPERATION_STATE_SUCCEEDED ||
         operation.state() == v1::OPERATION_STATE_FAILED ||
         operation.state() == v1::OPERATION_STATE_CANCELLED;
}

absl::Status OperationError(const v1::Operation& operation) {
  if (!HasEnded(operation) || operation.state() == v1::OPERATION_STATE_SUCCEEDED) {
    return absl::OkStatus();
  }
  const absl::Status error = ParseError(operation.error().SerializeAsString());
  if (!error.ok()) return error;
  const bool cancelled = operation.state() == v1::OPERATION_STATE_CANCELLED;
  return MakeError(
      cancelled ? absl::StatusCode::kCancelled : absl::StatusCode::kUnknown, "OPERATION_ENDED",
      operation.name() + (cancelled ? " was cancelled" : " failed without saying why"));
}

Client::Client(std::shared_ptr<Connection> connection, FollowPolicy policy)
    : connection_(std::move(connection)), policy_(policy) {}

absl::StatusOr<v1::ListCheckpointsResponse> Client::ListCheckpoints(const std::string& model) {
  v1::ListCheckpointsRequest request;
  request.set_model(model);
  return EveryPage(request,
                   [this](const auto& page) { return connection_->ListCheckpoints(page); });
}

absl::StatusOr<v1::Checkpoint> Client::GetCheckpoint(const std::string& name) {
  return connection_->GetCheckpoint(Named<v1::GetCheckpointRequest>(name));
}

absl::StatusOr<v1::Checkpoint> Client::LoadCheckpoint(const std::string& name) {
  return connection_->LoadCheckpoint(Named<v1::LoadCheckpointRequest>(name));
}

absl::StatusOr<v1::Checkpoint> Client::UnloadCheckpoint(const std::string& name) {
  return connection_->UnloadCheckpoint(Named<v1::UnloadCheckpointRequest>(name));
}

absl::StatusOr<v1::Dataset> Client::CreateDataset(
    const v1::DatasetSpec& spec, const std::string& path,
    const std::function<void(int64_t sent, int64_t total)>& on_progress) {
  HOMOLOG_ASSIGN_OR_RETURN(const auto file, FileSource::Open(path));
  return connection_->CreateDataset(spec, [&]() -> absl::StatusOr<std::string> {
    // Asked for the next piece, gRPC has taken the one before.
    if (on_progress) on_progress(file->position(), file->size());
    return file->Next();
  });
}

absl::StatusOr<v1::ListDatasetsResponse> Client::ListDatasets() {
  return EveryPage(v1::ListDatasetsRequest(),
                   [this](const auto& page) { return connection_->ListDatasets(page); });
}

absl::StatusOr<v1::Dataset> Client::GetDataset(const std::string& name) {
  return connection_->GetDataset(Named<v1::GetDatasetRequest>(name));
}

absl::Status Client::DeleteDataset(const std::string& name) {
  return connection_->DeleteDataset(Named<v1::DeleteDatasetRequest>(name));
}

absl::Status Client::ExtractActivations(const v1::ExtractActivationsRequest& request,
                                        ActivationsSink& sink) {
  ActivationsStream stream(sink);
  HOMOLOG_RETURN_IF_ERROR(connection_->ExtractActivations(
      request, [&stream](const auto& message) { return stream.Take(message); }));
  return stream.End();
}

absl::StatusOr<v1::Operation> Client::ComputeCorrelations(
    const v1::ComputeCorrelationsRequest& request) {
  return connection_->ComputeCorrelations(request);
}

absl::StatusOr<v1::Correlation> Client::GetCorrelation(const std::string& name) {
  return connection_->GetCorrelation(Named<v1::GetCorrelationRequest>(name));
}

absl::StatusOr<v1::ListCorrelationsResponse> Client::ListCorrelations() {
  return EveryPage(v1::ListCorrelationsRequest(),
                   [this](const auto& page) { return connection_->ListCorrelations(page); });
}

absl::StatusOr<v1::QueryUniversalNeuronsResponse> Client::QueryUniversalNeurons(
    const v1::QueryUniversalNeuronsRequest& request) {
  return connection_->QueryUniversalNeurons(request);
}

absl::Status Client::QueryEveryPage(v1::QueryUniversalNeuronsRequest request,
                                    const MessageSink<v1::QueryUniversalNeuronsResponse>& sink) {
  return PageByPage(
      request, [this](const auto& page) { return connection_->QueryUniversalNeurons(page); }, sink);
}

absl::StatusOr<v1::NeuronDetail> Client::GetNeuron(const v1::GetNeuronRequest& request) {
  return connection_->GetNeuron(request);
}

absl::StatusOr<v1::GetNeuronTableResponse> Client::GetNeuronTable(
    const v1::GetNeuronTableRequest& request) {
  return connection_->GetNeuronTable(request);
}

absl::Status Client::GetNeuronTableEveryPage(v1::GetNeuronTableRequest request,
                                             const MessageSink<v1::GetNeuronTableResponse>& sink) {
  return PageByPage(
      request, [this](const auto& page) { return connection_->GetNeuronTable(page); }, sink);
}

absl::StatusOr<v1::Operation> Client::RunAblation(const v1::RunAblationRequest& request) {
  return connection_->RunAblation(request);
}

absl::StatusOr<v1::Ablation> Client::GetAblation(const std::string& name) {
  return connection_->GetAblation(Named<v1::GetAblationRequest>(name));
}

absl::StatusOr<v1::ListAblationsResponse> Client::ListAblations() {
  return EveryPage(v1::ListAblationsRequest(),
                   [this](const auto& page) { return connection_->ListAblations(page); });
}

absl::StatusOr<v1::Operation> Client::RunStudy(const v1::RunStudyRequest& request) {
  return connection_->RunStudy(request);
}

absl::StatusOr<v1::Study> Client::GetStudy(const std::string& name) {
  return connection_->GetStudy(Named<v1::GetStudyRequest>(name));
}

absl::StatusOr<v1::ListStudiesResponse> Client::ListStudies() {
  return EveryPage(v1::ListStudiesRequest(),
                   [this](const auto& page) { return connection_->ListStudies(page); });
}

absl::StatusOr<v1::Persistence> Client::GetPersistence(const v1::GetPersistenceRequest& request) {
  return connection_->GetPersistence(request);
}

absl::StatusOr<v1::Lineage> Client::GetLineage(const v1::GetLineageRequest& request) {
  return connection_->GetLineage(request);
}

absl::StatusOr<v1::FamilySet> Client::GetFamilySet(const std::string& name) {
  return connection_->GetFamilySet(Named<v1::GetFamilySetRequest>(name));
}

absl::StatusOr<v1::ListFamiliesResponse> Client::ListFamilies(
    const v1::ListFamiliesRequest& request) {
  return connection_->ListFamilies(request);
}

absl::StatusOr<v1::Store> Client::GetStore() { return connection_->GetStore({}); }

absl::StatusOr<v1::VerifyStoreResponse> Client::VerifyStore() {
  v1::VerifyStoreResponse all;
  v1::VerifyStoreRequest request;
  do {
    HOMOLOG_ASSIGN_OR_RETURN(const v1::VerifyStoreResponse page, connection_->VerifyStore(request));
    all.set_checked_count(all.checked_count() + page.checked_count());
    all.set_checked_bytes(all.checked_bytes() + page.checked_bytes());
    all.mutable_damaged()->MergeFrom(page.damaged());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return all;
}

absl::StatusOr<v1::Store> Client::CompactStore() { return connection_->CompactStore({}); }

absl::StatusOr<v1::Operation> Client::GetOperation(const std::string& name) {
  return connection_->GetOperation(Named<v1::GetOperationRequest>(name));
}

absl::StatusOr<v1::ListOperationsResponse> Client::ListOperations() {
  return EveryPage(v1::ListOperationsRequest(),
                   [this](const auto& page) { return connection_->ListOperations(page); });
}

absl::StatusOr<v1::Operation> Client::CancelOperation(const std::string& name) {
  return connection_->CancelOperation(Named<v1::CancelOperationRequest>(name));
}

absl::Status Client::DeleteOperation(const std::string& name) {
  return connection_->DeleteOperation(Named<v1::DeleteOperationRequest>(name));
}

absl::StatusOr<v1::Operation> Client::WaitOperation(const std::string& name,
                                                    std::chrono::seconds timeout) {
  auto request = Named<v1::WaitOperationRequest>(name);
  request.mutable_timeout()->set_seconds(timeout.count());
  return connection_->WaitOperation(request);
}

absl::StatusOr<v1::Operation> Client::FollowOperation(
    const std::string& name, const std::function<void(const v1::Operation&)>& on_change) {
  const auto request = Named<v1::WatchOperationRequest>(name);
  v1::Operation last;
  bool heard = false;
  int failures = 0;
  while (true) {
    const absl::Status status =
        connection_->WatchOperation(request, [&](const v1::Operation& operation) {
          last = operation;
          heard = true;
          failures = 0;
          if (on_change) on_change(operation);
          return absl::OkStatus();
        });
    if (HasEnded(last)) return last;
    // A server that was never there is the caller's matter; one that went away may come back. A
    // server that stops ends its streams with OK, CANCELLED or UNAVAILABLE, as its luck will have
    // it.
    const bool went_away =
        heard && (status.ok() || absl::IsUnavailable(status) || absl::IsCancelled(status));
    if (!went_away || ++failures > policy_.attempts) {
      return status.ok() ? absl::UnavailableError("the server stopped reporting on " + name)
                         : status;
    }
    std::this_thread::sleep_for(policy_.pause);
  }
}

}  // namespace homolog::client
