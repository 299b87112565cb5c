// The reactor of ExtractActivations.
#ifndef HOMOLOG_SERVER_RPC_ACTIVATIONS_REACTOR_H_
#define HOMOLOG_SERVER_RPC_ACTIVATIONS_REACTOR_H_

#include <grpcpp/support/server_callback.h>

#include <cstdint>
#include <functional>

#include "homolog/v1/activations.pb.h"
#include "server/operations/analysis_inputs.h"
#include "server/operations/device_worker.h"
#include "server/rpc/call.h"
#include "server/rpc/stream_slots.h"

namespace homolog::rpc {

// Streams the activations that `request` asks for; deletes itself. Each batch is a task of its own
// on the device's worker, posted once the client has taken the batch before: a slow reader holds
// one batch of memory (64 MiB, or one sequence) and no thread, one that takes no message for a
// minute is cut off, and a vanished one frees everything. `on_tokens` counts.
grpc::ServerWriteReactor<v1::ExtractActivationsResponse>* NewActivationsReactor(
    const operations::AnalysisContext& context, operations::DeviceWorker* worker, RequestPool* pool,
    grpc::CallbackServerContext* server_context, Call call, StreamSlots::Slot slot,
    const v1::ExtractActivationsRequest& request, std::function<void(int64_t tokens)> on_tokens);

}  // namespace homolog::rpc

#endif  // HOMOLOG_SERVER_RPC_ACTIVATIONS_REACTOR_H_
