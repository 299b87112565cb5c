#include "common/safetensors.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <tuple>
#include <unordered_set>
#include <utility>

#include "common/error.h"
#include "common/text.h"

namespace homolog {
namespace {

using Json = nlohmann::json;

constexpr size_t kLengthBytes = 8;
constexpr uint64_t kMaxHeaderBytes = 100'000'000;
// Beyond what any tensor library takes, and far below what would cost memory.
constexpr size_t kMaxDimensions = 64;
constexpr std::string_view kMetadataKey = "__metadata__";

struct DtypeInfo {
  SafetensorsDtype dtype;
  std::string_view name;
  int64_t size;
};

constexpr DtypeInfo kDtypes[] = {
    {SafetensorsDtype::kF64, "F64", 8}, {SafetensorsDtype::kF32, "F32", 4},
    {SafetensorsDtype::kF16, "F16", 2}, {SafetensorsDtype::kBF16, "BF16", 2},
    {SafetensorsDtype::kI64, "I64", 8}, {SafetensorsDtype::kI32, "I32", 4},
    {SafetensorsDtype::kI16, "I16", 2}, {SafetensorsDtype::kI8, "I8", 1},
    {SafetensorsDtype::kU8, "U8", 1},   {SafetensorsDtype::kBool, "BOOL", 1}};

const DtypeInfo& InfoOf(SafetensorsDtype dtype) { return kDtypes[static_cast<size_t>(dtype)]; }

std::optional<SafetensorsDtype> DtypeOf(std::string_view name) {
  for (const DtypeInfo& info : kDtypes) {
    if (info.name == name) return info.dtype;
  }
  return std::nullopt;
}

std::string KnownDtypes() {
  std::string names;
  for (const DtypeInfo& info : kDtypes) {
    names += (names.empty() ? "" : ", ") + std::string(info.name);
  }
  return names;
}

absl::Status Malformed(std::string_view message) {
  return InvalidArgument("MALFORMED_SAFETENSORS", message);
}

// Bytes of a tensor, or nothing where they do not fit an int64.
std::optional<int64_t> ByteSize(const std::vector<int64_t>& shape, SafetensorsDtype dtype) {
  int64_t size = SafetensorsDtypeSize(dtype);
  for (const int64_t dimension : shape) {
    if (__builtin_mul_overflow(size, dimension, &size)) return std::nullopt;
  }
  return size;
}

// Reads the header's JSON event by event. The grammar is so small that the place in it is one
// enumerator, no depth but the grammar's own is ever entered, and nothing is kept that is not
// asked for. nlohmann's own document would silently keep the last of two equal keys.
class HeaderReader : public nlohmann::json_sax<Json> {
 public:
  const absl::Status& status() const { return status_; }
  // Offsets still relative to the end of the header.
  SafetensorsHeader Take() && { return std::move(header_); }

  bool start_object(size_t) override;
  bool key(string_t& key) override;
  bool end_object() override;
  bool start_array(size_t) override;
  bool end_array() override;
  bool string(string_t& value) override;
  bool number_unsigned(number_unsigned_t value) override;
  bool number_integer(number_integer_t value) override;
  bool number_float(number_float_t, const string_t& text) override { return Unexpected(text); }
  bool boolean(bool value) override { return Unexpected(value ? "true" : "false"); }
  bool null() override { return Unexpected("null"); }
  bool binary(binary_t&) override { return Unexpected("binary data"); }
  bool parse_error(size_t position, const std::string&,
                   const nlohmann::detail::exception& error) override {
    return Fail("the header is not JSON at byte " + std::to_string(position) + ": " +
                Quoted(error.what()));
  }

 private:
  enum class Place { kStart, kNames, kMetadata, kTensor, kShape, kOffsets, kEnd };

  bool Fail(std::string_view message) {
    status_ = Malformed(message);
    return false;
  }
  bool Unexpected(std::string_view found);
  std::string WhatIsExpected() const;
  bool EnterName(const std::string& name);
  bool EnterField(const std::string& name);
  bool FinishTensor();
  bool AddDimension(uint64_t value);
  bool AddOffset(uint64_t value);

  Place place_ = Place::kStart;
  absl::Status status_;
  SafetensorsHeader header_;
  std::unordered_set<std::string> names_;  // of the top level, to see a second one

