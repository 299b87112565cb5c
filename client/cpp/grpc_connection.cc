#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <string>
#include <utility>

#include "client/cpp/connect.h"
#include "client/cpp/grpc_status.h"
#include "common/error.h"
#include "common/loopback.h"
#include "homolog/v1/analysis_service.grpc.pb.h"
#include "homolog/v1/checkpoint_service.grpc.pb.h"
#include "homolog/v1/dataset_service.grpc.pb.h"
#include "homolog/v1/operation_service.grpc.pb.h"
#include "homolog/v1/store_service.grpc.pb.h"

namespace homolog::client {
namespace {

using std::chrono::milliseconds;

// Servers close a connection that is pinged more often than every 5 minutes. A watch that hears
// nothing for longer is thus still ended when its server vanished without a word.
constexpr int kKeepaliveMs = 310'000;
constexpr int kKeepaliveTimeoutMs = 20'000;

// The context of one call: the only place where the token enters, so that no call goes without. It
// is plain metadata, as gRPC's credentials of calls refuse connections in the clear.
class CallContext : public grpc::ClientContext {
 public:
  explicit CallContext(const ConnectOptions& options) {
    const std::string& token = options.security.token;
    if (!token.empty()) AddMetadata("authorization", "Bearer " + token);
  }
};

template <typename Stub, typename Request, typename Response>
using Method = grpc::Status (Stub::*)(grpc::ClientContext*, const Request&, Response*);

template <typename Stub, typename Request, typename Response>
absl::StatusOr<Response> Call(Stub& stub, Method<Stub, Request, Response> method,
                              const Request& request, const ConnectOptions& options,
                              milliseconds timeout) {
  CallContext context(options);
  context.set_deadline(std::chrono::system_clock::now() + timeout);
  Response response;
  const grpc::Status status = (stub.*method)(&context, request, &response);
  if (!status.ok()) return FromGrpcStatus(status);
  return response;
}

// Hands every message of `reader` to `sink`.
template <typename Message>
absl::Status Drain(grpc::ClientContext& context, grpc::ClientReaderInterface<Message>& reader,
                   const MessageSink<Message>& sink) {
  Message message;
  absl::Status taken;
  while (taken.ok() && reader.Read(&message)) taken = sink(message);
  if (!taken.ok()) context.TryCancel();
  const grpc::Status status = reader.Finish();
  return taken.ok() ? FromGrpcStatus(status) : taken;
}

class GrpcConnection : public Connection {
 public:
  GrpcConnection(const std::shared_ptr<grpc::ChannelInterface>& channel,
                 const ConnectOptions& options)
      : options_(options),
        checkpoints_(v1::CheckpointService::NewStub(channel)),
        datasets_(v1::DatasetService::NewStub(channel)),
        analysis_(v1::AnalysisService::NewStub(channel)),
        operations_(v1::OperationService::NewStub(channel)),
        store_(v1::StoreService::NewStub(channel)) {}

  absl::StatusOr<v1::ListCheckpointsResponse> ListCheckpoints(
      const v1::ListCheckpointsRequest& request) override {
    return Call(*checkpoints_, &Checkpoints::ListCheckpoints, request, options_,
                options_.call_timeout);
  }
  absl::StatusOr<v1::Checkpoint> GetCheckpoint(const v1::GetCheckpointRequest& request) override {
    return Call(*checkpoints_, &Checkpoints::GetCheckpoint, request, options_,
                options_.weights_timeout);
  }
  absl::StatusOr<v1::Checkpoint> LoadCheckpoint(const v1::LoadCheckpointRequest& request) override {
    return Call(*checkpoints_, &Checkpoints::LoadCheckpoint, request, options_,
                options_.weights_timeout);
  }
  absl::StatusOr<v1::Checkpoint> UnloadCheckpoint(
      const v1::UnloadCheckpointRequest& request) override {
    return Call(*checkpoints_, &Checkpoints::UnloadCheckpoint, request, options_,
                options_.call_timeout);
  }

  absl::StatusOr<v1::Dataset> CreateDataset(const v1::DatasetSpec& spec,
                                            const DataSource& next) override;
  absl::StatusOr<v1::ListDatasetsResponse> ListDatasets(
      const v1::ListDatasetsRequest& request) override {
    return Call(*datasets_, &Datasets::ListDatasets, request, options_, options_.call_timeout);
  }
  absl::StatusOr<v1::Dataset> GetDataset(const v1::GetDatasetRequest& request) override {
    return Call(*datasets_, &Datasets::GetDataset, request, options_, options_.call_timeout);
  }
  absl::Status DeleteDataset(const v1::DeleteDatasetRequest& request) override {
    return Call(*datasets_, &Datasets::DeleteDataset, request, options_, options_.call_timeout)
        .status();
  }

