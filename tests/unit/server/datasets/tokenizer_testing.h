// Tokenizers and encoding for tests.
#ifndef HOMOLOG_TESTS_UNIT_SERVER_DATASETS_TOKENIZER_TESTING_H_
#define HOMOLOG_TESTS_UNIT_SERVER_DATASETS_TOKENIZER_TESTING_H_

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/datasets/byte_level_bpe.h"

namespace homolog::datasets {

using Ids = std::vector<int32_t>;

// The text of a file of tests/golden/tokenizer.
std::string Golden(const std::string& name);

// A tokenizer.json whose first 256 ids are the bytes, in order, then "he" 256, "ll" 257, "hell"
// 258, "Ġt" 259, "Ġth" 260. Added tokens have ids from 261 on.
nlohmann::json TinyTokenizerJson();
// `more`: the properties that are true.
nlohmann::json AddedTokenJson(int id, const std::string& content,
                              const std::vector<std::string>& more = {});

// The tokenizer of a valid tokenizer.json.
std::shared_ptr<const ByteLevelBpe> Parse(const nlohmann::json& file);
std::shared_ptr<const ByteLevelBpe> Parse(std::string_view file);

// Limits that make an encoder look for a place to cut after every byte.
StreamLimits LookAlways();

// Ids of a text fed whole, or `piece` bytes at a time.
absl::StatusOr<Ids> Encode(const ByteLevelBpe& tokenizer, std::string_view text,
                           size_t piece = 1 << 30, const StreamLimits& limits = {});

// The text fed whole, byte by byte and in pieces of other sizes gives `ids`.
void ExpectIds(const ByteLevelBpe& tokenizer, std::string_view text, const Ids& ids);

// A few kilobytes of words, white space, marks and anything else, from `seed`.
std::string RandomText(uint32_t seed, size_t characters);

}  // namespace homolog::datasets

#endif  // HOMOLOG_TESTS_UNIT_SERVER_DATASETS_TOKENIZER_TESTING_H_
