#include "server/app/limits_flags.h"

#include <cstdint>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/error.h"
#include "server/app/config.h"

ABSL_FLAG(std::string, limit_message_bytes, "8MiB",
          "Bytes of one message of gRPC, either way, 5MiB to 1GiB.");
ABSL_FLAG(int64_t, limit_page_size, homolog::Limits().page_size, "Items of a page, 1 to 10000.");
ABSL_FLAG(int64_t, limit_neuron_page_size, homolog::Limits().neuron_page_size,
          "Neurons of a page of QueryUniversalNeurons, 1 to 100000.");
ABSL_FLAG(std::string, limit_upload_bytes, "64GiB",
          "Bytes of an upload: as sent, decompressed, and of its tokens, 1B to 1024TiB.");
ABSL_FLAG(int64_t, limit_sequence_length, homolog::Limits().sequence_length,
          "Tokens of a sequence of a data set, 2 to 16777216.");
ABSL_FLAG(int64_t, limit_partners, homolog::Limits().partners,
          "Partners of a correlation, 1 to 1024.");
ABSL_FLAG(int64_t, limit_rotations, homolog::Limits().rotations,
          "Rotations of a baseline, 1 to 1000000.");
ABSL_FLAG(int64_t, limit_excluded_token_ids, homolog::Limits().excluded_token_ids,
          "Token ids that a correlation leaves out, 0 to 16777216.");
ABSL_FLAG(int64_t, limit_sets, homolog::Limits().sets,
          "Sets of neurons of an ablation, 1 to 100000.");
ABSL_FLAG(int64_t, limit_results, homolog::Limits().results,
          "Results of an ablation, 1 to 100000.");
ABSL_FLAG(int64_t, limit_draws, homolog::Limits().draws,
          "Draws of one random set of neurons, 5 to 100000.");
ABSL_FLAG(int64_t, limit_draws_in_all, homolog::Limits().draws_in_all,
          "Draws of all random sets of an ablation, 1 to 1000000.");
ABSL_FLAG(int64_t, limit_study_models, homolog::Limits().study_models,
          "Models of a study, 2 to 1024.");
ABSL_FLAG(int64_t, limit_study_steps, homolog::Limits().study_steps,
          "Training steps of a study, 1 to 100000.");
ABSL_FLAG(int64_t, limit_study_checkpoints, homolog::Limits().study_checkpoints,
          "Models times steps of a study, 2 to 100000.");
ABSL_FLAG(int64_t, limit_study_thresholds, homolog::Limits().study_thresholds,
          "Thresholds of a study, 3 to 1000.");
ABSL_FLAG(int64_t, limit_study_classifications, homolog::Limits().study_classifications,
          "Checkpoints times thresholds of a study, 6 to 100000.");
ABSL_FLAG(int64_t, limit_connection_streams, homolog::Limits().connection_streams,
          "Calls at once of one connection, 1 to 1000000.");
ABSL_FLAG(int64_t, limit_uploads, homolog::Limits().uploads,
          "Uploads at once; each may hold 380 MiB, 1 to 10000.");
ABSL_FLAG(int64_t, limit_uploads_per_client, homolog::Limits().uploads_per_client,
          "Uploads at once of one client, 1 to 10000.");
ABSL_FLAG(int64_t, limit_activation_streams, homolog::Limits().activation_streams,
          "ExtractActivations at once, 1 to 10000.");
ABSL_FLAG(int64_t, limit_activation_streams_per_client,
          homolog::Limits().activation_streams_per_client,
          "ExtractActivations at once of one client, 1 to 10000.");
ABSL_FLAG(int64_t, limit_watchers, homolog::Limits().watchers,
          "WatchOperation and WaitOperation at once, 1 to 1000000.");
ABSL_FLAG(int64_t, limit_watchers_per_client, homolog::Limits().watchers_per_client,
          "WatchOperation and WaitOperation at once of one client, 1 to 1000000.");
ABSL_FLAG(int64_t, limit_stalled_reader_seconds, homolog::Limits().stalled_reader_seconds,
          "Seconds that an ExtractActivations waits for its client to take a message, 1 to 86400.");
ABSL_FLAG(int64_t, limit_stalled_upload_seconds, homolog::Limits().stalled_upload_seconds,
          "Seconds that an upload waits for its client to send a message, 1 to 86400.");
ABSL_FLAG(int64_t, queue_limit, homolog::Limits().queue,
          "Tasks that may wait for the device, 1 to 100000.");
ABSL_FLAG(int64_t, limit_operations_per_client, homolog::Limits().operations_per_client,
          "Operations of one client that have not ended, 1 to 100000.");