  absl::Status ExtractActivations(
      const v1::ExtractActivationsRequest& request,
      const MessageSink<v1::ExtractActivationsResponse>& sink) override {
    CallContext context(options_);
    return Drain(context, *analysis_->ExtractActivations(&context, request), sink);
  }
  absl::StatusOr<v1::Operation> ComputeCorrelations(
      const v1::ComputeCorrelationsRequest& request) override {
    return Call(*analysis_, &Analysis::ComputeCorrelations, request, options_,
                options_.weights_timeout);
  }
  absl::StatusOr<v1::Correlation> GetCorrelation(
      const v1::GetCorrelationRequest& request) override {
    return Call(*analysis_, &Analysis::GetCorrelation, request, options_, options_.call_timeout);
  }
  absl::StatusOr<v1::ListCorrelationsResponse> ListCorrelations(
      const v1::ListCorrelationsRequest& request) override {
    return Call(*analysis_, &Analysis::ListCorrelations, request, options_, options_.call_timeout);
  }
  absl::StatusOr<v1::QueryUniversalNeuronsResponse> QueryUniversalNeurons(
      const v1::QueryUniversalNeuronsRequest& request) override {
    return Call(*analysis_, &Analysis::QueryUniversalNeurons, request, options_,
                options_.call_timeout);
  }
  absl::StatusOr<v1::NeuronDetail> GetNeuron(const v1::GetNeuronRequest& request) override {
    return Call(*analysis_, &Analysis::GetNeuron, request, options_, options_.call_timeout);
  }
  absl::StatusOr<v1::GetNeuronTableResponse> GetNeuronTable(
      const v1::GetNeuronTableRequest& request) override {
    return Call(*analysis_, &Analysis::GetNeuronTable, request, options_, options_.call_timeout);
  }
  absl::StatusOr<v1::Operation> RunAblation(const v1::RunAblationRequest& request) override {
    return Call(*analysis_, &Analysis::RunAblation, request, options_, options_.weights_timeout);
  }
  absl::StatusOr<v1::Ablation> GetAblation(const v1::GetAblationRequest& request) override {
    return Call(*analysis_, &Analysis::GetAblation, request, options_, options_.call_timeout);
  }
  absl::StatusOr<v1::ListAblationsResponse> ListAblations(
      const v1::ListAblationsRequest& request) override {
    return Call(*analysis_, &Analysis::ListAblations, request, options_, options_.call_timeout);
  }
  absl::StatusOr<v1::Operation> RunStudy(const v1::RunStudyRequest& request) override {
    return Call(*analysis_, &Analysis::RunStudy, request, options_, options_.weights_timeout);
  }
  absl::StatusOr<v1::Study> GetStudy(const v1::GetStudyRequest& request) override {
    return Call(*analysis_, &Analysis::GetStudy, request, options_, options_.call_timeout);
  }
  absl::StatusOr<v1::ListStudiesResponse> ListStudies(
      const v1::ListStudiesRequest& request) override {
    return Call(*analysis_, &Analysis::ListStudies, request, options_, options_.call_timeout);
  }
  absl::StatusOr<v1::Persistence> GetPersistence(
      const v1::GetPersistenceRequest& request) override {
    return Call(*analysis_, &Analysis::GetPersistence, request, options_, options_.call_timeout);
  }
  absl::StatusOr<v1::Lineage> GetLineage(const v1::GetLineageRequest& request) override {
    return Call(*analysis_, &Analysis::GetLineage, request, options_, options_.call_timeout);
  }
  absl::StatusOr<v1::FamilySet> GetFamilySet(const v1::GetFamilySetRequest& request) override {
    return Call(*analysis_, &Analysis::GetFamilySet, request, options_, options_.call_timeout);
  }
  absl::StatusOr<v1::ListFamiliesResponse> ListFamilies(
      const v1::ListFamiliesRequest& request) override {
    return Call(*analysis_, &Analysis::ListFamilies, request, options_, options_.call_timeout);
  }

  absl::StatusOr<v1::Operation> GetOperation(const v1::GetOperationRequest& request) override {
    return Call(*operations_, &Operations::GetOperation, request, options_, options_.call_timeout);
  }
  absl::StatusOr<v1::ListOperationsResponse> ListOperations(
      const v1::ListOperationsRequest& request) override {
    return Call(*operations_, &Operations::ListOperations, request, options_,
                options_.call_timeout);
  }
  absl::StatusOr<v1::Operation> WaitOperation(const v1::WaitOperationRequest& request) override;
  absl::Status WatchOperation(const v1::WatchOperationRequest& request,
                              const MessageSink<v1::Operation>& sink) override {
    CallContext context(options_);
    return Drain(context, *operations_->WatchOperation(&context, request), sink);
  }
  absl::StatusOr<v1::Operation> CancelOperation(
      const v1::CancelOperationRequest& request) override {
    return Call(*operations_, &Operations::CancelOperation, request, options_,
                options_.call_timeout);
  }
  absl::Status DeleteOperation(const v1::DeleteOperationRequest& request) override {
    return Call(*operations_, &Operations::DeleteOperation, request, options_,
                options_.call_timeout)
        .status();
  }

