#include "server/app/server.h"

#include <glog/logging.h>
#include <google/protobuf/util/time_util.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "common/resource_names.h"
#include "common/text.h"
#include "server/app/drain.h"
#include "server/app/exposure.h"
#include "server/app/free_memory.h"
#include "server/app/housekeeping.h"
#include "server/app/process_stats.h"
#include "server/app/store_digest_memo.h"
#include "server/app/store_metrics.h"
#include "server/app/transport.h"
#include "server/app/version.h"
#include "server/checkpoints/registry.h"
#include "server/engine/device.h"
#include "server/metrics/metrics.h"
#include "server/operations/ablation_job.h"
#include "server/operations/correlation_job.h"
#include "server/operations/device_worker.h"
#include "server/operations/operation_manager.h"
#include "server/operations/study_job.h"
#include "server/rpc/admin_server.h"
#include "server/rpc/analysis_service.h"
#include "server/rpc/checkpoint_service.h"
#include "server/rpc/dataset_service.h"
#include "server/rpc/doorkeeper.h"
#include "server/rpc/operation_service.h"
#include "server/rpc/store_service.h"
#include "server/rpc/token_file.h"
#include "server/store/store.h"

namespace homolog::app {
namespace {

constexpr size_t kQuickThreads = 4, kSlowThreads = 4, kPoolQueue = 1000;
constexpr double kDefaultBudgetShare = 0.8;

template <typename Request>
absl::StatusOr<Request> ParseRequest(const std::string& bytes) {
  Request request;
  if (request.ParseFromString(bytes)) return request;
  return DataLoss("DAMAGED_OPERATION", "its stored request cannot be read; ask again");
}

// Of operations that were accepted before, whatever the limits are now.
operations::JobFactory MakeJobFactory(operations::AnalysisContext context) {
  context.limits = NoLimits();
  return [context](std::string_view kind,
                   const std::string& bytes) -> absl::StatusOr<operations::Job> {
    if (kind == operations::kCorrelationKind) {
      HOMOLOG_ASSIGN_OR_RETURN(const auto request,
                               ParseRequest<v1::ComputeCorrelationsRequest>(bytes));
      return operations::PrepareCorrelation(context, request);
    }
    if (kind == operations::kAblationKind) {
      HOMOLOG_ASSIGN_OR_RETURN(const auto request, ParseRequest<v1::RunAblationRequest>(bytes));
      return operations::PrepareAblation(context, request);
    }
    if (kind == operations::kStudyKind) {
      HOMOLOG_ASSIGN_OR_RETURN(const auto request, ParseRequest<v1::RunStudyRequest>(bytes));
      return operations::PrepareStudy(context, request);
    }
    return InvalidArgument("UNKNOWN_KIND",
                           absl::StrCat("this server knows no operation of kind ", Quoted(kind),
                                        "; was the store written by a newer one?"));
  };
}

std::string OutcomeName(v1::OperationState state) {
  switch (state) {
    case v1::OPERATION_STATE_SUCCEEDED:
      return "succeeded";
    case v1::OPERATION_STATE_CANCELLED:
      return "cancelled";
    default:
      return "failed";
  }
}

// Of messages on their way, of all connections: beyond it gRPC reads no more until some are done.
constexpr size_t kConnectionBytes = size_t{1} << 30;

// From its start to its end; nothing where it never started.
std::optional<double> Seconds(const v1::Operation& operation) {
  using google::protobuf::util::TimeUtil;
  if (!operation.has_start_time()) return std::nullopt;
  return static_cast<double>(
             TimeUtil::DurationToMicroseconds(operation.end_time() - operation.start_time())) *
         1e-6;
}

void LogEnd(const v1::Operation& operation) {
  LOG(INFO) << "operation=" << operation.name() << " kind=" << operation.kind()
            << " client=" << operation.client() << " outcome=" << OutcomeName(operation.state())
            << " seconds=" << Seconds(operation).value_or(0) << " result=" << operation.result()
            << (operation.has_error()
                    ? absl::StrCat(" message=", Quoted(operation.error().message()))
                    : "");
}

void LogPostponed(const v1::Operation& operation, const absl::Status& status) {
  LOG(WARNING) << "operation=" << operation.name() << " waits=store reason=" << ErrorReason(status)
               << " message=" << Quoted(std::string(status.message()));
}

void LogStoreEvent(const store::StoreEvent& event) {
  using Kind = store::StoreEvent::Kind;
  switch (event.kind) {
    case Kind::kDamaged:
      LOG(ERROR) << "store=damaged result=" << event.name << " message=" << Quoted(event.detail);
      return;
    case Kind::kEvicted:
      LOG(INFO) << "store=evicted result=" << event.name;
      return;
    case Kind::kReadOnly:
      LOG(ERROR) << "store=read-only message=" << Quoted(event.detail);
      return;
    case Kind::kServing:
      LOG(INFO) << "store=serving";
      return;
    case Kind::kLogDamaged:
      LOG(ERROR) << "store=log-damaged message=" << Quoted(event.detail);
      return;
  }
}

operations::SnapshotSettings Snapshots(const Config& config) {
  return {config.data + "/snapshots", config.snapshot_interval, [](const std::string& problem) {
            LOG(ERROR) << "snapshot=failed message=" << Quoted(problem);
          }};
}

// So that requests are answered at once while all cores compute: the threads that libtorch makes
// for the calling one inherit it.
void ComputeInTheBackground() {
  constexpr int kNice = 10;
  setpriority(PRIO_PROCESS, 0, kNice);  // of this thread alone, on Linux
}

// Null without --token-file.
absl::StatusOr<std::unique_ptr<rpc::TokenFile>> OpenTokens(const Config& config) {
  if (config.token_file.empty()) return nullptr;
  absl::StatusOr<std::unique_ptr<rpc::TokenFile>> tokens = rpc::TokenFile::Open(config.token_file);
  if (!tokens.ok()) return Annotate(tokens.status(), "--token-file");
  return tokens;
}

// Of a name that --preload gives.
absl::StatusOr<CheckpointName> ParsePreload(const std::string& given) {
  HOMOLOG_ASSIGN_OR_RETURN(const std::string full, ExpandCheckpointName(given));
  return CheckpointName::Parse(full);
}

absl::Status AnnotatePreload(const absl::Status& status, const std::string& given) {
  return Annotate(status, absl::StrCat("--preload ", given));
}

// What can be said without loading them.
absl::Status CheckPreload(const checkpoints::Repository& repository,
                          const std::vector<std::string>& checkpoints) {
  for (const std::string& given : checkpoints) {
    const absl::StatusOr<CheckpointName> name = ParsePreload(given);
    const absl::Status status = name.ok() ? repository.Folder(*name).status() : name.status();
    if (!status.ok()) return AnnotatePreload(status, given);
  }
  return absl::OkStatus();
}

absl::Status CheckStop(const StopRequest& stop) {
  if (!stop.made()) return absl::OkStatus();
  return MakeError(absl::StatusCode::kCancelled, kStopped, "told to end before it served");
}

int64_t Budget(const Config& config, c10::Device device) {
  if (config.memory_budget_bytes > 0) return config.memory_budget_bytes;
  return static_cast<int64_t>(kDefaultBudgetShare *
                              static_cast<double>(engine::DeviceMemoryBytes(device)));
}

}  // namespace

// In the order in which the parts are made; they are freed the other way round.
struct Server::Parts {
  Parts(const Config& config, std::shared_ptr<StopRequest> stop_request,
        checkpoints::Repository repository, c10::Device device,
        std::unique_ptr<store::Store> opened_store, std::unique_ptr<rpc::TokenFile> tokens)
      : drain(config.drain_seconds),
        stop(std::move(stop_request)),
        device(device),
        metrics(kVersion),
        store(std::move(opened_store)),
        digests(store.get()),
        registry(std::move(repository), device, Budget(config, device), &digests),
        worker(static_cast<size_t>(config.limits.queue),
               [threads = config.threads] {
                 ComputeInTheBackground();
                 engine::SetThreads(threads).IgnoreError();
               }),
        manager(
            store.get(), &worker,
            [this](const v1::Operation& operation) {
              metrics.OperationEnded(operation.kind(), OutcomeName(operation.state()),
                                     Seconds(operation));
              operations::DeleteSnapshots(context.snapshots, operation.name());
              LogEnd(operation);
            },
            [this](int64_t tokens) { metrics.tokens.Increment(static_cast<double>(tokens)); },
            {.operations_per_client = static_cast<size_t>(config.limits.operations_per_client),
             .on_postponed = LogPostponed,
             .on_device_lost = [this](const absl::Status& status) { LoseDevice(status); }}),
        context{&registry,         &tokenizers,  store.get(), Budget(config, device),
                Snapshots(config), config.limits},
        doorkeeper(std::move(tokens)),
        entrance{&doorkeeper, &metrics, [this](const absl::Status& status) { LoseDevice(status); }},
        quick(kQuickThreads, kPoolQueue),
        slow(kSlowThreads, kPoolQueue),
        checkpoint_service(&registry, &tokenizers, config.limits, &quick, &slow, entrance),
        dataset_service(&registry, &tokenizers, store.get(), config.limits, &quick, &slow,
                        entrance),
        analysis_service(context, &manager, &worker, &quick, &slow, entrance),
        operation_service(&manager, config.limits, &quick, entrance),
        store_service(store.get(), &slow, entrance),
        housekeeping({{std::chrono::seconds(1), [this] { store->Maintain(); }},
                      {std::chrono::seconds(1), [this] { manager.Maintain(); }},
                      {std::chrono::seconds(30), [] { ReturnFreeMemory(); }},
                      {std::chrono::seconds(60), [this, ttl = config.operation_ttl] {
                         manager.Expire(ttl).status().IgnoreError();
                       }}}) {}

