// Compressed data for tests.
#ifndef HOMOLOG_TESTS_UNIT_SERVER_DATASETS_COMPRESSING_H_
#define HOMOLOG_TESTS_UNIT_SERVER_DATASETS_COMPRESSING_H_

#include <string>
#include <string_view>

namespace homolog::datasets {

// One gzip member.
std::string Gzip(std::string_view bytes);
// One zstd frame with a checksum; `window_log` 0: the level's own.
std::string Zstd(std::string_view bytes, int window_log = 0);
// A zstd frame that decompressors skip.
std::string SkippableFrame(std::string_view bytes);

}  // namespace homolog::datasets

#endif  // HOMOLOG_TESTS_UNIT_SERVER_DATASETS_COMPRESSING_H_
