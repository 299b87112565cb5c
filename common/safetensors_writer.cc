#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <set>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "common/error.h"
#include "common/safetensors.h"
#include "common/text.h"

namespace homolog {
namespace {

constexpr size_t kMaxHeaderBytes = 100'000'000;
constexpr size_t kAlignment = 8;
constexpr std::string_view kMetadataKey = "__metadata__";

absl::Status IoError(std::string_view doing, const std::string& path) {
  return absl::ErrnoToStatus(errno, std::string(doing) + " " + path);
}

absl::Status BadTensor(std::string_view message) {
  return InvalidArgument("INVALID_TENSOR", message);
}

absl::StatusOr<int64_t> ByteSize(const SafetensorsEntry& entry) {
  int64_t size = SafetensorsDtypeSize(entry.dtype);
  for (const int64_t dimension : entry.shape) {
    if (dimension < 0 || __builtin_mul_overflow(size, dimension, &size)) {
      return BadTensor("tensor " + Quoted(entry.name) + ": the size " + std::to_string(dimension) +
                       " in its shape is negative or overflows");
    }
  }
  return size;
}

absl::Status CheckNames(const std::vector<SafetensorsEntry>& entries,
                        const std::map<std::string, std::string>& metadata) {
  std::set<std::string_view> names;
  for (const SafetensorsEntry& entry : entries) {
    if (entry.name == kMetadataKey || !IsValidUtf8(entry.name)) {
      return BadTensor("the tensor name " + Quoted(entry.name) + " is reserved or not UTF-8");
    }
    if (!names.insert(entry.name).second) {
      return BadTensor("the tensor name " + Quoted(entry.name) + " stands twice");
    }
  }
  for (const auto& [key, value] : metadata) {
    if (!IsValidUtf8(key) || !IsValidUtf8(value)) {
      return BadTensor("the metadata " + Quoted(key) + " is not UTF-8");
    }
  }
  return absl::OkStatus();
}

// Gives each entry its size, and its begin relative to the end of the header. Returns the bytes
// of all of them.
absl::StatusOr<int64_t> LayOut(std::vector<SafetensorsEntry>& entries) {
  std::vector<SafetensorsEntry*> order;
  for (SafetensorsEntry& entry : entries) order.push_back(&entry);
  // Wide elements first, so that every tensor is aligned to its element's size.
  std::stable_sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return SafetensorsDtypeSize(a->dtype) > SafetensorsDtypeSize(b->dtype);
  });
  int64_t total = 0;
  for (SafetensorsEntry* entry : order) {
    HOMOLOG_ASSIGN_OR_RETURN(entry->size, ByteSize(*entry));
    entry->begin = total;
    if (__builtin_add_overflow(total, entry->size, &total)) {
      return BadTensor("tensor " + Quoted(entry->name) + ": the file's size overflows");
    }
  }
  return total;
}

// `text`, which is UTF-8, as a JSON string.
std::string JsonString(std::string_view text) {
  std::string json = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      json += '\\';
      json += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      absl::StrAppendFormat(&json, "\\u%04x", c);
    } else {
      json += c;
    }
  }
  json += '"';
  return json;
}

void AppendMember(std::string_view key, std::string_view value, std::string& object) {
  if (object.size() > 1) object += ',';
  object += JsonString(key);
  object += ':';
  object += value;
}

std::string JsonObject(const std::map<std::string, std::string>& metadata) {
  std::string object = "{";
  for (const auto& [key, value] : metadata) AppendMember(key, JsonString(value), object);
  object += '}';
  return object;
}

std::string JsonObject(const SafetensorsEntry& entry) {
  const std::string_view dtype = SafetensorsDtypeName(entry.dtype);
  return absl::StrFormat(R"({"dtype":"%s","shape":[%s],"data_offsets":[%d,%d]})",
                         std::string(dtype), absl::StrJoin(entry.shape, ","), entry.begin,
                         entry.begin + entry.size);
}

// The length of the header and the header, padded so that the tensors start aligned.
absl::StatusOr<std::string> HeaderBytes(const std::vector<SafetensorsEntry>& entries,
                                        const std::map<std::string, std::string>& metadata) {
  std::string text = "{";
  if (!metadata.empty()) AppendMember(kMetadataKey, JsonObject(metadata), text);
  for (const SafetensorsEntry& entry : entries) AppendMember(entry.name, JsonObject(entry), text);
  text += '}';
  text.resize((text.size() + kAlignment - 1) / kAlignment * kAlignment, ' ');
  if (text.size() > kMaxHeaderBytes) {
    return BadTensor("the header would have " + std::to_string(text.size()) +
                     " bytes, above the limit of " + std::to_string(kMaxHeaderBytes));
  }
  std::string bytes(8, '\0');
  for (size_t i = 0; i < 8; ++i) bytes[i] = static_cast<char>(text.size() >> (8 * i));
  return bytes + text;
}

