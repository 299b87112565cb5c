#include "server/tensorfiles/torch_file.h"

#include <optional>
#include <string>
#include <unordered_set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/error.h"
#include "common/text.h"
#include "server/tensorfiles/pickle.h"
#include "server/tensorfiles/zip_directory.h"

namespace homolog::tensorfiles {
namespace {

constexpr std::string_view kPickleName = "/data.pkl";
// Weights have at most five.
constexpr size_t kMaxDimensions = 8;
// See ParseTorchFile.
constexpr int64_t kMaxElementBytesPerByte = 4;

absl::Status Malformed(std::string_view message) {
  return InvalidArgument("MALFORMED_TORCH_FILE", message);
}

absl::Status Unsupported(std::string_view message) {
  return InvalidArgument("UNSUPPORTED_TORCH_FILE", message);
}

struct StorageType {
  std::string_view global;
  SafetensorsDtype dtype;
};

constexpr StorageType kStorageTypes[] = {{"torch DoubleStorage", SafetensorsDtype::kF64},
                                         {"torch FloatStorage", SafetensorsDtype::kF32},
                                         {"torch HalfStorage", SafetensorsDtype::kF16},
                                         {"torch BFloat16Storage", SafetensorsDtype::kBF16},
                                         {"torch LongStorage", SafetensorsDtype::kI64},
                                         {"torch IntStorage", SafetensorsDtype::kI32},
                                         {"torch ShortStorage", SafetensorsDtype::kI16},
                                         {"torch CharStorage", SafetensorsDtype::kI8},
                                         {"torch ByteStorage", SafetensorsDtype::kU8},
                                         {"torch BoolStorage", SafetensorsDtype::kBool}};

std::optional<SafetensorsDtype> DtypeOf(std::string_view global) {
  for (const StorageType& type : kStorageTypes) {
    if (type.global == global) return type.dtype;
  }
  return std::nullopt;
}

// PyTorch before 1.6 wrote a row of pickles, the first of which is this number as a LONG1; before
// 0.2, a tar file.
bool IsLegacy(std::string_view file) {
  constexpr std::string_view kMagicNumber = "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
  const std::string_view start = file.substr(0, 32);
  const bool tar = file.size() > 262 && file.substr(257, 5) == "ustar";
  return tar || (start.starts_with('\x80') && start.find(kMagicNumber) != start.npos);
}

// The folder within the zip file that holds everything.
absl::StatusOr<std::string> TopFolder(const ZipDirectory& records) {
  std::optional<std::string> top;
  for (const auto& [name, record] : records) {
    if (!name.ends_with(kPickleName)) continue;
    const std::string_view folder = name.substr(0, name.size() - kPickleName.size());
    if (folder.empty() || folder.find('/') != folder.npos) continue;
    if (top) {
      return Malformed(absl::StrCat("the zip file has two records data.pkl, in ", Quoted(*top),
                                    " and ", Quoted(folder)));
    }
    top = std::string(folder);
  }
  if (top) return *top;
  return Malformed("the zip file has no record <folder>/data.pkl; torch.save writes one");
}

absl::Status CheckByteOrder(std::string_view file, const ZipDirectory& records,
                            const std::string& top) {
  const auto found = records.find(top + "/byteorder");
  if (found == records.end()) return absl::OkStatus();  // older than 2.1, or little
  const std::string_view order = file.substr(found->second.begin, found->second.size);
  if (order == "little") return absl::OkStatus();
  return Unsupported(absl::StrCat("the record byteorder is ", Quoted(order),
                                  "; it must be \"little\": load and save it on such a machine"));
}

// The tensors of one file, from its pickle and its directory.
class TorchReader {
 public:
  TorchReader(std::string_view file, ZipDirectory records, std::string top, Pickle pickle)
      : file_(file),
        records_(std::move(records)),
        top_(std::move(top)),
        pickle_(std::move(pickle)) {}