namespace homolog::app {
namespace {

// A limit, its flag and the values that it may have. Below the lowest one the server could not
// serve what it sends or assumes by itself; beyond the highest one no request was ever tried.
struct LimitFlag {
  const char* name;
  int64_t Limits::*field;
  absl::Flag<int64_t>* number;     // one of
  absl::Flag<std::string>* bytes;  // these two
  int64_t lowest, highest;
};

const LimitFlag kFlags[] = {
    {"message_bytes", &Limits::message_bytes, nullptr, &FLAGS_limit_message_bytes, 5 << 20,
     1 << 30},
    {"page_size", &Limits::page_size, &FLAGS_limit_page_size, nullptr, 1, 10000},
    {"neuron_page_size", &Limits::neuron_page_size, &FLAGS_limit_neuron_page_size, nullptr, 1,
     100000},
    {"upload_bytes", &Limits::upload_bytes, nullptr, &FLAGS_limit_upload_bytes, 1,
     int64_t{1} << 50},
    {"sequence_length", &Limits::sequence_length, &FLAGS_limit_sequence_length, nullptr, 2,
     1 << 24},
    {"partners", &Limits::partners, &FLAGS_limit_partners, nullptr, 1, 1024},
    {"rotations", &Limits::rotations, &FLAGS_limit_rotations, nullptr, 1, 1000000},
    {"excluded_token_ids", &Limits::excluded_token_ids, &FLAGS_limit_excluded_token_ids, nullptr, 0,
     1 << 24},
    {"sets", &Limits::sets, &FLAGS_limit_sets, nullptr, 1, 100000},
    {"results", &Limits::results, &FLAGS_limit_results, nullptr, 1, 100000},
    {"draws", &Limits::draws, &FLAGS_limit_draws, nullptr, 5, 100000},
    {"draws_in_all", &Limits::draws_in_all, &FLAGS_limit_draws_in_all, nullptr, 1, 1000000},
    {"study_models", &Limits::study_models, &FLAGS_limit_study_models, nullptr, 2, 1024},
    {"study_steps", &Limits::study_steps, &FLAGS_limit_study_steps, nullptr, 1, 100000},
    {"study_checkpoints", &Limits::study_checkpoints, &FLAGS_limit_study_checkpoints, nullptr, 2,
     100000},
    {"study_thresholds", &Limits::study_thresholds, &FLAGS_limit_study_thresholds, nullptr, 3,
     1000},
    {"study_classifications", &Limits::study_classifications, &FLAGS_limit_study_classifications,
     nullptr, 6, 100000},
    {"connection_streams", &Limits::connection_streams, &FLAGS_limit_connection_streams, nullptr, 1,
     1000000},
    {"uploads", &Limits::uploads, &FLAGS_limit_uploads, nullptr, 1, 10000},
    {"uploads_per_client", &Limits::uploads_per_client, &FLAGS_limit_uploads_per_client, nullptr, 1,
     10000},
    {"activation_streams", &Limits::activation_streams, &FLAGS_limit_activation_streams, nullptr, 1,
     10000},
    {"activation_streams_per_client", &Limits::activation_streams_per_client,
     &FLAGS_limit_activation_streams_per_client, nullptr, 1, 10000},
    {"watchers", &Limits::watchers, &FLAGS_limit_watchers, nullptr, 1, 1000000},
    {"watchers_per_client", &Limits::watchers_per_client, &FLAGS_limit_watchers_per_client, nullptr,
     1, 1000000},
    {"stalled_reader_seconds", &Limits::stalled_reader_seconds, &FLAGS_limit_stalled_reader_seconds,
     nullptr, 1, 86400},
    {"stalled_upload_seconds", &Limits::stalled_upload_seconds, &FLAGS_limit_stalled_upload_seconds,
     nullptr, 1, 86400},
    {"queue", &Limits::queue, &FLAGS_queue_limit, nullptr, 1, 100000},
    {"operations_per_client", &Limits::operations_per_client, &FLAGS_limit_operations_per_client,
     nullptr, 1, 100000},
};

std::string FlagName(const LimitFlag& flag) {
  const absl::string_view name = flag.number != nullptr ? flag.number->Name() : flag.bytes->Name();
  return absl::StrReplaceAll(name, {{"_", "-"}});
}

absl::StatusOr<int64_t> ValueOf(const LimitFlag& flag) {
  if (flag.number != nullptr) return absl::GetFlag(*flag.number);
  return ParseBytes(FlagName(flag), absl::GetFlag(*flag.bytes));
}

}  // namespace

absl::StatusOr<Limits> ReadLimits() {
  Limits limits;
  for (const LimitFlag& flag : kFlags) {
    HOMOLOG_ASSIGN_OR_RETURN(limits.*flag.field, ValueOf(flag));
    HOMOLOG_RETURN_IF_ERROR(
        CheckRange(FlagName(flag), limits.*flag.field, flag.lowest, flag.highest));
  }
  return limits;
}

std::string FlagOfLimit(const std::string& name) {
  for (const LimitFlag& flag : kFlags) {
    if (flag.name == name) return FlagName(flag);
  }
  return "";
}

}  // namespace homolog::app