absl::Status WriteAt(int fd, int64_t offset, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = pwrite(fd, bytes.data(), bytes.size(), offset);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return IoError("writing", path);
    bytes.remove_prefix(static_cast<size_t>(written));
    offset += written;
  }
  return absl::OkStatus();
}

// A name beside `path` that no other writer of this process, nor of another, uses.
std::string TemporaryPath(const std::string& path) {
  static std::atomic<uint64_t> counter = 0;
  return path + ".partial-" + std::to_string(getpid()) + "-" + std::to_string(++counter);
}

// Makes the rename itself survive a loss of power.
absl::Status SyncFolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string folder = slash == path.npos ? "." : path.substr(0, slash + 1);
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return IoError("opening", folder);
  const bool synced = fsync(fd) == 0;
  const absl::Status status = synced ? absl::OkStatus() : IoError("syncing", folder);
  close(fd);
  return status;
}

void AddRange(std::map<int64_t, int64_t>& ranges, int64_t begin, int64_t end) {
  auto next = ranges.upper_bound(begin);
  if (next != ranges.begin() && std::prev(next)->second >= begin) --next;
  while (next != ranges.end() && next->first <= end) {
    begin = std::min(begin, next->first);
    end = std::max(end, next->second);
    next = ranges.erase(next);
  }
  ranges[begin] = end;
}

bool IsWhole(const SafetensorsEntry& entry, const std::map<int64_t, int64_t>& ranges) {
  if (entry.size == 0) return true;
  return ranges.size() == 1 && ranges.begin()->first == 0 && ranges.begin()->second == entry.size;
}

}  // namespace

absl::StatusOr<std::unique_ptr<SafetensorsWriter>> SafetensorsWriter::Create(
    std::string path, std::vector<SafetensorsEntry> entries,
    std::map<std::string, std::string> metadata) {
  HOMOLOG_RETURN_IF_ERROR(CheckNames(entries, metadata));
  HOMOLOG_ASSIGN_OR_RETURN(const int64_t data_size, LayOut(entries));
  HOMOLOG_ASSIGN_OR_RETURN(const std::string header, HeaderBytes(entries, metadata));
  const auto header_size = static_cast<int64_t>(header.size());
  for (SafetensorsEntry& entry : entries) entry.begin += header_size;

  std::unique_ptr<SafetensorsWriter> writer(new SafetensorsWriter());
  writer->path_ = std::move(path);
  writer->written_.resize(entries.size());
  writer->entries_ = std::move(entries);
  const std::string temporary = TemporaryPath(writer->path_);
  writer->fd_ = open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (writer->fd_ < 0) return IoError("creating", temporary);
  writer->temporary_path_ = temporary;
  if (ftruncate(writer->fd_, header_size + data_size) != 0) return IoError("sizing", temporary);
  HOMOLOG_RETURN_IF_ERROR(WriteAt(writer->fd_, 0, header, temporary));
  return writer;
}

SafetensorsWriter::~SafetensorsWriter() {
  if (fd_ >= 0) close(fd_);
  if (!temporary_path_.empty()) unlink(temporary_path_.c_str());
}

absl::Status SafetensorsWriter::Write(size_t index, int64_t offset, std::string_view bytes) {
  if (fd_ < 0) return absl::FailedPreconditionError(path_ + " is finished already");
  if (index >= entries_.size()) {
    return absl::OutOfRangeError("tensor " + std::to_string(index) + " of " +
                                 std::to_string(entries_.size()) + " in " + path_);
  }
  const SafetensorsEntry& entry = entries_[index];
  const auto size = static_cast<int64_t>(bytes.size());
  if (offset < 0 || offset > entry.size || size > entry.size - offset) {
    return absl::OutOfRangeError(std::to_string(size) + " bytes at " + std::to_string(offset) +
                                 " leave tensor " + Quoted(entry.name) + " of " +
                                 std::to_string(entry.size) + " bytes");
  }
  if (bytes.empty()) return absl::OkStatus();
  HOMOLOG_RETURN_IF_ERROR(WriteAt(fd_, entry.begin + offset, bytes, temporary_path_));
  AddRange(written_[index], offset, offset + size);
  return absl::OkStatus();
}

absl::Status SafetensorsWriter::Finish() {
  if (fd_ < 0) return absl::FailedPreconditionError(path_ + " is finished already");
  for (size_t i = 0; i < entries_.size(); ++i) {
    if (IsWhole(entries_[i], written_[i])) continue;
    return absl::InternalError("tensor " + Quoted(entries_[i].name) + " of " + path_ +
                               " was not written whole");
  }
  if (fsync(fd_) != 0) return IoError("syncing", temporary_path_);
  if (close(std::exchange(fd_, -1)) != 0) return IoError("closing", temporary_path_);
  if (rename(temporary_path_.c_str(), path_.c_str()) != 0) {
    return IoError("renaming to", path_);
  }
  temporary_path_.clear();
  return SyncFolderOf(path_);
}

}  // namespace homolog
