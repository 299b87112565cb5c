#include "server/rpc/analysis_service.h"

#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "common/resource_names.h"
#include "server/operations/ablation_job.h"
#include "server/operations/correlation_job.h"
#include "server/operations/exciting_positions.h"
#include "server/operations/study_job.h"
#include "server/results/families.h"
#include "server/results/neuron_query.h"
#include "server/results/neuron_table.h"
#include "server/results/paging.h"
#include "server/results/result_codec.h"
#include "server/results/studies.h"
#include "server/rpc/activations_reactor.h"

namespace homolog::rpc {
namespace {

// One page of stored manifests; `add` makes room for one in the response.
template <typename Response, typename Request, typename Add>
absl::StatusOr<Response> ListManifests(const store::Store& store, std::string_view kind,
                                       const Limits& limits, const Request& request, Add add) {
  HOMOLOG_ASSIGN_OR_RETURN(const int page_size,
                           results::CheckPageSize(request.page_size(), 100, limits.page_size));
  HOMOLOG_ASSIGN_OR_RETURN(store::Page page,
                           store.ListResults(kind, page_size, request.page_token()));
  // An ablation of explicit neurons names each of them.
  if (const int fitting = results::FittingRecords(page);
      fitting < static_cast<int>(page.records.size())) {
    HOMOLOG_ASSIGN_OR_RETURN(page, store.ListResults(kind, fitting, request.page_token()));
  }
  Response response;
  for (const store::Record& record : page.records) {
    if (!add(response)->ParseFromString(record.bytes)) {
      return DataLoss(
          "DAMAGED_RESULT",
          absl::StrCat("the manifest of ", FormatName(kind, record.id), " cannot be read"));
    }
  }
  response.set_next_page_token(page.next_page_token);
  return response;
}

// Whether a result is there, whole.
bool IsStored(const store::Store& store, std::string_view kind, const std::string& name) {
  if (kind == operations::kStudyKind) return results::ReadCompleteStudy(store, name).ok();
  if (kind == operations::kAblationKind) {
    const absl::StatusOr<std::string> id = ParseName(kAblations, name);
    return id.ok() && results::ReadAblation(store, *id).ok();
  }
  const absl::StatusOr<std::string> id = ParseName(kCorrelations, name);
  return id.ok() && results::ReadComplete(store, *id).ok();
}

bool AreStored(const store::Store& store, const operations::Job& job) {
  return IsStored(store, job.kind, job.result) &&
         std::all_of(job.results.begin(), job.results.end(),
                     [&](const std::string& name) { return IsStored(store, job.kind, name); });
}

}  // namespace

AnalysisService::AnalysisService(operations::AnalysisContext context,
                                 operations::OperationManager* manager,
                                 operations::DeviceWorker* worker, RequestPool* quick,
                                 RequestPool* slow, const Entrance& entrance)
    : context_(context),
      manager_(manager),
      worker_(worker),
      quick_(quick),
      slow_(slow),
      metrics_(entrance.metrics),
      extractions_("ExtractActivations streams", context_.limits.activation_streams,
                   context_.limits.activation_streams_per_client),
      extract_(MakeMethod(entrance, "AnalysisService/ExtractActivations", Role::kAnalyst)),
      compute_(MakeMethod(entrance, "AnalysisService/ComputeCorrelations", Role::kAnalyst)),
      get_correlation_(MakeMethod(entrance, "AnalysisService/GetCorrelation", Role::kViewer)),
      list_correlations_(MakeMethod(entrance, "AnalysisService/ListCorrelations", Role::kViewer)),
      query_(MakeMethod(entrance, "AnalysisService/QueryUniversalNeurons", Role::kViewer)),
      get_neuron_(MakeMethod(entrance, "AnalysisService/GetNeuron", Role::kViewer)),
      get_neuron_table_(MakeMethod(entrance, "AnalysisService/GetNeuronTable", Role::kViewer)),
      run_ablation_(MakeMethod(entrance, "AnalysisService/RunAblation", Role::kAnalyst)),
      get_ablation_(MakeMethod(entrance, "AnalysisService/GetAblation", Role::kViewer)),
      list_ablations_(MakeMethod(entrance, "AnalysisService/ListAblations", Role::kViewer)),
      run_study_(MakeMethod(entrance, "AnalysisService/RunStudy", Role::kAnalyst)),
      get_study_(MakeMethod(entrance, "AnalysisService/GetStudy", Role::kViewer)),
      list_studies_(MakeMethod(entrance, "AnalysisService/ListStudies", Role::kViewer)),
      get_persistence_(MakeMethod(entrance, "AnalysisService/GetPersistence", Role::kViewer)),
      get_lineage_(MakeMethod(entrance, "AnalysisService/GetLineage", Role::kViewer)),
      get_family_set_(MakeMethod(entrance, "AnalysisService/GetFamilySet", Role::kViewer)),
      list_families_(MakeMethod(entrance, "AnalysisService/ListFamilies", Role::kViewer)) {}

template <typename Request>
absl::StatusOr<v1::Operation> AnalysisService::Operate(
    const Caller& caller, std::string_view kind, Request request,
    absl::StatusOr<operations::Job> (*prepare)(const operations::AnalysisContext& context,
                                               const Request& request)) {
  const operations::Requester requester{caller.name, request.request_id()};
  request.clear_request_id();  // no part of the question
  HOMOLOG_ASSIGN_OR_RETURN(
      std::optional<v1::Operation> known,
      manager_->FindRequest(requester, std::string(kind), request.SerializeAsString()));
  if (known) return *std::move(known);
  HOMOLOG_ASSIGN_OR_RETURN(operations::Job job, prepare(context_, request));
  return SubmitOrAnswer(std::move(job), requester);
}

absl::StatusOr<v1::Operation> AnalysisService::SubmitOrAnswer(
    operations::Job job, const operations::Requester& requester) {
  if (AreStored(*context_.store, job)) {
    metrics_->store_hits.Increment();
    return manager_->Finished(job, requester);
  }
  metrics_->store_misses.Increment();
  return manager_->Submit(std::move(job), requester);
}

grpc::ServerWriteReactor<v1::ExtractActivationsResponse>* AnalysisService::ExtractActivations(
    grpc::CallbackServerContext* context, const v1::ExtractActivationsRequest* request) {
  using Ended = EndedStream<grpc::ServerWriteReactor<v1::ExtractActivationsResponse>>;
  absl::StatusOr<Call> call = Call::Begin(context, extract_);
  if (!call.ok()) return new Ended(ToGrpcStatus(call.status()));
  absl::StatusOr<StreamSlots::Slot> slot = extractions_.Take(call->caller().name);
  if (!slot.ok()) return new Ended(call->End(slot.status()));
  return NewActivationsReactor(context_, worker_, slow_, context, *std::move(call),
                               *std::move(slot), *request,
                               [this](int64_t tokens) { metrics_->tokens.Increment(tokens); });
}

grpc::ServerUnaryReactor* AnalysisService::ComputeCorrelations(
    grpc::CallbackServerContext* context, const v1::ComputeCorrelationsRequest* request,
    v1::Operation* response) {
  return RunUnary(context, *slow_, compute_, response, [this, request](const Caller& caller) {
    return Operate(caller, operations::kCorrelationKind, *request, operations::PrepareCorrelation);
  });
}

grpc::ServerUnaryReactor* AnalysisService::GetCorrelation(grpc::CallbackServerContext* context,
                                                          const v1::GetCorrelationRequest* request,
                                                          v1::Correlation* response) {
  return RunUnary(context, *quick_, get_correlation_, response,
                  [this, request]() -> absl::StatusOr<v1::Correlation> {
                    HOMOLOG_ASSIGN_OR_RETURN(const std::string id,
                                             ParseName(kCorrelations, request->name()));
                    return results::ReadCorrelation(*context_.store, id);
                  });
}

grpc::ServerUnaryReactor* AnalysisService::ListCorrelations(
    grpc::CallbackServerContext* context, const v1::ListCorrelationsRequest* request,
    v1::ListCorrelationsResponse* response) {
  return RunUnary(context, *quick_, list_correlations_, response, [this, request] {
    return ListManifests<v1::ListCorrelationsResponse>(
        *context_.store, kCorrelations, context_.limits, *request,
        [](v1::ListCorrelationsResponse& page) { return page.add_correlations(); });
  });
}

grpc::ServerUnaryReactor* AnalysisService::QueryUniversalNeurons(
    grpc::CallbackServerContext* context, const v1::QueryUniversalNeuronsRequest* request,
    v1::QueryUniversalNeuronsResponse* response) {
  return RunUnary(context, *quick_, query_, response, [this, request] {
    return results::QueryNeurons(*context_.store, *request, context_.limits);
  });
}

grpc::ServerUnaryReactor* AnalysisService::GetNeuron(grpc::CallbackServerContext* context,
                                                     const v1::GetNeuronRequest* request,
                                                     v1::NeuronDetail* response) {
  return RunUnary(context, *slow_, get_neuron_, response,
                  [this, request] { return operations::DescribeNeuron(context_, *request); });
}

grpc::ServerUnaryReactor* AnalysisService::GetNeuronTable(grpc::CallbackServerContext* context,
                                                          const v1::GetNeuronTableRequest* request,
                                                          v1::GetNeuronTableResponse* response) {
  return RunUnary(context, *quick_, get_neuron_table_, response,
                  [this, request] { return results::GetNeuronTable(*context_.store, *request); });
}

grpc::ServerUnaryReactor* AnalysisService::RunAblation(grpc::CallbackServerContext* context,
                                                       const v1::RunAblationRequest* request,
                                                       v1::Operation* response) {
  return RunUnary(context, *slow_, run_ablation_, response, [this, request](const Caller& caller) {
    return Operate(caller, operations::kAblationKind, *request, operations::PrepareAblation);
  });
}

grpc::ServerUnaryReactor* AnalysisService::GetAblation(grpc::CallbackServerContext* context,
                                                       const v1::GetAblationRequest* request,
                                                       v1::Ablation* response) {
  return RunUnary(
      context, *quick_, get_ablation_, response, [this, request]() -> absl::StatusOr<v1::Ablation> {
        HOMOLOG_ASSIGN_OR_RETURN(const std::string id, ParseName(kAblations, request->name()));
        return results::ReadAblation(*context_.store, id);
      });
}

grpc::ServerUnaryReactor* AnalysisService::ListAblations(grpc::CallbackServerContext* context,
                                                         const v1::ListAblationsRequest* request,
                                                         v1::ListAblationsResponse* response) {
  return RunUnary(context, *quick_, list_ablations_, response, [this, request] {
    return ListManifests<v1::ListAblationsResponse>(
        *context_.store, kAblations, context_.limits, *request,
        [](v1::ListAblationsResponse& page) { return page.add_ablations(); });
  });
}

grpc::ServerUnaryReactor* AnalysisService::RunStudy(grpc::CallbackServerContext* context,
                                                    const v1::RunStudyRequest* request,
                                                    v1::Operation* response) {
  return RunUnary(context, *slow_, run_study_, response, [this, request](const Caller& caller) {
    return Operate(caller, operations::kStudyKind, *request, operations::PrepareStudy);
  });
}

grpc::ServerUnaryReactor* AnalysisService::GetStudy(grpc::CallbackServerContext* context,
                                                    const v1::GetStudyRequest* request,
                                                    v1::Study* response) {
  return RunUnary(context, *quick_, get_study_, response,
                  [this, request] { return results::ReadStudy(*context_.store, request->name()); });
}

grpc::ServerUnaryReactor* AnalysisService::ListStudies(grpc::CallbackServerContext* context,
                                                       const v1::ListStudiesRequest* request,
                                                       v1::ListStudiesResponse* response) {
  return RunUnary(context, *quick_, list_studies_, response,
                  [this, request]() -> absl::StatusOr<v1::ListStudiesResponse> {
                    HOMOLOG_ASSIGN_OR_RETURN(
                        v1::ListStudiesResponse page,
                        ListManifests<v1::ListStudiesResponse>(
                            *context_.store, kStudies, context_.limits, *request,
                            [](v1::ListStudiesResponse& all) { return all.add_studies(); }));
                    for (v1::Study& study : *page.mutable_studies()) results::Abridge(study);
                    return page;
                  });
}

grpc::ServerUnaryReactor* AnalysisService::GetPersistence(grpc::CallbackServerContext* context,
                                                          const v1::GetPersistenceRequest* request,
                                                          v1::Persistence* response) {
  return RunUnary(context, *quick_, get_persistence_, response,
                  [this, request] { return results::GetPersistence(*context_.store, *request); });
}

grpc::ServerUnaryReactor* AnalysisService::GetLineage(grpc::CallbackServerContext* context,
                                                      const v1::GetLineageRequest* request,
                                                      v1::Lineage* response) {
  return RunUnary(context, *quick_, get_lineage_, response,
                  [this, request] { return results::GetLineage(*context_.store, *request); });
}

grpc::ServerUnaryReactor* AnalysisService::GetFamilySet(grpc::CallbackServerContext* context,
                                                        const v1::GetFamilySetRequest* request,
                                                        v1::FamilySet* response) {
  return RunUnary(context, *quick_, get_family_set_, response, [this, request] {
    return results::ReadFamilySet(*context_.store, request->name());
  });
}

grpc::ServerUnaryReactor* AnalysisService::ListFamilies(grpc::CallbackServerContext* context,
                                                        const v1::ListFamiliesRequest* request,
                                                        v1::ListFamiliesResponse* response) {
  return RunUnary(context, *quick_, list_families_, response, [this, request] {
    return results::ListFamilies(*context_.store, *request, context_.limits);
  });
}

}  // namespace homolog::rpc
