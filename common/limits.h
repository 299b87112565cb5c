// What a client may ask for, all in one place. Flags: server/app/limits_flags.h; for people:
// docs/limits.md.
//
// Thread-safety: a value.
#ifndef HOMOLOG_COMMON_LIMITS_H_
#define HOMOLOG_COMMON_LIMITS_H_

#include <cstdint>

namespace homolog {

// Every field is an int64_t and stands in VisitLimits: a test counts them.
struct Limits {
  // One request.
  int64_t message_bytes = int64_t{8} << 20;  // bytes of a message, either way
  int64_t page_size = 1000;                  // items of a page
  int64_t neuron_page_size = 10000;          // neurons of a page of QueryUniversalNeurons

  // CreateDataset.
  int64_t upload_bytes = int64_t{64} << 30;  // bytes as sent; decompressed; of the tokens, 4 each
  int64_t sequence_length = 65536;           // tokens of a sequence

  // ComputeCorrelations, also of a study.
  int64_t partners = 64;              // checkpoints beside the reference
  int64_t rotations = 1000;           // of the baseline
  int64_t excluded_token_ids = 1000;  // token ids

  // RunAblation.
  int64_t sets = 256;           // sets of neurons
  int64_t results = 1024;       // sets times checkpoints, as families name several of these
  int64_t draws = 100;          // of one random set, also of a study
  int64_t draws_in_all = 1000;  // of all random sets: the neurons of each are held until it runs

  // RunStudy.
  int64_t study_models = 32;             // models
  int64_t study_steps = 256;             // training steps
  int64_t study_checkpoints = 1024;      // models times steps
  int64_t study_thresholds = 16;         // thresholds
  int64_t study_classifications = 4096;  // checkpoints times thresholds: they fit one message

  // Open at the same time.
  int64_t connection_streams = 256;  // calls of one connection
  int64_t uploads = 16;              // CreateDataset: each may hold 380 MiB
  int64_t uploads_per_client = 8;
  int64_t activation_streams = 16;  // ExtractActivations
  int64_t activation_streams_per_client = 8;
  int64_t watchers = 1000;  // WatchOperation and WaitOperation
  int64_t watchers_per_client = 100;

  // How long a stream waits for its client.
  int64_t stalled_reader_seconds = 60;   // ExtractActivations: to take a message
  int64_t stalled_upload_seconds = 600;  // CreateDataset: to send one

  // Operations.
  int64_t queue = 256;                  // tasks that wait for the device
  int64_t operations_per_client = 128;  // that have not ended
};

// Calls visit(name, value) for every limit of `limits`, a Limits or a const one, in their order.
template <typename LimitsOrConst, typename Visit>
void VisitLimits(LimitsOrConst& limits, Visit visit) {
  visit("message_bytes", limits.message_bytes);
  visit("page_size", limits.page_size);
  visit("neuron_page_size", limits.neuron_page_size);
  visit("upload_bytes", limits.upload_bytes);
  visit("sequence_length", limits.sequence_length);
  visit("partners", limits.partners);
  visit("rotations", limits.rotations);
  visit("excluded_token_ids", limits.excluded_token_ids);
  visit("sets", limits.sets);
  visit("results", limits.results);
  visit("draws", limits.draws);
  visit("draws_in_all", limits.draws_in_all);
  visit("study_models", limits.study_models);
  visit("study_steps", limits.study_steps);
  visit("study_checkpoints", limits.study_checkpoints);
  visit("study_thresholds", limits.study_thresholds);
  visit("study_classifications", limits.study_classifications);
  visit("connection_streams", limits.connection_streams);
  visit("uploads", limits.uploads);
  visit("uploads_per_client", limits.uploads_per_client);
  visit("activation_streams", limits.activation_streams);
  visit("activation_streams_per_client", limits.activation_streams_per_client);
  visit("watchers", limits.watchers);
  visit("watchers_per_client", limits.watchers_per_client);
  visit("stalled_reader_seconds", limits.stalled_reader_seconds);
  visit("stalled_upload_seconds", limits.stalled_upload_seconds);
  visit("queue", limits.queue);
  visit("operations_per_client", limits.operations_per_client);
}

// For what was accepted before: no limit refuses it.
inline Limits NoLimits() {
  Limits limits;
  VisitLimits(limits, [](const char*, int64_t& value) { value = int64_t{1} << 40; });
  return limits;
}

}  // namespace homolog

#endif  // HOMOLOG_COMMON_LIMITS_H_