  absl::StatusOr<v1::Store> GetStore(const v1::GetStoreRequest& request) override {
    return Call(*store_, &Store::GetStore, request, options_, options_.call_timeout);
  }
  absl::StatusOr<v1::VerifyStoreResponse> VerifyStore(
      const v1::VerifyStoreRequest& request) override {
    return Call(*store_, &Store::VerifyStore, request, options_, options_.weights_timeout);
  }
  absl::StatusOr<v1::Store> CompactStore(const v1::CompactStoreRequest& request) override {
    return Call(*store_, &Store::CompactStore, request, options_, options_.weights_timeout);
  }

 private:
  using Checkpoints = v1::CheckpointService::StubInterface;
  using Datasets = v1::DatasetService::StubInterface;
  using Analysis = v1::AnalysisService::StubInterface;
  using Operations = v1::OperationService::StubInterface;
  using Store = v1::StoreService::StubInterface;

  const ConnectOptions options_;
  const std::unique_ptr<Checkpoints> checkpoints_;
  const std::unique_ptr<Datasets> datasets_;
  const std::unique_ptr<Analysis> analysis_;
  const std::unique_ptr<Operations> operations_;
  const std::unique_ptr<Store> store_;
};

// Sends the spec and then everything from `next`. A refused write is no error here: the server has
// ended the call, and its status says why.
absl::Status Upload(const v1::DatasetSpec& spec, const DataSource& next,
                    grpc::ClientWriterInterface<v1::CreateDatasetRequest>& writer) {
  v1::CreateDatasetRequest request;
  *request.mutable_spec() = spec;
  int64_t sent_bytes = 0;
  while (writer.Write(request)) {
    HOMOLOG_ASSIGN_OR_RETURN(*request.mutable_data(), next());
    if (request.data().empty()) {
      request.mutable_end()->set_size_bytes(sent_bytes);
      writer.WriteLast(request, grpc::WriteOptions());
      break;
    }
    sent_bytes += static_cast<int64_t>(request.data().size());
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::Dataset> GrpcConnection::CreateDataset(const v1::DatasetSpec& spec,
                                                          const DataSource& next) {
  CallContext context(options_);
  v1::Dataset dataset;
  const auto writer = datasets_->CreateDataset(&context, &dataset);
  const absl::Status uploaded = Upload(spec, next, *writer);
  // Cancelled, not closed: the server must not take half a file for the whole.
  if (!uploaded.ok()) context.TryCancel();
  const grpc::Status status = writer->Finish();
  if (!uploaded.ok()) return uploaded;
  if (!status.ok()) return FromGrpcStatus(status);
  return dataset;
}

absl::StatusOr<v1::Operation> GrpcConnection::WaitOperation(
    const v1::WaitOperationRequest& request) {
  milliseconds wait = std::chrono::minutes(1);
  if (request.has_timeout()) {
    // The server refuses what is outside of [0, 1 h]; here it only must not overflow.
    wait = std::chrono::seconds(std::clamp<int64_t>(request.timeout().seconds(), 0, 3600) + 1);
  }
  return Call(*operations_, &Operations::WaitOperation, request, options_,
              wait + options_.call_timeout);
}

std::shared_ptr<grpc::ChannelCredentials> ChannelCredentials(const Security& security) {
  if (!security.tls) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = security.ca;
  options.pem_cert_chain = security.certificate;
  options.pem_private_key = security.key;
  return grpc::SslCredentials(options);
}

}  // namespace

absl::StatusOr<std::shared_ptr<Connection>> Connect(const std::string& server,
                                                    const ConnectOptions& options) {
  HOMOLOG_RETURN_IF_ERROR(CheckToken(server, options.security));
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(options.max_receive_bytes);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  // A connection each: channels with equal arguments would share one.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // gRPC would ask the proxy of $http_proxy for this machine itself.
  if (IsLoopback(server)) arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return ConnectOver(
      grpc::CreateCustomChannel(server, ChannelCredentials(options.security), arguments), options);
}

std::shared_ptr<Connection> ConnectOver(std::shared_ptr<grpc::ChannelInterface> channel,
                                        const ConnectOptions& options) {
  return std::make_shared<GrpcConnection>(channel, options);
}

}  // namespace homolog::client
