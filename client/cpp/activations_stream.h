// What ExtractActivations sends, checked.
#ifndef HOMOLOG_CLIENT_CPP_ACTIVATIONS_STREAM_H_
#define HOMOLOG_CLIENT_CPP_ACTIVATIONS_STREAM_H_

#include <cstdint>
#include <map>
#include <optional>

#include "absl/status/status.h"
#include "homolog/v1/activations.pb.h"

namespace homolog::client {

// Takes activations as they come. Anything but OK ends the extraction with that status.
class ActivationsSink {
 public:
  virtual ~ActivationsSink() = default;
  // Once, before every chunk.
  virtual absl::Status Begin(const v1::ActivationsHeader& header) = 0;
  // The checked chunks of a layer come in order, without gaps; layers alternate.
  virtual absl::Status Take(const v1::ActivationsChunk& chunk) = 0;
};

// Bytes of one element; 0 for a type that this client does not know.
int64_t ElementSize(v1::DataType type);

// Checks every message of one extraction against the contract of activations.proto and hands it on.
// What breaks the contract is DATA_LOSS (reasons DAMAGED_CHUNK, BROKEN_STREAM), naming the layer
// and the positions.
//
// Thread-safety: one thread at a time.
class ActivationsStream {
 public:
  explicit ActivationsStream(ActivationsSink& sink) : sink_(sink) {}

  absl::Status Take(const v1::ExtractActivationsResponse& message);
  // After the last message: every row of every layer must have come.
  absl::Status End() const;

 private:
  absl::Status TakeHeader(const v1::ActivationsHeader& header);
  absl::Status TakeChunk(const v1::ActivationsChunk& chunk);

  ActivationsSink& sink_;
  std::optional<v1::ActivationsHeader> header_;
  std::map<int32_t, int64_t> next_position_;  // by layer
};

}  // namespace homolog::client

#endif  // HOMOLOG_CLIENT_CPP_ACTIVATIONS_STREAM_H_