  absl::Status Listen(const Config& config);
  absl::Status Preload(const std::vector<std::string>& checkpoints);
  void SetServing(bool serving);
  void LoseDevice(const absl::Status& status) {
    if (device_lost.exchange(true)) return;
    LOG(ERROR) << "device=lost message=" << Quoted(std::string(status.message()));
    manager.BeginShutdown();  // what comes next would fail, too
    stop->Make(kDeviceLost);
  }
  std::string MetricsText() {
    const checkpoints::RegistryUsage usage = registry.usage();
    metrics.SetCheckpoints({.loaded = usage.loaded,
                            .loading = usage.loading,
                            .bytes = usage.bytes,
                            .budget_bytes = usage.budget_bytes,
                            .loads = usage.loads,
                            .load_failures = usage.load_failures,
                            .evictions = usage.evictions});
    metrics.queue_depth.Set(static_cast<double>(worker.queue_depth()));
    const operations::OperationManager::Counts counts = manager.counts();
    metrics.SetOperations(counts.queued, counts.running);
    SetStoreMetrics(*store, metrics);
    metrics::ResourceCounts resources = ReadProcessStats();
    resources.device_total_bytes = engine::DeviceMemoryBytes(device);
    resources.device_used_bytes =
        device.is_cuda() ? engine::DeviceUsedBytes(device) : resources.resident_bytes;
    metrics.SetResources(resources);
    return metrics::Serialize(metrics);
  }

