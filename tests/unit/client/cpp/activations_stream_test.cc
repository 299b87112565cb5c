#include "client/cpp/activations_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "common/digest.h"
#include "common/error.h"

namespace homolog::client {
namespace {

using ::testing::HasSubstr;

class Recorder : public ActivationsSink {
 public:
  absl::Status Begin(const v1::ActivationsHeader&) override {
    ++headers;
    return absl::OkStatus();
  }
  absl::Status Take(const v1::ActivationsChunk& chunk) override {
    data += chunk.data();
    return absl::OkStatus();
  }
  int headers = 0;
  std::string data;
};

// Two layers of two neurons, 3 positions, float16: rows of 4 bytes.
v1::ExtractActivationsResponse Header() {
  v1::ExtractActivationsResponse message;
  v1::ActivationsHeader& header = *message.mutable_header();
  header.add_layers(0);
  header.add_layers(2);
  header.add_neurons(5);
  header.add_neurons(9);
  header.set_data_type(v1::DATA_TYPE_FLOAT16);
  header.set_positions(3);
  return message;
}

v1::ExtractActivationsResponse Chunk(int layer, int64_t first, int64_t positions,
                                     const std::string& data) {
  v1::ExtractActivationsResponse message;
  v1::ActivationsChunk& chunk = *message.mutable_chunk();
  chunk.set_layer(layer);
  chunk.set_first_position(first);
  chunk.set_positions(positions);
  chunk.set_data(data);
  chunk.set_crc32c(Crc32c(data));
  return message;
}

absl::Status Feed(const std::vector<v1::ExtractActivationsResponse>& messages, Recorder& recorder) {
  ActivationsStream stream(recorder);
  for (const auto& message : messages) HOMOLOG_RETURN_IF_ERROR(stream.Take(message));
  return stream.End();
}

void ExpectLoss(const std::vector<v1::ExtractActivationsResponse>& messages,
                const std::string& reason, const std::string& why) {
  Recorder recorder;
  const absl::Status status = Feed(messages, recorder);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << why;
  EXPECT_EQ(ErrorReason(status), reason);
  EXPECT_THAT(std::string(status.message()), HasSubstr(why));
}

TEST(ActivationsStreamTest, HandsOnAWholeStreamWithAlternatingLayers) {
  Recorder recorder;
  const absl::Status status = Feed({Header(), Chunk(0, 0, 2, "aaaabbbb"),
                                    Chunk(2, 0, 3, "AAAABBBBCCCC"), Chunk(0, 2, 1, "cccc")},
                                   recorder);
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(recorder.headers, 1);
  EXPECT_EQ(recorder.data, "aaaabbbbAAAABBBBCCCCcccc");
}

TEST(ActivationsStreamTest, RefusesAChunkWithOneBitTurned) {
  auto chunk = Chunk(0, 0, 1, "aaaa");
  (*chunk.mutable_chunk()->mutable_data())[2] ^= 1;
  ExpectLoss({Header(), chunk}, "DAMAGED_CHUNK", "layer 0 from position 0");
}

TEST(ActivationsStreamTest, DoesNotHandOnADamagedChunk) {
  Recorder recorder;
  auto chunk = Chunk(0, 0, 1, "aaaa");
  chunk.mutable_chunk()->set_crc32c(0);
  EXPECT_FALSE(Feed({Header(), chunk}, recorder).ok());
  EXPECT_EQ(recorder.data, "");
}

TEST(ActivationsStreamTest, RefusesAStreamThatEndsEarly) {
  ExpectLoss({}, "BROKEN_STREAM", "no header");
  ExpectLoss({Header(), Chunk(0, 0, 3, "aaaabbbbcccc"), Chunk(2, 0, 1, "AAAA")}, "BROKEN_STREAM",
             "layer 2 ended after 1 of 3 positions");
}

TEST(ActivationsStreamTest, RefusesMessagesOutOfOrder) {
  ExpectLoss({Chunk(0, 0, 1, "aaaa")}, "BROKEN_STREAM", "before the header");
  ExpectLoss({Header(), Header()}, "BROKEN_STREAM", "second header");
  ExpectLoss({Header(), Chunk(0, 1, 1, "bbbb")}, "BROKEN_STREAM", "position 0 of 3");
  ExpectLoss({Header(), Chunk(0, 0, 1, "aaaa"), Chunk(0, 0, 1, "aaaa")}, "BROKEN_STREAM",
             "position 1 of 3");
}

TEST(ActivationsStreamTest, RefusesWhatWasNotAnnounced) {
  ExpectLoss({Header(), Chunk(1, 0, 1, "aaaa")}, "BROKEN_STREAM", "not announced");
  ExpectLoss({Header(), Chunk(0, 0, 4, "aaaabbbbccccdddd")}, "BROKEN_STREAM", "of 4 positions");
  ExpectLoss({Header(), Chunk(0, 0, 0, "")}, "BROKEN_STREAM", "of 0 positions");
}

TEST(ActivationsStreamTest, RefusesBytesThatDoNotFillTheRows) {
  ExpectLoss({Header(), Chunk(0, 0, 1, "aaa")}, "BROKEN_STREAM", "has 3 bytes");
  ExpectLoss({Header(), Chunk(0, 0, 1, "aaaabbbb")}, "BROKEN_STREAM", "has 8 bytes");
}

TEST(ActivationsStreamTest, RefusesAnElementTypeItDoesNotKnow) {
  auto header = Header();
  header.mutable_header()->set_data_type(v1::DATA_TYPE_UNSPECIFIED);
  ExpectLoss({header}, "BROKEN_STREAM", "data type 0");
}

}  // namespace
}  // namespace homolog::client
