#include "server/rpc/store_service.h"

#include <utility>

#include "common/error.h"

namespace homolog::rpc {
namespace {

absl::StatusOr<v1::Store> Describe(const store::Store& store) {
  HOMOLOG_ASSIGN_OR_RETURN(const store::StoreStats stats, store.Stats());
  v1::Store proto;
  proto.set_state(stats.read_only_reason ? v1::STORE_STATE_READ_ONLY : v1::STORE_STATE_SERVING);
  proto.set_reason(stats.read_only_reason.value_or(""));
  proto.set_schema_version(stats.schema_version);
  proto.set_disk_bytes(stats.disk_bytes);
  proto.set_free_bytes(stats.free_bytes);
  for (const auto& [kind, total] : stats.results) {
    v1::StoredResults& results = *proto.add_results();
    results.set_kind(kind);
    results.set_count(total.count);
    results.set_bytes(total.bytes);
  }
  proto.set_result_bytes(stats.result_bytes);
  proto.set_result_budget_bytes(stats.result_budget_bytes);
  proto.set_dataset_count(stats.dataset_count);
  proto.set_dataset_bytes(stats.dataset_bytes);
  proto.set_operation_count(stats.operation_count);
  proto.set_evicted_results(stats.evicted_results);
  proto.set_damaged_results(stats.damaged_results);
  return proto;
}

absl::StatusOr<v1::VerifyStoreResponse> Verify(store::Store& store,
                                               const v1::VerifyStoreRequest& request) {
  HOMOLOG_ASSIGN_OR_RETURN(store::VerifiedPage page, store.Verify(request.page_token()));
  v1::VerifyStoreResponse response;
  response.set_checked_count(page.checked_count);
  response.set_checked_bytes(page.checked_bytes);
  for (store::DamagedResult& damaged : page.damaged) {
    v1::DamagedRecord& record = *response.add_damaged();
    record.set_name(std::move(damaged.name));
    record.set_problem(std::move(damaged.problem));
    record.set_dropped(damaged.dropped);
  }
  response.set_next_page_token(std::move(page.next_page_token));
  return response;
}

}  // namespace

StoreService::StoreService(store::Store* store, RequestPool* slow, const Entrance& entrance)
    : store_(store),
      slow_(slow),
      get_(MakeMethod(entrance, "StoreService/GetStore", Role::kViewer)),
      verify_(MakeMethod(entrance, "StoreService/VerifyStore", Role::kAnalyst)),
      compact_(MakeMethod(entrance, "StoreService/CompactStore", Role::kAnalyst)) {}

grpc::ServerUnaryReactor* StoreService::GetStore(grpc::CallbackServerContext* context,
                                                 const v1::GetStoreRequest* /*request*/,
                                                 v1::Store* response) {
  return RunUnary(context, *slow_, get_, response, [this] { return Describe(*store_); });
}

grpc::ServerUnaryReactor* StoreService::VerifyStore(grpc::CallbackServerContext* context,
                                                    const v1::VerifyStoreRequest* request,
                                                    v1::VerifyStoreResponse* response) {
  return RunUnary(context, *slow_, verify_, response,
                  [this, request] { return Verify(*store_, *request); });
}

grpc::ServerUnaryReactor* StoreService::CompactStore(grpc::CallbackServerContext* context,
                                                     const v1::CompactStoreRequest* /*request*/,
                                                     v1::Store* response) {
  return RunUnary(context, *slow_, compact_, response, [this] { return Compact(); });
}

absl::StatusOr<v1::Store> StoreService::Compact() {
  if (compacting_.exchange(true)) {
    return FailedPrecondition("COMPACTION_RUNNING",
                              "another compaction is under way; ask again once it has ended");
  }
  const absl::Status status = store_->Compact();
  compacting_ = false;
  HOMOLOG_RETURN_IF_ERROR(status);
  return Describe(*store_);
}

}  // namespace homolog::rpc