  absl::StatusOr<std::vector<TensorEntry>> Read();

 private:
  struct Storage {
    SafetensorsDtype dtype = SafetensorsDtype::kF32;
    int64_t begin = 0, elements = 0;
  };

  absl::StatusOr<const PickleValue*> StateDict() const;
  absl::StatusOr<TensorEntry> ReadTensor(std::string name, const PickleValue& value) const;
  absl::StatusOr<const PickleValue*> Unwrap(const PickleValue& value) const;
  absl::StatusOr<Storage> ReadStorage(const PickleValue& value) const;
  absl::StatusOr<std::vector<int64_t>> ReadSizes(const PickleValue& value) const;

  const PickleValue& Item(const PickleValue& value, size_t i) const {
    return pickle_.value(value.items[i]);
  }

  const std::string_view file_;
  const ZipDirectory records_;
  const std::string top_;
  const Pickle pickle_;
};

bool IsDict(const PickleValue& value) {
  return value.kind == PickleKind::kDict || value.kind == PickleKind::kOrderedDict;
}

absl::StatusOr<const PickleValue*> TorchReader::StateDict() const {
  const PickleValue* dict = &pickle_.root();
  if (IsDict(*dict) && dict->items.size() == 2 && Item(*dict, 0).text == "state_dict" &&
      IsDict(Item(*dict, 1))) {
    dict = &Item(*dict, 1);
  }
  if (IsDict(*dict)) return dict;
  return Malformed(absl::StrCat("the file holds ", PickleKindName(dict->kind),
                                "; it must hold a dictionary of tensors, as of "
                                "torch.save(model.state_dict(), path)"));
}

absl::StatusOr<std::vector<TensorEntry>> TorchReader::Read() {
  HOMOLOG_ASSIGN_OR_RETURN(const PickleValue* dict, StateDict());
  std::vector<TensorEntry> entries;
  std::unordered_set<std::string_view> names;
  const int64_t limit = kMaxElementBytesPerByte * static_cast<int64_t>(file_.size());
  int64_t bytes = 0;
  for (size_t i = 0; i < dict->items.size(); i += 2) {
    const PickleValue& key = Item(*dict, i);
    if (key.kind != PickleKind::kString) {
      return Malformed(
          absl::StrCat("a key of the dictionary is ", PickleKindName(key.kind), ", not a string"));
    }
    if (!names.insert(key.text).second) {
      return Malformed(absl::StrCat("the tensor ", Quoted(key.text), " stands twice"));
    }
    absl::StatusOr<TensorEntry> entry = ReadTensor(std::string(key.text), Item(*dict, i + 1));
    if (!entry.ok()) {
      return Annotate(entry.status(), absl::StrCat("tensor ", Quoted(key.text)));
    }
    // Neither overflows: ReadTensor holds every tensor to the limit.
    bytes += *ElementCount(entry->shape) * SafetensorsDtypeSize(entry->dtype);
    if (bytes > limit) {
      return Malformed(absl::StrCat("the tensors up to ", Quoted(key.text), " have ", bytes,
                                    " bytes; a file of ", file_.size(), " bytes may hold ", limit));
    }
    entries.push_back(*std::move(entry));
  }
  return entries;
}

// The call that makes the tensor itself: a Parameter is a tensor within a tensor's clothes.
absl::StatusOr<const PickleValue*> TorchReader::Unwrap(const PickleValue& value) const {
  const PickleValue* call = &value;
  if (call->kind == PickleKind::kCall && Item(*call, 0).text == "torch._utils _rebuild_parameter") {
    const PickleValue& arguments = Item(*call, 1);
    if (arguments.items.empty()) return Malformed("_rebuild_parameter has no arguments");
    call = &Item(arguments, 0);
  }
  if (call->kind != PickleKind::kCall) {
    return Malformed(absl::StrCat("it is ", PickleKindName(call->kind),
                                  ", not a tensor; a state dict holds nothing else"));
  }
  const std::string_view callee = Item(*call, 0).text;
  // _rebuild_tensor(storage, offset, size, stride); of version 2, requires_grad and hooks follow,
  // which say nothing of the elements, and metadata, which may say that they are negated.
  const PickleValue& list = Item(*call, 1);
  const size_t arguments = list.items.size();
  const bool plain = arguments < 7 || Item(list, 6).kind == PickleKind::kNone ||
                     (IsDict(Item(list, 6)) && Item(list, 6).items.empty());
  const bool fits =
      (callee == "torch._utils _rebuild_tensor" && arguments == 4) ||
      (callee == "torch._utils _rebuild_tensor_v2" && (arguments == 6 || arguments == 7) && plain);
  if (fits) return call;
  return Malformed(absl::StrCat("it is a call of ", Quoted(callee), " with ", arguments,
                                " arguments, not what torch.save writes of a tensor"));
}

// ("storage", type, key, device, number of elements).
absl::StatusOr<TorchReader::Storage> TorchReader::ReadStorage(const PickleValue& value) const {
  if (value.kind != PickleKind::kPersistentId) return Malformed("its storage is missing");
  const PickleValue& id = Item(value, 0);
  if (id.kind != PickleKind::kTuple || id.items.size() != 5 || Item(id, 0).text != "storage" ||
      Item(id, 2).kind != PickleKind::kString || Item(id, 4).kind != PickleKind::kInteger) {
    return Malformed("its storage is not described as torch.save does");
  }
  const std::optional<SafetensorsDtype> dtype = DtypeOf(Item(id, 1).text);
  if (!dtype) return Malformed("its storage has no type");
  const std::string key(Item(id, 2).text);
  const auto record = records_.find(top_ + "/data/" + key);
  if (record == records_.end()) {
    return Malformed(
        absl::StrCat("its storage data/", CutUtf8(ValidUtf8(key), 100), " is not in the zip file"));
  }
  const int64_t elements = Item(id, 4).integer;
  const auto size = static_cast<int64_t>(record->second.size);
  if (elements < 0 || elements > size || elements * SafetensorsDtypeSize(*dtype) != size) {
    return Malformed(absl::StrCat("its storage ", Quoted(key), " has ", size,
                                  " bytes, which are not the ", elements, " elements of ",
                                  std::string(SafetensorsDtypeName(*dtype)), " it must hold"));
  }
  return Storage{*dtype, static_cast<int64_t>(record->second.begin), elements};
}

// A tuple of numbers from 0; torch.Size wraps one.
absl::StatusOr<std::vector<int64_t>> TorchReader::ReadSizes(const PickleValue& value) const {
  const PickleValue* tuple = &value;
  if (tuple->kind == PickleKind::kCall && Item(*tuple, 0).text == "torch Size" &&
      Item(*tuple, 1).items.size() == 1) {
    tuple = &Item(Item(*tuple, 1), 0);
  }
  if (tuple->kind != PickleKind::kTuple) return Malformed("its size or stride is no tuple");
  if (tuple->items.size() > kMaxDimensions) {
    return Malformed(
        absl::StrCat("it has ", tuple->items.size(), " dimensions (at most ", kMaxDimensions, ")"));
  }
  std::vector<int64_t> sizes;
  for (size_t i = 0; i < tuple->items.size(); ++i) {
    const PickleValue& size = Item(*tuple, i);
    if (size.kind != PickleKind::kInteger || size.integer < 0) {
      return Malformed("its size or stride is not made of whole numbers from 0");
    }
    sizes.push_back(size.integer);
  }
  return sizes;
}

// One more than the largest offset, in elements, that a tensor of at least one element reads from
// `offset` on. Nothing where it does not fit.
std::optional<int64_t> EndOf(int64_t offset, const std::vector<int64_t>& shape,
                             const std::vector<int64_t>& strides) {
  int64_t end = 0, reach = 0;
  if (__builtin_add_overflow(offset, 1, &end)) return std::nullopt;
  for (size_t d = 0; d < shape.size(); ++d) {
    if (__builtin_mul_overflow(shape[d] - 1, strides[d], &reach) ||
        __builtin_add_overflow(end, reach, &end)) {
      return std::nullopt;
    }
  }
  return end;
}

std::string Text(const std::vector<int64_t>& sizes) {
  return absl::StrCat("[", absl::StrJoin(sizes, ", "), "]");
}

absl::StatusOr<TensorEntry> TorchReader::ReadTensor(std::string name,
                                                    const PickleValue& value) const {
  HOMOLOG_ASSIGN_OR_RETURN(const PickleValue* call, Unwrap(value));
  const PickleValue& arguments = Item(*call, 1);
  HOMOLOG_ASSIGN_OR_RETURN(const Storage storage, ReadStorage(Item(arguments, 0)));
  TensorEntry entry;
  entry.name = std::move(name);
  entry.dtype = storage.dtype;
  HOMOLOG_ASSIGN_OR_RETURN(entry.shape, ReadSizes(Item(arguments, 2)));
  HOMOLOG_ASSIGN_OR_RETURN(entry.strides, ReadSizes(Item(arguments, 3)));
  if (entry.shape.size() != entry.strides.size()) {
    return Malformed(absl::StrCat("it has the size ", Text(entry.shape), " and the stride ",
                                  Text(entry.strides), ", which must be equally long"));
  }
  const PickleValue& first = Item(arguments, 1);
  const int64_t offset = first.kind == PickleKind::kInteger ? first.integer : -1;
  const std::optional<int64_t> count = ElementCount(entry.shape);
  const std::optional<int64_t> end =
      count == 0 ? offset : EndOf(offset, entry.shape, entry.strides);
  if (offset < 0 || offset > storage.elements || !end || *end > storage.elements) {
    return Malformed(absl::StrCat("its size ", Text(entry.shape), ", stride ", Text(entry.strides),
                                  " and offset ", offset, " leave its storage of ",
                                  storage.elements, " elements"));
  }
  const int64_t element = SafetensorsDtypeSize(entry.dtype);
  if (!count || *count > kMaxElementBytesPerByte * static_cast<int64_t>(file_.size()) / element) {
    return Malformed(absl::StrCat("its size ", Text(entry.shape), " repeats the ", storage.elements,
                                  " elements of its storage too often"));
  }
  entry.begin = storage.begin + offset * element;
  entry.extent = (*end - offset) * element;
  return entry;
}

}  // namespace

absl::StatusOr<std::vector<TensorEntry>> ParseTorchFile(std::string_view file) {
  if (IsLegacy(file)) {
    return Unsupported(
        "the file has the layout from before PyTorch 1.6; convert it with PyTorch 1.6 or later: "
        "torch.save(torch.load(path), path), or model.save_pretrained(folder, "
        "safe_serialization=True)");
  }
  HOMOLOG_ASSIGN_OR_RETURN(ZipDirectory records, ParseZip(file));
  HOMOLOG_ASSIGN_OR_RETURN(std::string top, TopFolder(records));
  HOMOLOG_RETURN_IF_ERROR(CheckByteOrder(file, records, top));
  const std::string name = absl::StrCat(top, "/data.pkl");
  const ZipRecord& record = records.at(name);
  // One that is too large is refused unread.
  if (record.size <= kMaxPickleBytes) HOMOLOG_RETURN_IF_ERROR(CheckCrc(file, name, record));
  HOMOLOG_ASSIGN_OR_RETURN(Pickle pickle, ParsePickle(file.substr(record.begin, record.size)));
  return TorchReader(file, std::move(records), std::move(top), std::move(pickle)).Read();
}

}  // namespace homolog::tensorfiles
