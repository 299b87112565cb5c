#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "common/text.h"
#include "server/datasets/npy_header.h"
#include "server/datasets/token_reader.h"

namespace homolog::datasets {
namespace {

// Elements are copied as they lie in the file.
static_assert(std::endian::native == std::endian::little);

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr size_t kVersionEnd = 8;  // magic, major, minor
constexpr size_t kMaxHeaderSize = 64 * 1024;
constexpr size_t kSlice = 256 * 1024;  // bytes read before their ids are handed on

template <typename T>
int64_t Load(const char* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

int64_t LoadElement(NpyType type, const char* bytes) {
  switch (type) {
    case NpyType::kUint16:
      return Load<uint16_t>(bytes);
    case NpyType::kInt32:
      return Load<int32_t>(bytes);
    case NpyType::kInt64:
      return Load<int64_t>(bytes);
  }
  return -1;
}

class NpyReader : public TokenReader {
 public:
  explicit NpyReader(int64_t vocabulary_size)
      : vocabulary_size_(
            std::min<int64_t>(vocabulary_size, int64_t{std::numeric_limits<int32_t>::max()} + 1)) {}

  absl::Status Feed(std::string_view bytes, TokenSink sink) override {
    for (; failure_.ok() && !bytes.empty(); bytes.remove_prefix(std::min(kSlice, bytes.size()))) {
      failure_ = Read(bytes.substr(0, kSlice), ids_);
      if (failure_.ok() && !ids_.empty()) failure_ = sink(ids_);
      ids_.clear();
    }
    return failure_;
  }

  int64_t documents() const override { return 0; }

  absl::Status Finish(TokenSink) override {
    HOMOLOG_RETURN_IF_ERROR(failure_);
    if (!header_.has_value()) {
      return MalformedNpy(
          absl::StrCat("it ends inside its header, after ", pending_.size(), " bytes"));
    }
    if (elements_read_ == header_->element_count) return absl::OkStatus();
    return MalformedNpy(absl::StrCat("its header promises ", header_->element_count,
                                     " ids, its data end after ", elements_read_));
  }

 private:
  absl::Status Read(std::string_view bytes, std::vector<int32_t>& ids) {
    while (!header_.has_value()) {
      if (!Collect(bytes, header_end_)) return absl::OkStatus();
      HOMOLOG_RETURN_IF_ERROR(ReadHeaderPart());
    }
    return ReadData(bytes, ids);
  }

  // Moves bytes off the front of `bytes` until `pending_` holds `size` of them; whether it does.
  bool Collect(std::string_view& bytes, size_t size) {
    const size_t taken = std::min(size - pending_.size(), bytes.size());
    pending_.append(bytes.substr(0, taken));
    bytes.remove_prefix(taken);
    return pending_.size() == size;
  }

  // The header comes in three parts: magic and version, its length, its text.
  absl::Status ReadHeaderPart() {
    if (header_end_ == kVersionEnd) return ReadVersion();
    if (header_end_ == text_begin_) return ReadLength();
    HOMOLOG_ASSIGN_OR_RETURN(header_,
                             ParseNpyHeader(std::string_view(pending_).substr(text_begin_)));
    pending_.clear();
    return absl::OkStatus();
  }

  absl::Status ReadVersion() {
    const std::string_view magic = std::string_view(pending_).substr(0, kMagic.size());
    if (magic != kMagic) {
      return MalformedNpy(absl::StrCat("it starts with ", Quoted(magic), " rather than ",
                                       Quoted(kMagic), "; numpy.save writes the format"));
    }
    const int major = static_cast<unsigned char>(pending_[6]);
    const int minor = static_cast<unsigned char>(pending_[7]);
    if (major < 1 || major > 3 || minor != 0) {
      return MalformedNpy(absl::StrCat("its format version is ", major, ".", minor,
                                       "; accepted are 1.0, 2.0 and 3.0"));
    }
    text_begin_ = kVersionEnd + (major == 1 ? sizeof(uint16_t) : sizeof(uint32_t));
    header_end_ = text_begin_;
    return absl::OkStatus();
  }

  absl::Status ReadLength() {
    const char* const length = pending_.data() + kVersionEnd;
    const int64_t size = text_begin_ - kVersionEnd == sizeof(uint16_t) ? Load<uint16_t>(length)
                                                                       : Load<uint32_t>(length);
    if (size == 0 || size > static_cast<int64_t>(kMaxHeaderSize)) {
      return MalformedNpy(
          absl::StrCat("its header has ", size, " bytes; accepted are 1 to ", kMaxHeaderSize));
    }
    header_end_ = text_begin_ + size;
    return absl::OkStatus();
  }

  absl::Status ReadData(std::string_view bytes, std::vector<int32_t>& ids) {
    const size_t size = NpyTypeSize(header_->type);
    if (!pending_.empty()) {  // an element cut between two calls
      if (!Collect(bytes, size)) return absl::OkStatus();
      HOMOLOG_RETURN_IF_ERROR(ReadElement(pending_.data(), ids));
      pending_.clear();
    }
    for (; bytes.size() >= size; bytes.remove_prefix(size)) {
      HOMOLOG_RETURN_IF_ERROR(ReadElement(bytes.data(), ids));
    }
    if (!bytes.empty() && elements_read_ == header_->element_count) return TooLong();
    pending_.assign(bytes);
    return absl::OkStatus();
  }

  absl::Status ReadElement(const char* bytes, std::vector<int32_t>& ids) {
    if (elements_read_ == header_->element_count) return TooLong();
    const int64_t id = LoadElement(header_->type, bytes);
    if (id < 0 || id >= vocabulary_size_) return TokenOutOfRange(id);
    ids.push_back(static_cast<int32_t>(id));
    ++elements_read_;
    return absl::OkStatus();
  }

  absl::Status TooLong() const {
    return MalformedNpy(absl::StrCat("its data go on after the ", header_->element_count,
                                     " ids that its header promises"));
  }

  absl::Status TokenOutOfRange(int64_t id) const {
    return InvalidArgument(
        "TOKEN_OUT_OF_RANGE",
        absl::StrCat("token id ", id, " at position ", elements_read_,
                     " is not in the vocabulary; ids are 0 to ", vocabulary_size_ - 1),
        {{"position", absl::StrCat(elements_read_)},
         {"token", absl::StrCat(id)},
         {"vocabulary_size", absl::StrCat(vocabulary_size_)}});
  }

  const int64_t vocabulary_size_;
  std::string pending_;              // the header so far, then a cut element
  size_t text_begin_ = 0;            // of the header's text, once the version is known
  size_t header_end_ = kVersionEnd;  // of the header's part that is being collected
  std::optional<NpyHeader> header_;  // once it is complete
  int64_t elements_read_ = 0;
  std::vector<int32_t> ids_;  // of one slice
  absl::Status failure_;      // final
};

}  // namespace

std::unique_ptr<TokenReader> MakeNpyReader(int64_t vocabulary_size) {
  return std::make_unique<NpyReader>(vocabulary_size);
}

}  // namespace homolog::datasets