  // The key whose value comes next, and what is known of the tensor being read.
  std::string key_;
  SafetensorsEntry tensor_;
  std::vector<uint64_t> offsets_;
  bool has_dtype_ = false;
  bool has_shape_ = false;
  bool has_offsets_ = false;
};

std::string HeaderReader::WhatIsExpected() const {
  const std::string of_tensor = "tensor " + Quoted(tensor_.name) + ": ";
  switch (place_) {
    case Place::kStart:
      return "the header must be a JSON object";
    case Place::kNames:
      return Quoted(key_) + " must be a JSON object";
    case Place::kMetadata:
      return "the metadata " + Quoted(key_) + " must be a string";
    case Place::kTensor:
      return of_tensor + Quoted(key_) +
             (key_ == "dtype" ? " must be a string" : " must be an array");
    case Place::kShape:
      return of_tensor + "a size in \"shape\" must be a whole number from 0";
    case Place::kOffsets:
      return of_tensor + "\"data_offsets\" must be two whole numbers from 0";
    case Place::kEnd:
      break;
  }
  return "nothing may follow the header's object";
}

bool HeaderReader::Unexpected(std::string_view found) {
  return Fail(WhatIsExpected() + ", not " + CutUtf8(found, 100));
}

bool HeaderReader::start_object(size_t) {
  if (place_ == Place::kStart) {
    place_ = Place::kNames;
    return true;
  }
  if (place_ != Place::kNames) return Unexpected("an object");
  place_ = key_ == kMetadataKey ? Place::kMetadata : Place::kTensor;
  if (place_ == Place::kTensor) {
    tensor_ = SafetensorsEntry();
    tensor_.name = key_;
    has_dtype_ = has_shape_ = has_offsets_ = false;
  }
  return true;
}

bool HeaderReader::key(string_t& key) {
  key_ = key;
  if (place_ == Place::kNames) return EnterName(key);
  if (place_ == Place::kTensor) return EnterField(key);
  if (header_.metadata.contains(key)) return Fail("the metadata " + Quoted(key) + " stands twice");
  return true;
}

bool HeaderReader::EnterName(const std::string& name) {
  if (names_.insert(name).second) return true;
  return Fail("the tensor " + Quoted(name) + " stands twice");
}

bool HeaderReader::EnterField(const std::string& name) {
  bool* seen = name == "dtype"          ? &has_dtype_
               : name == "shape"        ? &has_shape_
               : name == "data_offsets" ? &has_offsets_
                                        : nullptr;
  const std::string field = "tensor " + Quoted(tensor_.name) + ": the field " + Quoted(name);
  if (seen == nullptr) return Fail(field + " is not one of dtype, shape, data_offsets");
  if (*seen) return Fail(field + " stands twice");
  *seen = true;
  return true;
}

bool HeaderReader::end_object() {
  switch (place_) {
    case Place::kTensor:
      if (!FinishTensor()) return false;
      place_ = Place::kNames;
      return true;
    case Place::kMetadata:
      place_ = Place::kNames;
      return true;
    default:
      place_ = Place::kEnd;
      return true;
  }
}

bool HeaderReader::FinishTensor() {
  const std::string tensor = "tensor " + Quoted(tensor_.name);
  if (!has_dtype_ || !has_shape_ || !has_offsets_) {
    return Fail(tensor + " has no " +
                (!has_dtype_   ? "dtype"
                 : !has_shape_ ? "shape"
                               : "data_offsets"));
  }
  const std::optional<int64_t> size = ByteSize(tensor_.shape, tensor_.dtype);
  if (!size) return Fail(tensor + ": the size of its shape overflows");
  const auto begin = static_cast<int64_t>(offsets_[0]);
  const auto end = static_cast<int64_t>(offsets_[1]);
  if (end < begin || end - begin != *size) {
    return Fail(tensor + ": data_offsets [" + std::to_string(begin) + ", " + std::to_string(end) +
                "] do not fit the " + std::to_string(*size) + " bytes of its dtype and shape");
  }
  tensor_.begin = begin;
  tensor_.size = *size;
  header_.entries.push_back(std::move(tensor_));
  return true;
}

bool HeaderReader::start_array(size_t) {
  const bool fits = place_ == Place::kTensor && key_ != "dtype";
  if (!fits) return Unexpected("an array");
  place_ = key_ == "shape" ? Place::kShape : Place::kOffsets;
  offsets_.clear();
  return true;
}

bool HeaderReader::end_array() {
  if (place_ == Place::kOffsets && offsets_.size() != 2) {
    return Unexpected(std::to_string(offsets_.size()) + " numbers");
  }
  place_ = Place::kTensor;
  return true;
}

bool HeaderReader::string(string_t& value) {
  if (place_ == Place::kMetadata) {
    header_.metadata.emplace(key_, value);
    return true;
  }
  if (place_ != Place::kTensor || key_ != "dtype") return Unexpected("the string " + Quoted(value));
  const std::optional<SafetensorsDtype> dtype = DtypeOf(value);
  if (!dtype) {
    return Fail("tensor " + Quoted(tensor_.name) + ": the dtype " + Quoted(value) +
                " is not one of " + KnownDtypes());
  }
  tensor_.dtype = *dtype;
  return true;
}

bool HeaderReader::number_unsigned(number_unsigned_t value) {
  if (place_ == Place::kShape) return AddDimension(value);
  if (place_ == Place::kOffsets) return AddOffset(value);
  return Unexpected(std::to_string(value));
}

bool HeaderReader::number_integer(number_integer_t value) {
  // "-0" is the one whole number that arrives here without being negative.
  if (value < 0) return Unexpected(std::to_string(value));
  return number_unsigned(static_cast<number_unsigned_t>(value));
}

bool HeaderReader::AddDimension(uint64_t value) {
  if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    return Fail("tensor " + Quoted(tensor_.name) + ": the size " + std::to_string(value) +
                " in \"shape\" overflows");
  }
  if (tensor_.shape.size() == kMaxDimensions) {
    return Fail("tensor " + Quoted(tensor_.name) + " has more than " +
                std::to_string(kMaxDimensions) + " dimensions");
  }
  tensor_.shape.push_back(static_cast<int64_t>(value));
  return true;
}

bool HeaderReader::AddOffset(uint64_t value) {
  if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    return Fail("tensor " + Quoted(tensor_.name) + ": the offset " + std::to_string(value) +
                " is beyond any file");
  }
  if (offsets_.size() == 2) return Unexpected("more");
  offsets_.push_back(value);
  return true;
}

