#include "client/cpp/activations_stream.h"

#include <string>
#include <string_view>

#include "common/digest.h"
#include "common/error.h"

namespace homolog::client {
namespace {

absl::Status Broken(std::string_view message) { return DataLoss("BROKEN_STREAM", message); }

std::string Describe(const v1::ActivationsChunk& chunk) {
  return "the chunk of layer " + std::to_string(chunk.layer()) + " from position " +
         std::to_string(chunk.first_position());
}

}  // namespace

int64_t ElementSize(v1::DataType type) {
  switch (type) {
    case v1::DATA_TYPE_FLOAT32:
      return 4;
    case v1::DATA_TYPE_FLOAT16:
      return 2;
    default:
      return 0;
  }
}

absl::Status ActivationsStream::Take(const v1::ExtractActivationsResponse& message) {
  switch (message.part_case()) {
    case v1::ExtractActivationsResponse::kHeader:
      return TakeHeader(message.header());
    case v1::ExtractActivationsResponse::kChunk:
      return TakeChunk(message.chunk());
    default:
      // A later server's addition: not for this client.
      return absl::OkStatus();
  }
}

absl::Status ActivationsStream::TakeHeader(const v1::ActivationsHeader& header) {
  if (header_) return Broken("the server sent a second header");
  if (ElementSize(header.data_type()) == 0) {
    return Broken("the server sends elements of data type " +
                  std::to_string(static_cast<int>(header.data_type())) +
                  ", which this client does not know");
  }
  if (header.positions() < 0) {
    return Broken("the server announced " + std::to_string(header.positions()) + " positions");
  }
  for (const int32_t layer : header.layers()) next_position_[layer] = 0;
  header_ = header;
  return sink_.Begin(header);
}

absl::Status ActivationsStream::TakeChunk(const v1::ActivationsChunk& chunk) {
  if (!header_) return Broken("the server sent " + Describe(chunk) + " before the header");
  const auto next = next_position_.find(chunk.layer());
  if (next == next_position_.end()) {
    return Broken("the server sent " + Describe(chunk) + ", which was not announced");
  }
  if (chunk.first_position() != next->second || chunk.positions() < 1 ||
      chunk.positions() > header_->positions() - next->second) {
    return Broken(Describe(chunk) + ", of " + std::to_string(chunk.positions()) +
                  " positions, does not continue at position " + std::to_string(next->second) +
                  " of " + std::to_string(header_->positions()));
  }
  const int64_t row_bytes = header_->neurons_size() * ElementSize(header_->data_type());
  const auto bytes = static_cast<int64_t>(chunk.data().size());
  // Divided, not multiplied: the number of positions is the server's.
  const bool fits = row_bytes == 0
                        ? bytes == 0
                        : bytes % row_bytes == 0 && bytes / row_bytes == chunk.positions();
  if (!fits) {
    return Broken(Describe(chunk) + " has " + std::to_string(bytes) + " bytes, not " +
                  std::to_string(row_bytes) + " for each of its " +
                  std::to_string(chunk.positions()) + " positions");
  }
  if (const uint32_t crc = Crc32c(chunk.data()); crc != chunk.crc32c()) {
    return DataLoss("DAMAGED_CHUNK", Describe(chunk) + " was damaged on the way: its CRC-32C is " +
                                         std::to_string(crc) + ", sent was " +
                                         std::to_string(chunk.crc32c()));
  }
  next->second += chunk.positions();
  return sink_.Take(chunk);
}

absl::Status ActivationsStream::End() const {
  if (!header_) return Broken("the server sent no header");
  for (const auto& [layer, position] : next_position_) {
    if (position == header_->positions()) continue;
    return Broken("layer " + std::to_string(layer) + " ended after " + std::to_string(position) +
                  " of " + std::to_string(header_->positions()) + " positions");
  }
  return absl::OkStatus();
}

}  // namespace homolog::client
