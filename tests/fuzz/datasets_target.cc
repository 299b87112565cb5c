#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "server/datasets/byte_level_bpe.h"
#include "server/datasets/token_reader.h"
#include "server/datasets/tokenizer.h"
#include "server/datasets/tokenizer_files.h"
#include "tests/fuzz/check.h"
#include "tests/fuzz/targets.h"

namespace homolog::fuzz {
namespace {

constexpr char kText[] =
    "Hello  world!\n\n It's 42 na\u00efve caf\u00e9s<|endoftext|>e\u0301 \u65e5\u672c\u8a9e   the "
    "the";

std::vector<int32_t> Encode(const datasets::Tokenizer& tokenizer, std::string_view text,
                            size_t piece) {
  std::vector<int32_t> ids;
  // Pieces are looked at as they come, not gathered first.
  datasets::StreamLimits limits;
  if (piece < text.size()) limits.gathered = 1;
  const std::unique_ptr<datasets::Encoder> encoder =
      dynamic_cast<const datasets::ByteLevelBpe&>(tokenizer).NewEncoder(limits);
  for (size_t i = 0; i < text.size(); i += piece) {
    Check(encoder->Encode(text.substr(i, piece), ids).ok());
  }
  Check(encoder->Finish(ids).ok());
  return ids;
}

}  // namespace

void FuzzTokenizerJson(std::string_view bytes) {
  const auto tokenizer = datasets::ParseTokenizerJson(bytes);
  if (!tokenizer.ok()) return CheckMessage(tokenizer.status());
  const std::vector<int32_t> ids = Encode(**tokenizer, kText, sizeof(kText));
  for (const int32_t id : ids) Check(id >= 0 && id < (*tokenizer)->vocabulary_size());
  Check(ids == Encode(**tokenizer, kText, 3));
  Check((*tokenizer)->Decode(ids).ok());
}

void FuzzNpy(std::string_view bytes) {
  constexpr int64_t kVocabulary = 1000;
  const auto reader = datasets::MakeNpyReader(kVocabulary);
  size_t count = 0;
  auto sink = [&](std::span<const int32_t> ids) {
    for (const int32_t id : ids) Check(id >= 0 && id < kVocabulary);
    count += ids.size();
    return absl::OkStatus();
  };
  const size_t piece = bytes.empty() ? 1 : 1 + static_cast<unsigned char>(bytes.back()) % 17;
  absl::Status status;
  for (size_t i = 0; i < bytes.size() && status.ok(); i += piece) {
    status = reader->Feed(bytes.substr(i, piece), sink);
  }
  if (status.ok()) status = reader->Finish(sink);
  if (!status.ok()) CheckMessage(status);
  Check(count <= bytes.size() / 2);
}

}  // namespace homolog::fuzz
