// Activations into a safetensors file.
#ifndef HOMOLOG_CLIENT_CLI_ACTIVATIONS_FILE_H_
#define HOMOLOG_CLIENT_CLI_ACTIVATIONS_FILE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "client/cpp/activations_stream.h"
#include "common/safetensors.h"

namespace homolog::cli {

// Writes one tensor SITE.LAYER of [position, neuron] per layer, as the chunks come, with the
// metadata given and `site`, `layers` and `neurons` (comma-separated indices: which neuron a column
// is). The file appears under its name with Finish.
//
// Thread-safety: one thread at a time.
class ActivationsFile : public client::ActivationsSink {
 public:
  // `on_bytes` hears the bytes written and those in all; anything but OK from it ends the
  // extraction.
  ActivationsFile(std::string path, std::map<std::string, std::string> metadata,
                  std::function<absl::Status(int64_t written, int64_t total)> on_bytes);

  absl::Status Begin(const v1::ActivationsHeader& header) override;
  absl::Status Take(const v1::ActivationsChunk& chunk) override;
  absl::Status Finish();

  // What the file holds, once begun.
  const v1::ActivationsHeader& header() const { return header_; }

 private:
  const std::string path_;
  std::map<std::string, std::string> metadata_;
  const std::function<absl::Status(int64_t, int64_t)> on_bytes_;

  v1::ActivationsHeader header_;
  std::map<int32_t, size_t> tensor_of_layer_;
  std::unique_ptr<SafetensorsWriter> writer_;
  int64_t written_ = 0;
};

}  // namespace homolog::cli

#endif  // HOMOLOG_CLIENT_CLI_ACTIVATIONS_FILE_H_
