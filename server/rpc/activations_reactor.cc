#include "server/rpc/activations_reactor.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/digest.h"
#include "common/error.h"
#include "server/operations/stored_tokens.h"
#include "server/rpc/extraction_plan.h"
#include "server/rpc/stall_guard.h"

namespace homolog::rpc {
namespace {

constexpr int64_t kChunkBytes = 1 << 20;
constexpr int64_t kBatchPositions = 2048;
// Activations that a stream holds while its client takes them: a batch, of one sequence at least.
constexpr int64_t kBatchBytes = 64 << 20;

// Thread-safety: one step at a time: plan (pool), then write (gRPC) and read a batch (worker) in
// turn. A step that waits for the worker and a client that goes away both want to go on: the one
// that claims the step does.
class ActivationsReactor : public grpc::ServerWriteReactor<v1::ExtractActivationsResponse> {
 public:
  ActivationsReactor(const operations::AnalysisContext& context, operations::DeviceWorker* worker,
                     RequestPool* pool, grpc::CallbackServerContext* server_context, Call call,
                     StreamSlots::Slot slot, v1::ExtractActivationsRequest request,
                     std::function<void(int64_t)> on_tokens)
      : context_(context),
        worker_(worker),
        call_(std::move(call)),
        slot_(std::move(slot)),
        request_(std::move(request)),
        on_tokens_(std::move(on_tokens)),
        stall_guard_(server_context, std::chrono::seconds(context_.limits.stalled_reader_seconds)) {
    if (!pool->Post([this] { SendHeader(); })) End(ServerBusy());
  }

  void OnWriteDone(bool ok) override {
    stall_guard_.EndWait();
    if (!ok || cancelled_) return End(Gone());
    if (WriteNextChunk()) return;
    if (next_sequence_ >= tokens_->sequence_count()) return End(absl::OkStatus());
    PostBatch();
  }
  void OnCancel() override {
    std::shared_ptr<Step> waiting;
    {
      const std::lock_guard lock(waiting_mutex_);
      cancelled_ = true;
      waiting = waiting_.lock();
    }
    if (waiting && waiting->Claim()) End(Gone());
  }
  void OnDone() override { delete this; }

 private:
  void SendHeader() {
    const absl::Status status = CatchAll([&]() -> absl::Status {
      HOMOLOG_ASSIGN_OR_RETURN(plan_, PlanExtraction(context_, request_));
      return absl::OkStatus();
    });
    if (!status.ok()) return End(status);
    tokens_.emplace(*context_.store, plan_.dataset_id, plan_.dataset);
    *response_.mutable_header() = plan_.header;
    Write();
  }

  void Write() {
    stall_guard_.BeginWait();
    StartWrite(&response_);
  }

  absl::Status Gone() const {
    if (!stall_guard_.stalled()) return absl::CancelledError("the client went away");
    return MakeError(
        absl::StatusCode::kCancelled, "STREAM_STALLED",
        absl::StrCat("the client took no message for ", context_.limits.stalled_reader_seconds,
                     " seconds (--limit-stalled-reader-seconds)"));
  }

  // One batch on the worker; whatever becomes of the task, the call goes on or ends.
  class Step {
   public:
    explicit Step(ActivationsReactor* reactor) : reactor_(reactor) {}
    // Dropped by a worker that stops, it ends the call.
    ~Step() {
      Refuse(MakeError(absl::StatusCode::kUnavailable, "SHUTTING_DOWN",
                       "the server is shutting down; ask again once it is back"));
    }
    // True once: for who then has to go on. The reactor may be gone for anybody else.
    bool Claim() { return !claimed_.exchange(true); }
    void Run() {
      if (Claim()) reactor_->ReadBatch();
    }
    void Refuse(const absl::Status& status) {
      if (Claim()) reactor_->End(status);
    }

   private:
    ActivationsReactor* const reactor_;
    std::atomic<bool> claimed_ = false;
  };

  void PostBatch() {
    const auto step = std::make_shared<Step>(this);
    bool gone = false;
    {
      const std::lock_guard lock(waiting_mutex_);
      gone = cancelled_;
      if (!gone) waiting_ = step;
    }
    if (gone) return step->Refuse(Gone());
    const absl::Status posted = worker_->PostShort(call_.caller().name, [step] { step->Run(); });
    if (!posted.ok()) step->Refuse(posted);
  }

