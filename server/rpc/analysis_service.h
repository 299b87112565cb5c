// AnalysisService: see proto/homolog/v1/analysis_service.proto.
#ifndef HOMOLOG_SERVER_RPC_ANALYSIS_SERVICE_H_
#define HOMOLOG_SERVER_RPC_ANALYSIS_SERVICE_H_

#include "homolog/v1/analysis_service.grpc.pb.h"
#include "server/operations/analysis_inputs.h"
#include "server/operations/operation_manager.h"
#include "server/rpc/call.h"
#include "server/rpc/stream_slots.h"

namespace homolog::rpc {

class AnalysisService : public v1::AnalysisService::CallbackService {
 public:
  // All outlive the service. `slow` runs what may hash weights or read a
  // tokenizer.
  AnalysisService(operations::AnalysisContext context, operations::OperationManager* manager,
                  operations::DeviceWorker* worker, RequestPool* quick, RequestPool* slow,
                  const Entrance& entrance);

  grpc::ServerWriteReactor<v1::ExtractActivationsResponse>* ExtractActivations(
      grpc::CallbackServerContext* context, const v1::ExtractActivationsRequest* request) override;
  grpc::ServerUnaryReactor* ComputeCorrelations(grpc::CallbackServerContext* context,
                                                const v1::ComputeCorrelationsRequest* request,
                                                v1::Operation* response) override;
  grpc::ServerUnaryReactor* GetCorrelation(grpc::CallbackServerContext* context,
                                           const v1::GetCorrelationRequest* request,
                                           v1::Correlation* response) override;
  grpc::ServerUnaryReactor* ListCorrelations(grpc::CallbackServerContext* context,
                                             const v1::ListCorrelationsRequest* request,
                                             v1::ListCorrelationsResponse* response) override;
  grpc::ServerUnaryReactor* QueryUniversalNeurons(
      grpc::CallbackServerContext* context, const v1::QueryUniversalNeuronsRequest* request,
      v1::QueryUniversalNeuronsResponse* response) override;
  grpc::ServerUnaryReactor* GetNeuron(grpc::CallbackServerContext* context,
                                      const v1::GetNeuronRequest* request,
                                      v1::NeuronDetail* response) override;
  grpc::ServerUnaryReactor* GetNeuronTable(grpc::CallbackServerContext* context,
                                           const v1::GetNeuronTableRequest* request,
                                           v1::GetNeuronTableResponse* response) override;
  grpc::ServerUnaryReactor* RunAblation(grpc::CallbackServerContext* context,
                                        const v1::RunAblationRequest* request,
                                        v1::Operation* response) override;
  grpc::ServerUnaryReactor* GetAblation(grpc::CallbackServerContext* context,
                                        const v1::GetAblationRequest* request,
                                        v1::Ablation* response) override;
  grpc::ServerUnaryReactor* ListAblations(grpc::CallbackServerContext* context,
                                          const v1::ListAblationsRequest* request,
                                          v1::ListAblationsResponse* response) override;
  grpc::ServerUnaryReactor* RunStudy(grpc::CallbackServerContext* context,
                                     const v1::RunStudyRequest* request,
                                     v1::Operation* response) override;
  grpc::ServerUnaryReactor* GetStudy(grpc::CallbackServerContext* context,
                                     const v1::GetStudyRequest* request,
                                     v1::Study* response) override;
  grpc::ServerUnaryReactor* ListStudies(grpc::CallbackServerContext* context,
                                        const v1::ListStudiesRequest* request,
                                        v1::ListStudiesResponse* response) override;
  grpc::ServerUnaryReactor* GetPersistence(grpc::CallbackServerContext* context,
                                           const v1::GetPersistenceRequest* request,
                                           v1::Persistence* response) override;
  grpc::ServerUnaryReactor* GetLineage(grpc::CallbackServerContext* context,
                                       const v1::GetLineageRequest* request,
                                       v1::Lineage* response) override;
  grpc::ServerUnaryReactor* GetFamilySet(grpc::CallbackServerContext* context,
                                         const v1::GetFamilySetRequest* request,
                                         v1::FamilySet* response) override;
  grpc::ServerUnaryReactor* ListFamilies(grpc::CallbackServerContext* context,
                                         const v1::ListFamiliesRequest* request,
                                         v1::ListFamiliesResponse* response) override;

 private:
  // The operation that the request led to before, where it has an id that is known; else prepares
  // its job, and answers from the store where the result is there, or queues it.
  template <typename Request>
  absl::StatusOr<v1::Operation> Operate(
      const Caller& caller, std::string_view kind, Request request,
      absl::StatusOr<operations::Job> (*prepare)(const operations::AnalysisContext& context,
                                                 const Request& request));
  absl::StatusOr<v1::Operation> SubmitOrAnswer(operations::Job job,
                                               const operations::Requester& requester);

  const operations::AnalysisContext context_;
  operations::OperationManager* const manager_;
  operations::DeviceWorker* const worker_;
  RequestPool* const quick_;
  RequestPool* const slow_;
  metrics::Metrics* const metrics_;
  StreamSlots extractions_;
  const Method extract_, compute_, get_correlation_, list_correlations_, query_, get_neuron_,
      get_neuron_table_, run_ablation_, get_ablation_, list_ablations_, run_study_, get_study_,
      list_studies_, get_persistence_, get_lineage_, get_family_set_, list_families_;
};

}  // namespace homolog::rpc

#endif  // HOMOLOG_SERVER_RPC_ANALYSIS_SERVICE_H_
