// Every seed, and every input that ever broke a parser, through its fuzz target.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "tests/fuzz/targets.h"

namespace homolog::fuzz {
namespace {

namespace fs = std::filesystem;

struct Target {
  const char* name;  // of its folder in corpus/
  void (*run)(std::string_view);
};

class CorpusTest : public ::testing::TestWithParam<Target> {
 protected:
  static std::string Bytes(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }
};

TEST_P(CorpusTest, BreaksNothingWholeOrCutShort) {
  const char* data = std::getenv("HOMOLOG_TEST_DATA");
  ASSERT_NE(data, nullptr) << "HOMOLOG_TEST_DATA must be the folder tests";
  int files = 0;
  for (const auto& entry :
       fs::directory_iterator(fs::path(data) / "fuzz/corpus" / GetParam().name)) {
    SCOPED_TRACE(entry.path());
    const std::string bytes = Bytes(entry.path());
    GetParam().run(bytes);
    for (size_t length = 0; length < bytes.size(); length += 1 + bytes.size() / 50) {
      GetParam().run(bytes.substr(0, length));
    }
    ++files;
  }
  EXPECT_GT(files, 0);
}

INSTANTIATE_TEST_SUITE_P(Targets, CorpusTest,
                         ::testing::Values(Target{"safetensors", FuzzSafetensors},
                                           Target{"pickle", FuzzPickle},
                                           Target{"torch_file", FuzzTorchFile},
                                           Target{"tokenizer_json", FuzzTokenizerJson},
                                           Target{"npy", FuzzNpy}),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace homolog::fuzz
