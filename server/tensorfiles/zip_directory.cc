#include "server/tensorfiles/zip_directory.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/digest.h"
#include "common/error.h"
#include "common/text.h"
#include "server/tensorfiles/little_endian.h"

namespace homolog::tensorfiles {
namespace {

// Names and numbers of sections are those of PKWARE's APPNOTE.TXT 6.3.10.
constexpr std::string_view kLocalSignature = "PK\3\4";         // 4.3.7
constexpr std::string_view kCentralSignature = "PK\1\2";       // 4.3.12
constexpr std::string_view kZip64EndSignature = "PK\6\6";      // 4.3.14
constexpr std::string_view kZip64LocatorSignature = "PK\6\7";  // 4.3.15
constexpr std::string_view kEndSignature = "PK\5\6";           // 4.3.16
constexpr size_t kLocalBytes = 30;
constexpr size_t kCentralBytes = 46;
constexpr size_t kZip64EndBytes = 56;
constexpr size_t kZip64LocatorBytes = 20;
constexpr size_t kEndBytes = 22;
constexpr size_t kMaxCommentBytes = 0xFFFF;
constexpr uint64_t kIn16 = 0xFFFF;      // "see the zip64 record", in two bytes
constexpr uint64_t kIn32 = 0xFFFFFFFF;  // and in four
constexpr uint64_t kZip64Field = 1;     // id in the extra field, 4.5.3
constexpr uint64_t kSizesFollow = 1 << 3;
constexpr uint64_t kUtf8 = 1 << 11;
constexpr uint64_t kCompressionOptions = 3 << 1;

absl::Status Malformed(std::string_view message) {
  return InvalidArgument("MALFORMED_ZIP", message);
}

absl::Status MalformedRecord(std::string_view name, std::string_view problem) {
  return Malformed(absl::StrCat("the record ", Quoted(name), " of the zip file ",
                                absl::string_view(problem.data(), problem.size())));
}

// Where the central directory is and how many records it has.
struct Extent {
  uint64_t begin = 0, size = 0, records = 0;
};

// A record as the central directory has it.
struct Central {
  std::string_view name;
  uint64_t flags = 0, method = 0, disk = 0;
  uint64_t stored_size = 0, size = 0, crc = 0;
  uint64_t local_begin = 0;
};

// Offset of the end record: the last one that is followed by just the comment it announces.
std::optional<size_t> FindEnd(std::string_view file) {
  if (file.size() < kEndBytes) return std::nullopt;
  const size_t last = file.size() - kEndBytes;
  const size_t first = last - std::min(last, kMaxCommentBytes);
  for (size_t at = last + 1; at-- > first;) {
    if (file.substr(at, 4) == kEndSignature && LittleEndian(file, at + 20, 2) == last - at) {
      return at;
    }
  }
  return std::nullopt;
}

absl::StatusOr<Extent> ReadZip64End(std::string_view file, size_t locator, const Extent& narrow) {
  const uint64_t at = LittleEndian(file, locator + 8, 8);
  if (LittleEndian(file, locator + 4, 4) != 0 || LittleEndian(file, locator + 16, 4) > 1) {
    return Malformed("the zip file is spread over several disks; it must be one file");
  }
  if (locator < kZip64EndBytes || at > locator - kZip64EndBytes ||
      file.substr(at, 4) != kZip64EndSignature) {
    return Malformed(absl::StrCat("the zip64 end record is not at byte ", at,
                                  ", where the zip file says that it is"));
  }
  if (LittleEndian(file, at + 16, 4) != 0 || LittleEndian(file, at + 20, 4) != 0) {
    return Malformed("the zip file is spread over several disks; it must be one file");
  }
  const Extent wide = {LittleEndian(file, at + 48, 8), LittleEndian(file, at + 40, 8),
                       LittleEndian(file, at + 32, 8)};
  const bool agree = (narrow.records == kIn16 || narrow.records == wide.records) &&
                     (narrow.size == kIn32 || narrow.size == wide.size) &&
                     (narrow.begin == kIn32 || narrow.begin == wide.begin);
  if (!agree || LittleEndian(file, at + 24, 8) != wide.records) {
    return Malformed("the end record and the zip64 end record of the zip file disagree");
  }
  if (wide.begin > at || wide.size != at - wide.begin) {
    return Malformed(absl::StrCat("the directory of the zip file, ", wide.size, " bytes at ",
                                  wide.begin, ", does not end where its end record starts, at ",
                                  at));
  }
  return wide;
}

absl::StatusOr<Extent> ReadEnd(std::string_view file) {
  const std::optional<size_t> end = FindEnd(file);
  if (!end) {
    return Malformed(absl::StrCat(
        "no directory of a zip file ends the ", file.size(),
        " bytes; torch.save writes a zip file, and this one is another or was cut short"));
  }
  const Extent extent = {LittleEndian(file, *end + 16, 4), LittleEndian(file, *end + 12, 4),
                         LittleEndian(file, *end + 10, 2)};
  const size_t locator = *end - std::min(*end, kZip64LocatorBytes);
  if (*end >= kZip64LocatorBytes && file.substr(locator, 4) == kZip64LocatorSignature) {
    return ReadZip64End(file, locator, extent);
  }
  if (LittleEndian(file, *end + 4, 2) != 0 || LittleEndian(file, *end + 6, 2) != 0 ||
      LittleEndian(file, *end + 8, 2) != extent.records) {
    return Malformed("the zip file is spread over several disks; it must be one file");
  }
  if (extent.begin > *end || extent.size != *end - extent.begin) {
    return Malformed(absl::StrCat("the directory of the zip file, ", extent.size, " bytes at ",
                                  extent.begin, ", does not end where its end record starts, at ",
                                  *end));
  }
  return extent;
}

// Replaces each of `fields` that is 0xFFFFFFFF by its number in the zip64 field of `extra`. False
// where that has no number for it, or `extra` is not made of fields.
bool Widen(std::string_view extra, const std::vector<uint64_t*>& fields) {
  std::string_view wide;
  while (extra.size() >= 4) {
    const uint64_t id = LittleEndian(extra, 0, 2), size = LittleEndian(extra, 2, 2);
    if (size > extra.size() - 4) return false;
    if (id == kZip64Field) wide = extra.substr(4, size);
    extra.remove_prefix(4 + size);
  }
  for (uint64_t* field : fields) {
    if (*field != kIn32) continue;
    if (wide.size() < 8) return false;
    *field = LittleEndian(wide, 0, 8);
    wide.remove_prefix(8);
  }
  return true;
}

// Takes one record off the front of `directory`.
absl::StatusOr<Central> ReadCentral(std::string_view& directory) {
  if (directory.size() < kCentralBytes || directory.substr(0, 4) != kCentralSignature) {
    return Malformed("the directory of the zip file breaks off or holds what is no record");
  }
  const uint64_t name = LittleEndian(directory, 28, 2), extra = LittleEndian(directory, 30, 2);
  const uint64_t length = kCentralBytes + name + extra + LittleEndian(directory, 32, 2);
  if (length > directory.size()) {
    return Malformed("the directory of the zip file breaks off within a record");
  }
  Central record = {.name = directory.substr(kCentralBytes, name),
                    .flags = LittleEndian(directory, 8, 2),
                    .method = LittleEndian(directory, 10, 2),
                    .disk = LittleEndian(directory, 34, 2),
                    .stored_size = LittleEndian(directory, 20, 4),
                    .size = LittleEndian(directory, 24, 4),
                    .crc = LittleEndian(directory, 16, 4),
                    .local_begin = LittleEndian(directory, 42, 4)};
  if (!Widen(directory.substr(kCentralBytes + name, extra),
             {&record.size, &record.stored_size, &record.local_begin})) {
    return MalformedRecord(record.name, "has no zip64 field for a size beyond four bytes");
  }
  directory.remove_prefix(length);
  return record;
}

absl::Status CheckCentral(const Central& record) {
  if ((record.flags & ~(kSizesFollow | kUtf8 | kCompressionOptions)) != 0) {
    return MalformedRecord(
        record.name, absl::StrCat("has the flags ", absl::Hex(record.flags),
                                  "; torch.save neither encrypts nor patches what it writes"));
  }
  if (record.method != 0 || record.stored_size != record.size) {
    return MalformedRecord(record.name,
                           absl::StrCat("is compressed (method ", record.method,
                                        "); it must be stored, as torch.save writes it"));
  }
  if (record.disk != 0) return MalformedRecord(record.name, "is on another disk");
  return absl::OkStatus();
}

// Holds the local header of `record` against the directory, which starts at `data_end`.
absl::StatusOr<ZipRecord> ReadLocal(std::string_view file, const Central& record,
                                    uint64_t data_end) {
  const uint64_t at = record.local_begin;
  if (at > data_end || data_end - at < kLocalBytes || file.substr(at, 4) != kLocalSignature) {
    return MalformedRecord(record.name,
                           absl::StrCat("is not at byte ", at, ", where its directory says"));
  }
  const uint64_t name = LittleEndian(file, at + 26, 2), extra = LittleEndian(file, at + 28, 2);
  const uint64_t header = kLocalBytes + name + extra;
  if (header > data_end - at || record.size > data_end - at - header) {
    return MalformedRecord(record.name,
                           absl::StrCat("of ", record.size, " bytes at byte ", at,
                                        " is beyond the file's data, which end at ", data_end));
  }
  uint64_t size = LittleEndian(file, at + 22, 4), stored_size = LittleEndian(file, at + 18, 4);
  const std::string_view fields = file.substr(at + kLocalBytes + name, extra);
  // Where the sizes follow the data, the directory alone has them before.
  const bool sizes_agree =
      (record.flags & kSizesFollow) != 0 ||
      (Widen(fields, {&size, &stored_size}) && size == record.size && stored_size == record.size &&
       LittleEndian(file, at + 14, 4) == record.crc);
  if (!sizes_agree || file.substr(at + kLocalBytes, name) != record.name ||
      LittleEndian(file, at + 6, 2) != record.flags || LittleEndian(file, at + 8, 2) != 0) {
    return MalformedRecord(record.name, "and the directory disagree on name, size or form");
  }
  return ZipRecord{at + header, record.size, static_cast<uint32_t>(record.crc)};
}

// `spans`: [first byte of the local header, end of the data) and name, of every record.
absl::Status CheckOverlaps(
    std::vector<std::pair<std::pair<uint64_t, uint64_t>, std::string_view>> spans) {
  std::sort(spans.begin(), spans.end());
  for (size_t i = 1; i < spans.size(); ++i) {
    if (spans[i].first.first < spans[i - 1].first.second) {
      return MalformedRecord(spans[i].second,
                             absl::StrCat("overlaps the record ", Quoted(spans[i - 1].second)));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ZipDirectory> ParseZip(std::string_view file) {
  HOMOLOG_ASSIGN_OR_RETURN(const Extent extent, ReadEnd(file));
  std::string_view directory = file.substr(extent.begin, extent.size);
  if (extent.records > directory.size() / kCentralBytes) {
    return Malformed(absl::StrCat("the directory of the zip file has ", extent.size,
                                  " bytes, too few for the ", extent.records,
                                  " records it announces"));
  }
  ZipDirectory records;
  std::vector<std::pair<std::pair<uint64_t, uint64_t>, std::string_view>> spans;
  for (uint64_t i = 0; i < extent.records; ++i) {
    HOMOLOG_ASSIGN_OR_RETURN(const Central central, ReadCentral(directory));
    HOMOLOG_RETURN_IF_ERROR(CheckCentral(central));
    HOMOLOG_ASSIGN_OR_RETURN(const ZipRecord record, ReadLocal(file, central, extent.begin));
    if (!records.emplace(central.name, record).second) {
      return MalformedRecord(central.name, "stands twice");
    }
    spans.push_back({{central.local_begin, record.begin + record.size}, central.name});
  }
  if (!directory.empty()) {
    return Malformed(absl::StrCat("the directory of the zip file goes on after the ",
                                  extent.records, " records it announces"));
  }
  HOMOLOG_RETURN_IF_ERROR(CheckOverlaps(std::move(spans)));
  return records;
}

absl::Status CheckCrc(std::string_view file, std::string_view name, const ZipRecord& record) {
  const uint32_t crc = Crc32(file.substr(record.begin, record.size));
  if (crc == record.crc) return absl::OkStatus();
  return MalformedRecord(name, absl::StrCat("is damaged: its CRC-32 is ", absl::Hex(crc),
                                            ", and must be ", absl::Hex(record.crc)));
}

}  // namespace homolog::tensorfiles