  const std::chrono::seconds drain;
  const std::shared_ptr<StopRequest> stop;
  const c10::Device device;
  std::atomic<bool> device_lost = false;
  metrics::Metrics metrics;
  std::unique_ptr<store::Store> store;
  StoreDigestMemo digests;
  checkpoints::Registry registry;
  datasets::TokenizerCache tokenizers;
  operations::DeviceWorker worker;
  operations::OperationManager manager;
  const operations::AnalysisContext context;
  rpc::Doorkeeper doorkeeper;
  const rpc::Entrance entrance;
  rpc::RequestPool quick, slow;
  rpc::CheckpointService checkpoint_service;
  rpc::DatasetService dataset_service;
  rpc::AnalysisService analysis_service;
  rpc::OperationService operation_service;
  rpc::StoreService store_service;
  Housekeeping housekeeping;
  std::atomic<bool> ready = false;
  int port = 0;
  std::unique_ptr<grpc::Server> grpc_server;
  std::unique_ptr<rpc::AdminServer> admin;
};

absl::Status Server::Parts::Listen(const Config& config) {
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  HOMOLOG_ASSIGN_OR_RETURN(const std::shared_ptr<grpc::ServerCredentials> credentials,
                           MakeServerCredentials(config));
  builder.AddListeningPort(config.listen, credentials, &port);
  // Clients that vanished without a word, and messages of many at once.
  constexpr int kKeepaliveMs = 60'000, kKeepaliveTimeoutMs = 20'000;
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.SetResourceQuota(grpc::ResourceQuota("connections").Resize(kConnectionBytes));
  // Two servers on one port would each get some of the calls.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS,
                             static_cast<int>(config.limits.connection_streams));
  builder.SetMaxReceiveMessageSize(static_cast<int>(config.limits.message_bytes));
  builder.SetMaxSendMessageSize(static_cast<int>(config.limits.message_bytes));
  builder.RegisterService(&checkpoint_service);
  builder.RegisterService(&dataset_service);
  builder.RegisterService(&analysis_service);
  builder.RegisterService(&operation_service);
  builder.RegisterService(&store_service);
  grpc_server = builder.BuildAndStart();
  if (!grpc_server || port == 0) {
    return MakeError(absl::StatusCode::kUnavailable, "ADDRESS_IN_USE",
                     absl::StrCat("cannot listen on --listen ", Quoted(config.listen),
                                  "; choose a free HOST:PORT of this machine"),
                     {{"address", config.listen}});
  }
  SetServing(false);
  if (config.admin.empty()) return absl::OkStatus();
  HOMOLOG_ASSIGN_OR_RETURN(
      admin, rpc::AdminServer::Start(config.admin, {[this] { return MetricsText(); },
                                                    [this] { return ready.load(); }}));
  return absl::OkStatus();
}

