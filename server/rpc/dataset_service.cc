#include "server/rpc/dataset_service.h"

#include <atomic>
#include <chrono>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "common/resource_names.h"
#include "server/operations/stored_tokens.h"
#include "server/results/paging.h"
#include "server/rpc/dataset_builder.h"
#include "server/rpc/stall_guard.h"

namespace homolog::rpc {
namespace {

// One upload. Every message is worked on by the pool before the next one is read: a client that
// sends faster than the store writes is held back by gRPC's flow control.
//
// Thread-safety: one read is in flight at a time, so that its members have one user at a time.
class UploadReactor : public grpc::ServerReadReactor<v1::CreateDatasetRequest> {
 public:
  UploadReactor(checkpoints::Registry* registry, datasets::TokenizerCache* tokenizers,
                store::Store* store, const Limits& limits, RequestPool* pool,
                grpc::CallbackServerContext* context, Call call, StreamSlots::Slot slot,
                v1::Dataset* response)
      : builder_(std::make_unique<DatasetBuilder>(registry, tokenizers, store, limits,
                                                  [this] { return cancelled_.load(); })),
        pool_(pool),
        call_(std::move(call)),
        slot_(std::move(slot)),
        response_(response),
        stall_seconds_(limits.stalled_upload_seconds),
        stall_guard_(context, std::chrono::seconds(stall_seconds_)) {
    Read();
  }

  void OnReadDone(bool ok) override {
    stall_guard_.EndWait();
    // The stream closed: without an end message before, the upload is incomplete.
    const bool posted = pool_->Post([this, ok] { ok ? Add() : End(absl::OkStatus()); });
    if (!posted) End(ServerBusy());
  }
  void OnCancel() override { cancelled_ = true; }
  void OnDone() override { delete this; }

 private:
  void Add() {
    const absl::Status status = CatchAll([&] { return builder_->Add(message_); });
    if (!status.ok() || builder_->complete()) return End(status);
    Read();
  }

  void Read() {
    stall_guard_.BeginWait();
    StartRead(&message_);
  }

  absl::Status Gone() const {
    if (!stall_guard_.stalled()) return absl::CancelledError("the client went away");
    return MakeError(absl::StatusCode::kCancelled, "STREAM_STALLED",
                     absl::StrCat("the client sent nothing for ", stall_seconds_,
                                  " seconds (--limit-stalled-upload-seconds)"));
  }

  void End(absl::Status status) {
    if (status.ok()) {
      status = CatchAll([&]() -> absl::Status {
        if (cancelled_ || stall_guard_.stalled()) return Gone();
        HOMOLOG_ASSIGN_OR_RETURN(*response_, builder_->Finish());
        return absl::OkStatus();
      });
    }
    builder_.reset();  // an upload that failed is gone before the client hears of it
    slot_.Release();
    stall_guard_.Stop();
    Finish(call_.End(status));
  }

  std::unique_ptr<DatasetBuilder> builder_;
  RequestPool* const pool_;
  const Call call_;
  StreamSlots::Slot slot_;
  v1::Dataset* const response_;
  v1::CreateDatasetRequest message_;
  std::atomic<bool> cancelled_ = false;
  const int64_t stall_seconds_;
  StallGuard stall_guard_;
};

absl::StatusOr<v1::ListDatasetsResponse> List(const store::Store& store, const Limits& limits,
                                              const v1::ListDatasetsRequest& request) {
  HOMOLOG_ASSIGN_OR_RETURN(const int page_size,
                           results::CheckPageSize(request.page_size(), 100, limits.page_size));
  HOMOLOG_ASSIGN_OR_RETURN(const store::Page page,
                           store.ListDatasets(page_size, request.page_token()));
  v1::ListDatasetsResponse response;
  for (const store::Record& record : page.records) {
    if (!response.add_datasets()->ParseFromString(record.bytes)) {
      return DataLoss("DAMAGED_DATASET", absl::StrCat("the manifest of datasets/", record.id,
                                                      " cannot be read; delete the data set"));
    }
  }
  response.set_next_page_token(page.next_page_token);
  return response;
}

}  // namespace

DatasetService::DatasetService(checkpoints::Registry* registry,
                               datasets::TokenizerCache* tokenizers, store::Store* store,
                               const Limits& limits, RequestPool* quick, RequestPool* slow,
                               const Entrance& entrance)
    : registry_(registry),
      tokenizers_(tokenizers),
      store_(store),
      limits_(limits),
      quick_(quick),
      slow_(slow),
      uploads_("uploads", limits.uploads, limits.uploads_per_client),
      create_(MakeMethod(entrance, "DatasetService/CreateDataset", Role::kAnalyst)),
      list_(MakeMethod(entrance, "DatasetService/ListDatasets", Role::kViewer)),
      get_(MakeMethod(entrance, "DatasetService/GetDataset", Role::kViewer)),
      delete_(MakeMethod(entrance, "DatasetService/DeleteDataset", Role::kAnalyst)) {}

grpc::ServerReadReactor<v1::CreateDatasetRequest>* DatasetService::CreateDataset(
    grpc::CallbackServerContext* context, v1::Dataset* response) {
  using Ended = EndedStream<grpc::ServerReadReactor<v1::CreateDatasetRequest>>;
  absl::StatusOr<Call> call = Call::Begin(context, create_);
  if (!call.ok()) return new Ended(ToGrpcStatus(call.status()));
  absl::StatusOr<StreamSlots::Slot> slot = uploads_.Take(call->caller().name);
  if (!slot.ok()) return new Ended(call->End(slot.status()));
  return new UploadReactor(registry_, tokenizers_, store_, limits_, slow_, context,
                           *std::move(call), *std::move(slot), response);
}

grpc::ServerUnaryReactor* DatasetService::ListDatasets(grpc::CallbackServerContext* context,
                                                       const v1::ListDatasetsRequest* request,
                                                       v1::ListDatasetsResponse* response) {
  return RunUnary(context, *quick_, list_, response,
                  [this, request] { return List(*store_, limits_, *request); });
}

grpc::ServerUnaryReactor* DatasetService::GetDataset(grpc::CallbackServerContext* context,
                                                     const v1::GetDatasetRequest* request,
                                                     v1::Dataset* response) {
  return RunUnary(context, *quick_, get_, response,
                  [this, request] { return operations::ReadDataset(*store_, request->name()); });
}

grpc::ServerUnaryReactor* DatasetService::DeleteDataset(grpc::CallbackServerContext* context,
                                                        const v1::DeleteDatasetRequest* request,
                                                        google::protobuf::Empty* response) {
  return RunUnary(context, *quick_, delete_, response,
                  [this, request]() -> absl::StatusOr<google::protobuf::Empty> {
                    HOMOLOG_ASSIGN_OR_RETURN(const std::string id,
                                             ParseName(kDatasets, request->name()));
                    HOMOLOG_RETURN_IF_ERROR(store_->DeleteDataset(id));
                    return google::protobuf::Empty();
                  });
}

}  // namespace homolog::rpc
