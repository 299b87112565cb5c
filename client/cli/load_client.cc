#include "client/cli/load_client.h"

#include <algorithm>
#include <thread>

#include "client/cpp/client.h"

namespace homolog::cli {
namespace {

using std::chrono::steady_clock;

// After an error, as a client would: a server that is away must not be asked a million times.
constexpr auto kPause = std::chrono::milliseconds(10);
constexpr int kWatchedMessages = 3;
constexpr int kPageSize = 50;
// Half of the computations are among a few that other clients of the load ask for too, and are
// shared or answered from the store; the other half are almost always new. No person asks for these
// seeds, whose computation it would then share, and cancel.
constexpr uint64_t kFirstSeed = uint64_t{1} << 40;
constexpr uint64_t kSharedSeeds = 8, kSeeds = 1'000'000, kMaxRotations = 2;
// One of so many extractions is given up half-way, one of so many computations cancelled.
constexpr uint64_t kAbandonEvery = 4, kCancelEvery = 4;

template <typename Request>
Request Named(const std::string& name) {
  Request request;
  request.set_name(name);
  return request;
}

}  // namespace

LoadClient::LoadClient(std::shared_ptr<client::Connection> connection, const LoadTarget& target,
                       LatestOperation& latest, std::function<bool()> is_over, uint64_t seed)
    : connection_(std::move(connection)),
      target_(target),
      latest_(latest),
      is_over_(std::move(is_over)),
      random_(seed) {}

void LoadClient::Connect() {
  v1::ListOperationsRequest request;
  request.set_page_size(1);
  connection_->ListOperations(request).status().IgnoreError();
}

absl::Status LoadClient::Count(LoadCall kind, const std::function<absl::Status()>& call) {
  const auto start = steady_clock::now();
  absl::Status status = call();
  tally_[static_cast<size_t>(kind)].Add(status, steady_clock::now() - start);
  if (!status.ok()) std::this_thread::sleep_for(kPause);
  return status;
}

void LoadClient::MakeCall(const LoadMix& mix) {
  const LoadCall kind = DrawCall(mix, random_());
  const auto count = [&](absl::Status (LoadClient::*call)()) {
    Count(kind, [&] { return (this->*call)(); }).IgnoreError();
  };
  switch (kind) {
    case LoadCall::kQuery:
      return count(&LoadClient::Query);
    case LoadCall::kList:
      return count(&LoadClient::List);
    case LoadCall::kNeuron:
      return count(&LoadClient::Neuron);
    case LoadCall::kTable:
      return count(&LoadClient::Table);
    case LoadCall::kWatch:
      return count(&LoadClient::Watch);
    case LoadCall::kExtract:
      return Extract();
    case LoadCall::kCompute:
      return Compute();
    default:
      Count(LoadCall::kGet, [this] {
        return connection_->GetCorrelation(Named<v1::GetCorrelationRequest>(target_.correlation))
            .status();
      }).IgnoreError();
  }
}

absl::Status LoadClient::Query() {
  v1::QueryUniversalNeuronsRequest request;
  request.set_correlation(target_.correlation);
  request.set_page_size(kPageSize);
  request.set_threshold(static_cast<double>(Random(8)) / 10);  // 0 to 0.7
  request.set_rule(static_cast<v1::UniversalityRule>(1 + Random(3)));
  return connection_->QueryUniversalNeurons(request).status();
}

absl::Status LoadClient::List() {
  switch (Random(4)) {
    case 0:
      return connection_->ListCorrelations({}).status();
    case 1:
      return connection_->ListOperations({}).status();
    case 2:
      return connection_->ListDatasets({}).status();
    default:
      return connection_->ListCheckpoints({}).status();
  }
}

absl::Status LoadClient::Neuron() {
  v1::GetNeuronRequest request;
  request.set_correlation(target_.correlation);
  request.set_layer(static_cast<int32_t>(Random(static_cast<uint64_t>(target_.layers))));
  request.set_neuron(
      static_cast<int32_t>(Random(static_cast<uint64_t>(target_.neurons_per_layer))));
  return connection_->GetNeuron(request).status();
}

absl::Status LoadClient::Table() {
  v1::GetNeuronTableRequest request;
  request.set_correlation(target_.correlation);
  return connection_->GetNeuronTable(request).status();
}

absl::Status LoadClient::Watch() {
  bool enough = false;
  int messages = 0;
  const absl::Status status = connection_->WatchOperation(
      Named<v1::WatchOperationRequest>(latest_.Get()), [&](const v1::Operation& operation) {
        // One that waits for the device may not change for long.
        enough = ++messages == kWatchedMessages || is_over_() ||
                 operation.state() == v1::OPERATION_STATE_QUEUED;
        return enough ? absl::CancelledError("seen enough") : absl::OkStatus();
      });
  return enough ? absl::OkStatus() : status;
}

void LoadClient::Extract() {
  v1::ExtractActivationsRequest request;
  request.set_checkpoint(target_.checkpoints.front());
  request.set_dataset(target_.dataset);
  request.add_layers(static_cast<int32_t>(Random(static_cast<uint64_t>(target_.extracted_layers))));
  const bool to_the_end = Random(kAbandonEvery) != 0;
  int64_t positions = 0;
  bool enough = false;
  Count(to_the_end ? LoadCall::kExtract : LoadCall::kAbandon, [&] {
    const absl::Status status =
        connection_->ExtractActivations(request, [&](const v1::ExtractActivationsResponse& part) {
          if (part.has_header()) positions = part.header().positions();
          const v1::ActivationsChunk& chunk = part.chunk();
          enough = !to_the_end && part.has_chunk() &&
                   2 * (chunk.first_position() + chunk.positions()) >= positions;
          return enough ? absl::CancelledError("given up half-way") : absl::OkStatus();
        });
    return enough ? absl::OkStatus() : status;
  }).IgnoreError();
}

void LoadClient::Compute() {
  v1::ComputeCorrelationsRequest request;
  request.set_reference(target_.checkpoints.front());
  request.mutable_partners()->Assign(target_.checkpoints.begin() + 1, target_.checkpoints.end());
  request.set_dataset(target_.dataset);
  request.mutable_parameters()->set_rotations(static_cast<int32_t>(1 + Random(kMaxRotations)));
  request.mutable_parameters()->set_seed(kFirstSeed +
                                         Random(Random(2) == 0 ? kSharedSeeds : kSeeds));
  v1::Operation operation;
  const absl::Status status = Count(LoadCall::kCompute, [&] {
    auto started = connection_->ComputeCorrelations(request);
    if (started.ok()) operation = *std::move(started);
    return started.status();
  });
  if (!status.ok()) return;
  latest_.Set(operation.name());
  if (client::HasEnded(operation)) return;  // answered from the store
  if (Random(kCancelEvery) == 0) return Cancel(operation.name());
  Follow(operation.name());
}

void LoadClient::Cancel(const std::string& operation) {
  Count(LoadCall::kCancel, [&] {
    return connection_->CancelOperation(Named<v1::CancelOperationRequest>(operation)).status();
  }).IgnoreError();
}

void LoadClient::Follow(const std::string& operation) {
  auto request = Named<v1::WaitOperationRequest>(operation);
  request.mutable_timeout()->set_seconds(1);  // to see soon that the load is over
  const auto start = steady_clock::now();
  absl::StatusOr<v1::Operation> seen;
  do {
    seen = connection_->WaitOperation(request);
    // What nobody waits for any longer would keep the device after the load.
    if (seen.ok() && !client::HasEnded(*seen) && is_over_()) return Cancel(operation);
  } while (seen.ok() && !client::HasEnded(*seen));
  // Another client of this load may have cancelled what it shared with this one.
  if (seen.ok() && seen->state() == v1::OPERATION_STATE_CANCELLED) return;
  const absl::Status status = seen.ok() ? client::OperationError(*seen) : seen.status();
  tally_[static_cast<size_t>(LoadCall::kFollow)].Add(status, steady_clock::now() - start);
}

}  // namespace homolog::cli