// The bytes of the header's JSON, once its length is known to be possible.
absl::StatusOr<std::string_view> HeaderText(std::string_view file) {
  if (file.size() < kLengthBytes) {
    return Malformed("the file has " + std::to_string(file.size()) +
                     " bytes; a safetensors file starts with the 8 bytes of its header's length");
  }
  uint64_t length = 0;
  for (size_t i = 0; i < kLengthBytes; ++i) {
    length |= uint64_t{static_cast<uint8_t>(file[i])} << (8 * i);
  }
  if (length > kMaxHeaderBytes) {
    return Malformed("the header's length " + std::to_string(length) + " is above the limit of " +
                     std::to_string(kMaxHeaderBytes) + " bytes");
  }
  if (length > file.size() - kLengthBytes) {
    return Malformed("the header's length " + std::to_string(length) + " is beyond the file, of " +
                     std::to_string(file.size()) + " bytes");
  }
  const std::string_view text = file.substr(kLengthBytes, length);
  // The JSON library would skip a byte order mark, and take a zero byte for the end.
  if (!text.starts_with('{') || text.find('\0') != text.npos) {
    return Malformed("the header must be a JSON object that starts with '{' and has no zero byte");
  }
  return text;
}

// Checks that the entries, relative to the end of the header, fill `data_size` bytes exactly.
absl::Status CheckCover(const std::vector<SafetensorsEntry>& entries, int64_t data_size) {
  int64_t covered = 0;
  for (const SafetensorsEntry& entry : entries) {
    const int64_t end = entry.begin + entry.size;
    const std::string tensor = "tensor " + Quoted(entry.name) + " at bytes [" +
                               std::to_string(entry.begin) + ", " + std::to_string(end) + ") ";
    if (end > data_size) {
      return Malformed(tensor + "leaves the file, whose tensors have " + std::to_string(data_size) +
                       " bytes");
    }
    if (entry.begin < covered) {
      return Malformed(tensor + "overlaps the one before it, which ends at " +
                       std::to_string(covered));
    }
    if (entry.begin > covered) {
      return Malformed(tensor + "leaves a gap: the one before it ends at " +
                       std::to_string(covered));
    }
    covered = end;
  }
  if (covered == data_size) return absl::OkStatus();
  return Malformed("the tensors end at byte " + std::to_string(covered) + " of " +
                   std::to_string(data_size) + ": the rest of the file belongs to none");
}

}  // namespace

std::string_view SafetensorsDtypeName(SafetensorsDtype dtype) { return InfoOf(dtype).name; }

int64_t SafetensorsDtypeSize(SafetensorsDtype dtype) { return InfoOf(dtype).size; }

absl::StatusOr<SafetensorsHeader> ParseSafetensors(std::string_view file) {
  HOMOLOG_ASSIGN_OR_RETURN(const std::string_view text, HeaderText(file));
  HeaderReader reader;
  if (!Json::sax_parse(text.begin(), text.end(), &reader)) return reader.status();
  SafetensorsHeader header = std::move(reader).Take();
  std::sort(header.entries.begin(), header.entries.end(), [](const auto& a, const auto& b) {
    return std::tie(a.begin, a.size, a.name) < std::tie(b.begin, b.size, b.name);
  });
  const auto data_begin = static_cast<int64_t>(kLengthBytes + text.size());
  HOMOLOG_RETURN_IF_ERROR(
      CheckCover(header.entries, static_cast<int64_t>(file.size()) - data_begin));
  for (SafetensorsEntry& entry : header.entries) entry.begin += data_begin;
  return header;
}

}  // namespace homolog
