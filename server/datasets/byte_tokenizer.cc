#include "absl/strings/str_cat.h"
#include "common/digest.h"
#include "common/error.h"
#include "server/datasets/tokenizer.h"

namespace homolog::datasets {
namespace {

constexpr int64_t kByteVocabulary = 256;

class ByteEncoder : public Encoder {
 public:
  absl::Status Encode(std::string_view text, std::vector<int32_t>& ids) override {
    for (const char c : text) ids.push_back(static_cast<unsigned char>(c));
    return absl::OkStatus();
  }

  absl::Status Finish(std::vector<int32_t>&) override { return absl::OkStatus(); }
};

class ByteTokenizer : public Tokenizer {
 public:
  std::unique_ptr<Encoder> NewEncoder() const override { return std::make_unique<ByteEncoder>(); }

  absl::StatusOr<std::string> Decode(const std::vector<int32_t>& ids) const override {
    std::string text;
    text.reserve(ids.size());
    for (const int32_t id : ids) {
      if (id < 0 || id >= kByteVocabulary) {
        return MakeError(absl::StatusCode::kOutOfRange, "TOKEN_OUT_OF_RANGE",
                         absl::StrCat("token id ", id, " has no text; ids of bytes are 0 to ",
                                      kByteVocabulary - 1),
                         {{"token", absl::StrCat(id)}});
      }
      text.push_back(static_cast<char>(id));
    }
    return text;
  }

  int64_t vocabulary_size() const override { return kByteVocabulary; }
  std::string digest() const override { return digest_; }
  std::string kind() const override { return "bytes"; }
  std::optional<int32_t> end_of_text() const override { return '\n'; }

 private:
  // The rule has no parameters; its name identifies it.
  const std::string digest_ = Sha256Hex("homolog tokenizer: bytes, id = byte value");
};

}  // namespace

std::unique_ptr<Tokenizer> MakeByteTokenizer() { return std::make_unique<ByteTokenizer>(); }

}  // namespace homolog::datasets