absl::Status Server::Parts::Preload(const std::vector<std::string>& checkpoints) {
  for (const std::string& given : checkpoints) {
    HOMOLOG_RETURN_IF_ERROR(CheckStop(*stop));
    const absl::StatusOr<CheckpointName> name = ParsePreload(given);
    const absl::Status loaded = name.ok() ? registry.Acquire(*name).status() : name.status();
    if (ErrorReason(loaded) == "DEVICE_LOST") LoseDevice(loaded);
    if (!loaded.ok()) return AnnotatePreload(loaded, given);
    LOG(INFO) << "checkpoint=" << name->ToString() << " preloaded";
  }
  return absl::OkStatus();
}

void Server::Parts::SetServing(bool serving) {
  ready = serving;
  grpc::HealthCheckServiceInterface* const health = grpc_server->GetHealthCheckService();
  for (const char* service : {"CheckpointService", "DatasetService", "AnalysisService",
                              "OperationService", "StoreService"}) {
    health->SetServingStatus(absl::StrCat("homolog.v1.", service), serving);
  }
  health->SetServingStatus("", serving);
}

Server::Server(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Server::~Server() { Shutdown(); }

int Server::port() const { return parts_->port; }
int Server::admin_port() const { return parts_->admin ? parts_->admin->port() : -1; }

absl::Status CheckEnvironment(const Config& config) {
  HOMOLOG_RETURN_IF_ERROR(engine::ParseDevice(config.device).status());
  HOMOLOG_RETURN_IF_ERROR(CheckTransport(config));
  HOMOLOG_RETURN_IF_ERROR(OpenTokens(config).status());
  HOMOLOG_ASSIGN_OR_RETURN(const checkpoints::Repository repository,
                           checkpoints::Repository::Open(config.repository));
  return CheckPreload(repository, config.preload);
}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const Config& config,
                                                      std::shared_ptr<StopRequest> stop) {
  HOMOLOG_ASSIGN_OR_RETURN(const c10::Device device, engine::ParseDevice(config.device));
  HOMOLOG_ASSIGN_OR_RETURN(checkpoints::Repository repository,
                           checkpoints::Repository::Open(config.repository));
  HOMOLOG_ASSIGN_OR_RETURN(std::unique_ptr<rpc::TokenFile> tokens, OpenTokens(config));
  HOMOLOG_RETURN_IF_ERROR(CheckStop(*stop));  // a device, for one, can take its time
  HOMOLOG_ASSIGN_OR_RETURN(
      std::unique_ptr<store::Store> store,
      store::Store::Open(config.data, {.result_budget_bytes = config.store_budget_bytes,
                                       .observer = LogStoreEvent,
                                       .env = nullptr}));
  HOMOLOG_RETURN_IF_ERROR(CheckStop(*stop));
  auto parts = std::make_unique<Parts>(config, std::move(stop), std::move(repository), device,
                                       std::move(store), std::move(tokens));
  std::unique_ptr<Server> server(new Server(std::move(parts)));
  Parts& running = *server->parts_;
  // Before the first client: what it submits must not be taken for work of a former process.
  HOMOLOG_RETURN_IF_ERROR(running.manager.Resume(MakeJobFactory(running.context)));
  operations::DeleteSnapshotsExcept(running.context.snapshots, running.manager.UnendedNames());
  HOMOLOG_RETURN_IF_ERROR(running.Listen(config));
  HOMOLOG_RETURN_IF_ERROR(running.Preload(config.preload));
  HOMOLOG_RETURN_IF_ERROR(CheckStop(*running.stop));
  running.SetServing(true);
  const std::string warning = ExposureWarning(config);
  if (!warning.empty()) LOG(WARNING) << warning;
  return server;
}

void Server::Shutdown() {
  if (!parts_) return;
  const auto deadline = std::chrono::system_clock::now() + TimeForCalls(parts_->drain);
  if (parts_->grpc_server) parts_->SetServing(false);
  parts_->manager.BeginShutdown();
  parts_->worker.Stop();
  if (parts_->grpc_server) {
    parts_->grpc_server->Shutdown(deadline);
    parts_->grpc_server->Wait();
  }
  parts_.reset();
}

}  // namespace homolog::app
