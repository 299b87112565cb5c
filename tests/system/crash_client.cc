#include "tests/system/crash_client.h"

#include <chrono>
#include <thread>
#include <utility>

#include "common/error.h"
#include "common/resource_names.h"
#include "tests/system/crash_results.h"

namespace homolog::testing {
namespace {

// So many operations wait at most: those of a hundred kills have to end at last.
constexpr size_t kMaxUnended = 24;
constexpr uint64_t kMaxPauseMs = 20;
constexpr size_t kPieceBytes = 50'000;
constexpr int64_t kMinTokens = 1'000, kMaxTokens = 10'000;

// Text whose bytes vary enough that every neuron does.
std::string Text(int64_t bytes, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string text;
  while (static_cast<int64_t>(text.size()) < bytes) {
    text += static_cast<char>(random() % 5 == 0 ? ' ' : 'a' + random() % 26);
  }
  return text;
}

std::string CheckpointOf(const std::string& model, const std::string& step) {
  return "models/" + model + "/checkpoints/" + step;
}

// What other clients may have done in between is no fault of the server.
bool IsRefusal(const absl::Status& status) { return ErrorReason(status) == "QUEUE_FULL"; }

}  // namespace

absl::Status UploadText(client::Connection& connection, CrashLedger& ledger, const std::string& id,
                        int64_t tokens, uint64_t seed) {
  const std::string text = Text(tokens, seed);
  ledger.Upload(FormatName(kDatasets, id), tokens);
  v1::DatasetSpec spec;
  spec.set_dataset_id(id);
  spec.set_checkpoint(CheckpointOf(kCrashModels[0], kCrashSteps[0]));
  size_t sent = 0;
  HOMOLOG_ASSIGN_OR_RETURN(const v1::Dataset dataset, connection.CreateDataset(spec, [&] {
    const std::string piece = text.substr(std::min(sent, text.size()), kPieceBytes);
    sent += piece.size();
    return piece;
  }));
  ledger.See(dataset);
  return absl::OkStatus();
}

CrashClient::CrashClient(std::shared_ptr<client::Connection> connection, CrashLedger& ledger,
                         const std::atomic<bool>& killed, std::string name, uint64_t seed)
    : connection_(std::move(connection)),
      client_(connection_),
      ledger_(ledger),
      killed_(killed),
      name_(std::move(name)),
      random_(seed) {}

void CrashClient::Run() {
  while (!killed_) {
    Act();
    std::this_thread::sleep_for(std::chrono::milliseconds(Random(kMaxPauseMs)));
  }
}

void CrashClient::Act() {
  struct Action {
    uint64_t weight;
    void (CrashClient::*act)();
    bool starts_work = false;
  };
  static constexpr Action kActions[] = {
      {31, &CrashClient::Compute, true}, {16, &CrashClient::Ablate, true},
      {3, &CrashClient::Study, true},    {3, &CrashClient::CreateDataset},
      {19, &CrashClient::Look},          {6, &CrashClient::Wait},
      {2, &CrashClient::Cancel},         {2, &CrashClient::Delete},
      {10, &CrashClient::CheckResult},   {8, &CrashClient::Query}};
  uint64_t drawn = Random(100);
  const Action* action = kActions;
  while (drawn >= action->weight) drawn -= (action++)->weight;
  if (action->starts_work && ledger_.unended() >= kMaxUnended) return;
  (this->*action->act)();
}

bool CrashClient::Accept(const std::string& what, const absl::Status& status) {
  if (!status.ok() && !killed_ && !IsRefusal(status)) {
    ledger_.Unexpected(what + " gave " + status.ToString());
  }
  return status.ok();
}

void CrashClient::See(const v1::Operation& operation) {
  ledger_.See(operation);
  for (const std::string& result : ResultsOf(operation)) {
    const absl::StatusOr<std::string> digest = DigestOfResult(client_, result);
    if (Accept("the result " + result + " of " + operation.name(), digest.status())) {
      ledger_.SeeResult(result, *digest);
    }
  }
}

void CrashClient::AcceptStarted(const std::string& what,
                                const absl::StatusOr<v1::Operation>& operation) {
  if (Accept(what, operation.status())) See(*operation);
}

std::string CrashClient::DrawOperation(bool ended) {
  std::vector<std::string> names;
  for (const auto& [name, operation] : ledger_.operations()) {
    if (!operation.deletion_asked && client::HasEnded(operation.seen) == ended) {
      names.push_back(name);
    }
  }
  return names.empty() ? "" : names[Random(names.size())];
}

std::string CrashClient::DrawResult(const std::string& collection) {
  std::vector<std::string> names;
  for (const auto& [name, digest] : ledger_.results()) {
    if (name.starts_with(collection)) names.push_back(name);
  }
  return names.empty() ? "" : names[Random(names.size())];
}

std::string CrashClient::DrawDataset() {
  const auto datasets = ledger_.datasets();
  return std::next(datasets.begin(), static_cast<ptrdiff_t>(Random(datasets.size())))->first;
}

std::string CrashClient::DrawCheckpoint() {
  return CheckpointOf(kCrashModels[Random(kCrashModels.size())],
                      kCrashSteps[Random(kCrashSteps.size())]);
}

void CrashClient::Compute() {
  v1::ComputeCorrelationsRequest request;
  request.set_reference(DrawCheckpoint());
  do {
    request.clear_partners();
    request.add_partners(DrawCheckpoint());
  } while (request.partners(0) == request.reference());
  request.set_dataset(DrawDataset());
  request.set_every_reference(Random(4) == 0);
  v1::CorrelationParameters& parameters = *request.mutable_parameters();
  parameters.set_rotations(static_cast<int32_t>(1 + Random(3)));
  parameters.set_seed(Random(4));
  if (Random(3) == 0) parameters.set_baseline(v1::BASELINE_ORTHOGONAL);
  AcceptStarted("ComputeCorrelations", client_.ComputeCorrelations(request));
}

void CrashClient::Ablate() {
  v1::RunAblationRequest request;
  request.set_checkpoint(DrawCheckpoint());
  request.set_dataset(DrawDataset());
  request.set_kind(Random(2) == 0 ? v1::ABLATION_KIND_ZERO : v1::ABLATION_KIND_MEAN);
  auto& neurons = *request.add_neurons()->mutable_explicit_();
  for (int32_t neuron = 0; neuron < 3; ++neuron) {
    neurons.add_neurons()->set_layer(static_cast<int32_t>(Random(2)));
    neurons.mutable_neurons(neuron)->set_neuron(neuron + 3 * static_cast<int32_t>(Random(30)));
  }
  AcceptStarted("RunAblation", client_.RunAblation(request));
}

void CrashClient::Study() {
  v1::RunStudyRequest request;
  for (const std::string& model : kCrashModels) request.add_models("models/" + model);
  request.add_steps(kCrashSteps[Random(kCrashSteps.size())]);
  request.set_dataset(DrawDataset());
  request.mutable_parameters()->set_seed(Random(4));
  request.add_thresholds(0.05);
  if (Random(2) == 0) {
    request.mutable_ablation()->set_skip(true);
  } else {
    request.mutable_ablation()->set_draws(1);
  }
  AcceptStarted("RunStudy", client_.RunStudy(request));
}

void CrashClient::CreateDataset() {
  const std::string id = name_ + "-" + std::to_string(created_++);
  const int64_t tokens =
      kMinTokens + static_cast<int64_t>(Random(static_cast<uint64_t>(kMaxTokens - kMinTokens)));
  Accept("CreateDataset " + id, UploadText(*connection_, ledger_, id, tokens, random_()));
}

void CrashClient::SeeUnlessDeleted(const std::string& call, const std::string& name,
                                   const absl::StatusOr<v1::Operation>& operation) {
  if (absl::IsNotFound(operation.status()) && ledger_.MayBeDeleted(name)) return;
  if (Accept(call + " " + name, operation.status())) See(*operation);
}

void CrashClient::Look() {
  const std::string name = DrawOperation(/*ended=*/Random(3) == 0);
  if (name.empty()) return;
  SeeUnlessDeleted("GetOperation", name, client_.GetOperation(name));
}

void CrashClient::Wait() {
  const std::string name = DrawOperation(/*ended=*/false);
  if (name.empty()) return;
  SeeUnlessDeleted("WaitOperation", name, client_.WaitOperation(name, std::chrono::seconds(1)));
}

void CrashClient::Cancel() {
  const std::string name = DrawOperation(/*ended=*/false);
  if (name.empty()) return;
  ledger_.AskToCancel(name);
  SeeUnlessDeleted("CancelOperation", name, client_.CancelOperation(name));
}

void CrashClient::Delete() {
  const std::string name = DrawOperation(/*ended=*/true);
  if (name.empty()) return;
  ledger_.AskToDelete(name);
  const absl::Status status = client_.DeleteOperation(name);
  // Another client was quicker.
  if (absl::IsNotFound(status)) return;
  if (Accept("DeleteOperation " + name, status)) ledger_.Deleted(name);
}

void CrashClient::CheckResult() {
  const std::string name = DrawResult("");
  if (name.empty()) return;
  const absl::StatusOr<std::string> digest = DigestOfResult(client_, name);
  if (Accept("the result " + name, digest.status())) ledger_.SeeResult(name, *digest);
}

void CrashClient::Query() {
  v1::QueryUniversalNeuronsRequest request;
  request.set_correlation(DrawResult("correlations/"));
  if (request.correlation().empty()) return;
  request.set_threshold(0);
  Accept("QueryUniversalNeurons", client_.QueryUniversalNeurons(request).status());
}

}  // namespace homolog::testing
