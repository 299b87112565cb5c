#include "client/cli/activations_file.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace homolog::cli {
namespace {

namespace fs = std::filesystem;

class ActivationsFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "activations_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    header_.add_layers(0);
    header_.add_layers(2);
    header_.add_neurons(5);
    header_.add_neurons(9);
    header_.set_site(v1::SITE_MLP_POST);
    header_.set_data_type(v1::DATA_TYPE_FLOAT16);
    header_.set_positions(2);
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string Path() const { return folder_ / "out.safetensors"; }
  static v1::ActivationsChunk Chunk(int layer, int64_t first, const std::string& data) {
    v1::ActivationsChunk chunk;
    chunk.set_layer(layer);
    chunk.set_first_position(first);
    chunk.set_data(data);
    return chunk;
  }

  fs::path folder_;
  v1::ActivationsHeader header_;
};

TEST_F(ActivationsFileTest, WritesATensorPerLayerWithItsMetadata) {
  int64_t last = 0;
  ActivationsFile file(Path(), {{"checkpoint", "models/a/checkpoints/1"}},
                       [&last](int64_t written, int64_t total) {
                         last = written;
                         EXPECT_EQ(total, 16);
                         return absl::OkStatus();
                       });
  ASSERT_TRUE(file.Begin(header_).ok());
  ASSERT_TRUE(file.Take(Chunk(0, 0, "aabb")).ok());
  ASSERT_TRUE(file.Take(Chunk(2, 0, "AABBCCDD")).ok());
  ASSERT_TRUE(file.Take(Chunk(0, 1, "ccdd")).ok());
  ASSERT_TRUE(file.Finish().ok());
  EXPECT_EQ(last, 16);

  std::ifstream in(Path(), std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  const auto header = ParseSafetensors(bytes);
  ASSERT_TRUE(header.ok()) << header.status();
  const std::map<std::string, std::string> metadata = {{"checkpoint", "models/a/checkpoints/1"},
                                                       {"site", "mlp_post"},
                                                       {"layers", "0,2"},
                                                       {"neurons", "5,9"}};
  EXPECT_EQ(header->metadata, metadata);
  ASSERT_EQ(header->entries.size(), 2u);
  for (const SafetensorsEntry& entry : header->entries) {
    EXPECT_EQ(entry.dtype, SafetensorsDtype::kF16);
    EXPECT_EQ(entry.shape, (std::vector<int64_t>{2, 2}));
    EXPECT_EQ(bytes.substr(entry.begin, entry.size),
              entry.name == "mlp_post.0" ? "aabbccdd" : "AABBCCDD");
  }
  EXPECT_EQ(header->entries[1].name, "mlp_post.2");
}

TEST_F(ActivationsFileTest, LeavesNothingWhereTheExtractionIsStopped) {
  {
    ActivationsFile file(Path(), {}, [](int64_t, int64_t) { return absl::CancelledError("stop"); });
    ASSERT_TRUE(file.Begin(header_).ok());
    EXPECT_EQ(file.Take(Chunk(0, 0, "aabb")), absl::CancelledError("stop"));
  }
  EXPECT_TRUE(fs::is_empty(folder_));
}

}  // namespace
}  // namespace homolog::cli
