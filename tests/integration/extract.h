// The activations of a checkpoint as a client gets them.
#ifndef HOMOLOG_TESTS_INTEGRATION_EXTRACT_H_
#define HOMOLOG_TESTS_INTEGRATION_EXTRACT_H_

#include <cstring>
#include <map>
#include <vector>

#include "common/digest.h"
#include "tests/integration/server_fixture.h"

namespace homolog::testing {

struct Extracted {
  v1::ActivationsHeader header;
  std::map<int, std::string> layers;  // packed [position, neuron] by layer
  absl::Status status;
};

// Reads the whole stream and checks that every chunk is intact, in order and without gaps.
inline Extracted Extract(v1::AnalysisService::Stub& stub,
                         const v1::ExtractActivationsRequest& request) {
  Extracted extracted;
  grpc::ClientContext context;
  auto reader = stub.ExtractActivations(&context, request);
  v1::ExtractActivationsResponse message;
  std::map<int, int64_t> rows;
  while (reader->Read(&message)) {
    if (message.has_header()) extracted.header = message.header();
    if (!message.has_chunk()) continue;
    const v1::ActivationsChunk& chunk = message.chunk();
    EXPECT_EQ(chunk.crc32c(), Crc32c(chunk.data()));
    EXPECT_LE(chunk.data().size(), size_t{1} << 20);
    EXPECT_EQ(chunk.first_position(), rows[chunk.layer()]);
    rows[chunk.layer()] += chunk.positions();
    extracted.layers[chunk.layer()] += chunk.data();
  }
  extracted.status = FromWire(reader->Finish());
  for (const auto& [layer, count] : rows) EXPECT_EQ(count, extracted.header.positions());
  return extracted;
}

// Packed float32 as numbers.
inline std::vector<float> Floats(const std::string& packed) {
  std::vector<float> values(packed.size() / sizeof(float));
  std::memcpy(values.data(), packed.data(), packed.size());
  return values;
}

}  // namespace homolog::testing

#endif  // HOMOLOG_TESTS_INTEGRATION_EXTRACT_H_