  void ReadBatch() {
    if (cancelled_) return End(Gone());
    const absl::Status status = CatchAll([&]() -> absl::Status {
      const int64_t layers = plan_.header.layers_size();
      const int64_t positions =
          std::clamp<int64_t>(kBatchBytes / (layers * plan_.row_bytes), 1, kBatchPositions);
      const int64_t count = std::min(analysis::SequencesPerBatch(*tokens_, positions),
                                     tokens_->sequence_count() - next_sequence_);
      HOMOLOG_ASSIGN_OR_RETURN(const at::Tensor tokens, tokens_->Read(next_sequence_, count));
      HOMOLOG_ASSIGN_OR_RETURN(
          batch_, analysis::ExtractActivations(*plan_.checkpoint->model, tokens, plan_.options));
      batch_first_position_ = next_sequence_ * tokens_->sequence_length();
      batch_positions_ = tokens.numel();
      batch_layer_ = 0;
      batch_row_ = 0;
      next_sequence_ += count;
      on_tokens_(tokens.numel());
      return absl::OkStatus();
    });
    if (!status.ok()) return End(status);
    WriteNextChunk();
  }

  // Writes the next rows of the batch; false where none are left, and its memory is freed.
  bool WriteNextChunk() {
    if (batch_layer_ == batch_.size()) {
      batch_.clear();
      batch_layer_ = 0;
      return false;
    }
    const int64_t rows = std::min(std::max<int64_t>(1, kChunkBytes / plan_.row_bytes),
                                  batch_positions_ - batch_row_);
    v1::ActivationsChunk& chunk = *response_.mutable_chunk();
    chunk.set_layer(plan_.header.layers(static_cast<int>(batch_layer_)));
    chunk.set_first_position(batch_first_position_ + batch_row_);
    chunk.set_positions(rows);
    const char* data = static_cast<const char*>(batch_[batch_layer_].data_ptr());
    chunk.set_data(data + batch_row_ * plan_.row_bytes, rows * plan_.row_bytes);
    chunk.set_crc32c(Crc32c(chunk.data()));
    batch_row_ += rows;
    if (batch_row_ == batch_positions_) {
      batch_[batch_layer_].reset();
      ++batch_layer_;
      batch_row_ = 0;
    }
    Write();
    return true;
  }

  void End(const absl::Status& status) {
    stall_guard_.Stop();
    batch_.clear();
    plan_.checkpoint.reset();
    slot_.Release();
    Finish(call_.End(status));
  }

  const operations::AnalysisContext context_;
  operations::DeviceWorker* const worker_;
  const Call call_;
  StreamSlots::Slot slot_;
  const v1::ExtractActivationsRequest request_;
  const std::function<void(int64_t)> on_tokens_;
  std::atomic<bool> cancelled_ = false;
  StallGuard stall_guard_;
  std::mutex waiting_mutex_;
  std::weak_ptr<Step> waiting_;  // for the worker

  ExtractionPlan plan_;
  std::optional<operations::StoredTokens> tokens_;
  int64_t next_sequence_ = 0;
  std::vector<at::Tensor> batch_;  // per layer [position, neuron], on the CPU
  int64_t batch_first_position_ = 0, batch_positions_ = 0;
  size_t batch_layer_ = 0;  // of the next chunk, as its place in the plan
  int64_t batch_row_ = 0;   // of the next chunk
  v1::ExtractActivationsResponse response_;
};

}  // namespace

grpc::ServerWriteReactor<v1::ExtractActivationsResponse>* NewActivationsReactor(
    const operations::AnalysisContext& context, operations::DeviceWorker* worker, RequestPool* pool,
    grpc::CallbackServerContext* server_context, Call call, StreamSlots::Slot slot,
    const v1::ExtractActivationsRequest& request, std::function<void(int64_t tokens)> on_tokens) {
  return new ActivationsReactor(context, worker, pool, server_context, std::move(call),
                                std::move(slot), request, std::move(on_tokens));
}

}  // namespace homolog::rpc
