#include "server/tensorfiles/pickle.h"

#include <algorithm>
#include <bit>
#include <optional>
#include <unordered_map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "common/text.h"
#include "server/tensorfiles/little_endian.h"

namespace homolog::tensorfiles {
namespace {

// As in CPython's Lib/pickle.py.
enum Opcode : uint8_t {
  kProto = 0x80,
  kFrame = 0x95,
  kStop = '.',
  kMark = '(',
  kPop = '0',
  kPopMark = '1',
  kDup = '2',
  kNone = 'N',
  kNewTrue = 0x88,
  kNewFalse = 0x89,
  kBinInt = 'J',
  kBinInt1 = 'K',
  kBinInt2 = 'M',
  kLong1 = 0x8a,
  kLong4 = 0x8b,
  kBinFloat = 'G',
  kBinString = 'T',
  kShortBinString = 'U',
  kBinUnicode = 'X',
  kShortBinUnicode = 0x8c,
  kBinUnicode8 = 0x8d,
  kBinBytes = 'B',
  kShortBinBytes = 'C',
  kBinBytes8 = 0x8e,
  kEmptyTuple = ')',
  kTuple = 't',
  kTuple1 = 0x85,
  kTuple2 = 0x86,
  kTuple3 = 0x87,
  kEmptyList = ']',
  kAppend = 'a',
  kAppends = 'e',
  kEmptyDict = '}',
  kSetItem = 's',
  kSetItems = 'u',
  kBinPut = 'q',
  kLongBinPut = 'r',
  kMemoize = 0x94,
  kBinGet = 'h',
  kLongBinGet = 'j',
  kGlobal = 'c',
  kStackGlobal = 0x93,
  kReduce = 'R',
  kBuild = 'b',
  kBinPersId = 'Q',
};

constexpr std::string_view kOrderedDict = "collections OrderedDict";

// Module and name of everything that a dictionary of tensors may ask for.
constexpr std::string_view kGlobals[] = {kOrderedDict,
                                         "torch._utils _rebuild_tensor",
                                         "torch._utils _rebuild_tensor_v2",
                                         "torch._utils _rebuild_parameter",
                                         "torch Size",
                                         "torch DoubleStorage",
                                         "torch FloatStorage",
                                         "torch HalfStorage",
                                         "torch BFloat16Storage",
                                         "torch LongStorage",
                                         "torch IntStorage",
                                         "torch ShortStorage",
                                         "torch CharStorage",
                                         "torch ByteStorage",
                                         "torch BoolStorage"};

bool IsDict(const PickleValue& value) {
  return value.kind == PickleKind::kDict || value.kind == PickleKind::kOrderedDict;
}

}  // namespace

std::string PickleKindName(PickleKind kind) {
  static constexpr const char* kNames[] = {
      "None",   "a bool", "an integer", "a float", "a string",       "bytes",          "a tuple",
      "a list", "a dict", "a global",   "a call",  "an OrderedDict", "a persistent id"};
  return kNames[static_cast<size_t>(kind)];
}

// The machine that a pickle is a program for: a stack, marks on it, and a memo of values met.
class PickleReader {
 public:
  explicit PickleReader(std::string_view bytes) : bytes_(bytes) {}

  absl::StatusOr<Pickle> Read();

 private:
  absl::Status Malformed(std::string_view problem) const;
  absl::Status Unsupported(std::string_view problem) const;

  // Bytes. False where they break off; nothing is taken then.
  bool Take(size_t size, std::string_view& bytes);
  bool TakeNumber(size_t size, uint64_t& number);
  bool TakeCounted(size_t length_size, std::string_view& bytes);
  bool TakeLine(std::string_view& line);

  // One instruction, by what it is about; nothing where `code` is none of the kind.
  absl::Status Execute(uint8_t code);
  std::optional<absl::Status> ExecuteConstant(uint8_t code);
  std::optional<absl::Status> ExecuteText(uint8_t code);
  std::optional<absl::Status> ExecuteContainer(uint8_t code);
  std::optional<absl::Status> ExecuteStack(uint8_t code);
  std::optional<absl::Status> ExecuteMemo(uint8_t code);
  std::optional<absl::Status> ExecuteObject(uint8_t code);

  absl::Status PushInteger(size_t size);
  absl::Status PushLong(size_t length_size);
  absl::Status PushText(PickleKind kind, size_t length_size);
  absl::Status PushTuple(size_t size);
  absl::Status PushGlobal(std::string_view module, std::string_view name);
  absl::Status PushStackGlobal();
  absl::Status AddItems(bool to_dict, size_t size);
  absl::Status AddMarkedItems(bool to_dict);
  absl::Status Remember(uint64_t key);
  absl::Status Recall(uint64_t key);
  absl::Status Reduce();
  absl::Status Build();
  absl::Status Pop();
  absl::Status Protocol();
  absl::Status Frame();

  absl::Status Push(PickleValue value);
  absl::Status PushSimple(PickleKind kind, int64_t integer);
  // Values above the last mark: what an instruction may take from the stack.
  size_t Available() const { return stack_.size() - (marks_.empty() ? 0 : marks_.back()); }
  absl::Status Need(size_t values) const;
  PickleIndex TakeTop();
  std::vector<PickleIndex> TakeTop(size_t values);

  const std::string_view bytes_;
  size_t position_ = 0;
  size_t instruction_ = 0;  // where the current one starts
  Pickle pickle_;
  std::vector<PickleIndex> stack_;
  std::vector<size_t> marks_;  // heights of the stack
  std::unordered_map<uint64_t, PickleIndex> memo_;
  // None, False and True, made once: one byte may push each.
  std::optional<PickleIndex> simple_[3];
};

absl::Status PickleReader::Malformed(std::string_view problem) const {
  return InvalidArgument("MALFORMED_PICKLE",
                         absl::StrCat("the pickle is damaged at byte ", instruction_, ": ",
                                      absl::string_view(problem.data(), problem.size())));
}

absl::Status PickleReader::Unsupported(std::string_view problem) const {
  return InvalidArgument(
      "UNSUPPORTED_PICKLE",
      absl::StrCat("the pickle, at byte ", instruction_, ", ",
                   absl::string_view(problem.data(), problem.size()),
                   "; only dictionaries of plain tensors are read, and nothing is executed"));
}

bool PickleReader::Take(size_t size, std::string_view& bytes) {
  if (size > bytes_.size() - position_) return false;
  bytes = bytes_.substr(position_, size);
  position_ += size;
  return true;
}

bool PickleReader::TakeNumber(size_t size, uint64_t& number) {
  std::string_view bytes;
  if (!Take(size, bytes)) return false;
  number = LittleEndian(bytes, 0, size);
  return true;
}

bool PickleReader::TakeCounted(size_t length_size, std::string_view& bytes) {
  uint64_t length = 0;
  return TakeNumber(length_size, length) && Take(length, bytes);
}

bool PickleReader::TakeLine(std::string_view& line) {
  const size_t end = bytes_.find('\n', position_);
  if (end == bytes_.npos) return false;
  line = bytes_.substr(position_, end - position_);
  position_ = end + 1;
  return true;
}

absl::Status PickleReader::Push(PickleValue value) {
  if (pickle_.values_.size() == kMaxPickleValues) {
    return Unsupported(absl::StrCat("has more than ", kMaxPickleValues, " values"));
  }
  stack_.push_back(static_cast<PickleIndex>(pickle_.values_.size()));
  pickle_.values_.push_back(std::move(value));
  return absl::OkStatus();
}

absl::Status PickleReader::PushSimple(PickleKind kind, int64_t integer) {
  std::optional<PickleIndex>& made =
      simple_[kind == PickleKind::kNone ? 0 : 1 + static_cast<size_t>(integer)];
  if (made) {
    stack_.push_back(*made);
    return absl::OkStatus();
  }
  HOMOLOG_RETURN_IF_ERROR(Push({.kind = kind, .integer = integer, .text = {}, .items = {}}));
  made = stack_.back();
  return absl::OkStatus();
}

absl::Status PickleReader::Need(size_t values) const {
  if (Available() >= values) return absl::OkStatus();
  return Malformed(
      absl::StrCat("an instruction needs ", values, " values, and there are ", Available()));
}

PickleIndex PickleReader::TakeTop() {
  const PickleIndex top = stack_.back();
  stack_.pop_back();
  return top;
}

std::vector<PickleIndex> PickleReader::TakeTop(size_t values) {
  std::vector<PickleIndex> taken(stack_.end() - static_cast<std::ptrdiff_t>(values), stack_.end());
  stack_.resize(stack_.size() - values);
  return taken;
}

absl::Status PickleReader::PushInteger(size_t size) {
  uint64_t number = 0;
  if (!TakeNumber(size, number)) return Malformed("it breaks off within a number");
  // Of the three sizes only four bytes have a sign.
  const int64_t value = size == 4 ? static_cast<int32_t>(number) : static_cast<int64_t>(number);
  return Push({.kind = PickleKind::kInteger, .integer = value, .text = {}, .items = {}});
}

absl::Status PickleReader::PushLong(size_t length_size) {
  std::string_view bytes;
  if (!TakeCounted(length_size, bytes)) return Malformed("it breaks off within a number");
  if (bytes.size() > 8) {
    return Unsupported(absl::StrCat("has an integer of ", bytes.size(), " bytes (at most 8)"));
  }
  uint64_t value = LittleEndian(bytes, 0, bytes.size());
  const bool negative = !bytes.empty() && (bytes.back() & 0x80) != 0;
  if (negative && bytes.size() < 8) value |= ~uint64_t{0} << (8 * bytes.size());
  return Push({.kind = PickleKind::kInteger,
               .integer = static_cast<int64_t>(value),
               .text = {},
               .items = {}});
}

absl::Status PickleReader::PushText(PickleKind kind, size_t length_size) {
  PickleValue value;
  value.kind = kind;
  if (!TakeCounted(length_size, value.text)) return Malformed("it breaks off within a text");
  return Push(std::move(value));
}

absl::Status PickleReader::PushTuple(size_t size) {
  HOMOLOG_RETURN_IF_ERROR(Need(size));
  PickleValue tuple;
  tuple.kind = PickleKind::kTuple;
  tuple.items = TakeTop(size);
  return Push(std::move(tuple));
}

absl::Status PickleReader::PushGlobal(std::string_view module, std::string_view name) {
  for (const std::string_view known : kGlobals) {
    if (known.size() != module.size() + 1 + name.size() || !known.starts_with(module) ||
        known[module.size()] != ' ' || !known.ends_with(name)) {
      continue;
    }
    return Push({.kind = PickleKind::kGlobal, .integer = 0, .text = known, .items = {}});
  }
  const std::string full =
      absl::StrCat(CutUtf8(ValidUtf8(module), 100), ".", CutUtf8(ValidUtf8(name), 100));
  return Unsupported(absl::StrCat("asks for ", Quoted(full), ", which is refused"));
}

absl::Status PickleReader::PushStackGlobal() {
  HOMOLOG_RETURN_IF_ERROR(Need(2));
  const PickleValue& name = pickle_.value(TakeTop());
  const PickleValue& module = pickle_.value(TakeTop());
  if (name.kind != PickleKind::kString || module.kind != PickleKind::kString) {
    return Malformed("the name of a global is no string");
  }
  return PushGlobal(module.text, name.text);
}

absl::Status PickleReader::AddItems(bool to_dict, size_t size) {
  HOMOLOG_RETURN_IF_ERROR(Need(size + 1));
  const std::vector<PickleIndex> items = TakeTop(size);
  PickleValue& target = pickle_.values_[stack_.back()];
  const bool fits = to_dict ? IsDict(target) : target.kind == PickleKind::kList;
  if (!fits) {
    return Malformed(absl::StrCat("items are added to ", PickleKindName(target.kind)));
  }
  if (to_dict && size % 2 != 0) return Malformed("a key has no value");
  target.items.insert(target.items.end(), items.begin(), items.end());
  return absl::OkStatus();
}

absl::Status PickleReader::AddMarkedItems(bool to_dict) {
  if (marks_.empty()) return Malformed("an instruction needs a mark, and there is none");
  const size_t size = Available();
  marks_.pop_back();
  return AddItems(to_dict, size);
}

absl::Status PickleReader::Remember(uint64_t key) {
  HOMOLOG_RETURN_IF_ERROR(Need(1));
  memo_[key] = stack_.back();
  if (memo_.size() <= kMaxPickleValues) return absl::OkStatus();
  return Unsupported(absl::StrCat("remembers more than ", kMaxPickleValues, " values"));
}

absl::Status PickleReader::Recall(uint64_t key) {
  const auto found = memo_.find(key);
  if (found == memo_.end()) return Malformed(absl::StrCat("no value has the number ", key));
  stack_.push_back(found->second);
  return absl::OkStatus();
}

absl::Status PickleReader::Reduce() {
  HOMOLOG_RETURN_IF_ERROR(Need(2));
  const PickleIndex arguments = TakeTop(), callee = TakeTop();
  const PickleValue& global = pickle_.value(callee);
  if (global.kind != PickleKind::kGlobal || pickle_.value(arguments).kind != PickleKind::kTuple) {
    return Malformed("a call must be of a global with a tuple of arguments");
  }
  PickleValue call;
  if (global.text == kOrderedDict) {
    if (!pickle_.value(arguments).items.empty()) {
      return Unsupported("makes an OrderedDict of something");
    }
    call.kind = PickleKind::kOrderedDict;
  } else {
    call.kind = PickleKind::kCall;
    call.items = {callee, arguments};
  }
  return Push(std::move(call));
}

// A state dict has attributes besides its items (`_metadata`: versions of modules), which say
// nothing of its tensors.
absl::Status PickleReader::Build() {
  HOMOLOG_RETURN_IF_ERROR(Need(2));
  TakeTop();
  const PickleKind kind = pickle_.value(stack_.back()).kind;
  if (kind == PickleKind::kOrderedDict) return absl::OkStatus();
  return Unsupported(absl::StrCat("sets the state of ", PickleKindName(kind)));
}

absl::Status PickleReader::Pop() {
  if (!marks_.empty() && Available() == 0) {
    marks_.pop_back();
    return absl::OkStatus();
  }
  HOMOLOG_RETURN_IF_ERROR(Need(1));
  TakeTop();
  return absl::OkStatus();
}

absl::Status PickleReader::Protocol() {
  uint64_t protocol = 0;
  if (!TakeNumber(1, protocol)) return Malformed("it breaks off within its protocol");
  if (protocol >= 2 && protocol <= 5) return absl::OkStatus();
  return Unsupported(absl::StrCat("has protocol ", protocol, " (2 to 5 are known)"));
}

// Frames tell a reader how much to read ahead, and mean nothing besides.
absl::Status PickleReader::Frame() {
  uint64_t length = 0;
  if (!TakeNumber(8, length)) return Malformed("it breaks off within a frame's length");
  if (length <= bytes_.size() - position_) return absl::OkStatus();
  return Malformed(absl::StrCat("a frame of ", length, " bytes is longer than what follows, ",
                                bytes_.size() - position_, " bytes"));
}

std::optional<absl::Status> PickleReader::ExecuteConstant(uint8_t code) {
  std::string_view skipped;
  switch (code) {
    case kNone:
      return PushSimple(PickleKind::kNone, 0);
    case kNewFalse:
      return PushSimple(PickleKind::kBool, 0);
    case kNewTrue:
      return PushSimple(PickleKind::kBool, 1);
    case kBinInt1:
      return PushInteger(1);
    case kBinInt2:
      return PushInteger(2);
    case kBinInt:
      return PushInteger(4);
    case kLong1:
      return PushLong(1);
    case kLong4:
      return PushLong(4);
    case kBinFloat:
      if (!Take(8, skipped)) return Malformed("it breaks off within a number");
      return Push({.kind = PickleKind::kFloat, .integer = 0, .text = {}, .items = {}});
    default:
      return std::nullopt;
  }
}

std::optional<absl::Status> PickleReader::ExecuteText(uint8_t code) {
  switch (code) {
    case kShortBinUnicode:
    case kShortBinString:
      return PushText(PickleKind::kString, 1);
    case kBinUnicode:
    case kBinString:
      return PushText(PickleKind::kString, 4);
    case kBinUnicode8:
      return PushText(PickleKind::kString, 8);
    case kShortBinBytes:
      return PushText(PickleKind::kBytes, 1);
    case kBinBytes:
      return PushText(PickleKind::kBytes, 4);
    case kBinBytes8:
      return PushText(PickleKind::kBytes, 8);
    default:
      return std::nullopt;
  }
}

std::optional<absl::Status> PickleReader::ExecuteContainer(uint8_t code) {
  size_t size = 0;
  switch (code) {
    case kEmptyTuple:
      return PushTuple(0);
    case kTuple1:
      return PushTuple(1);
    case kTuple2:
      return PushTuple(2);
    case kTuple3:
      return PushTuple(3);
    case kTuple:
      if (marks_.empty()) return Malformed("a tuple needs a mark, and there is none");
      size = Available();
      marks_.pop_back();
      return PushTuple(size);
    case kEmptyList:
      return Push({.kind = PickleKind::kList, .integer = 0, .text = {}, .items = {}});
    case kEmptyDict:
      return Push({.kind = PickleKind::kDict, .integer = 0, .text = {}, .items = {}});
    case kAppend:
      return AddItems(/*to_dict=*/false, 1);
    case kAppends:
      return AddMarkedItems(/*to_dict=*/false);
    case kSetItem:
      return AddItems(/*to_dict=*/true, 2);
    case kSetItems:
      return AddMarkedItems(/*to_dict=*/true);
    default:
      return std::nullopt;
  }
}

std::optional<absl::Status> PickleReader::ExecuteStack(uint8_t code) {
  switch (code) {
    case kMark:
      if (marks_.size() == kMaxPickleDepth) {
        return Unsupported(absl::StrCat("is nested deeper than ", kMaxPickleDepth, " levels"));
      }
      marks_.push_back(stack_.size());
      return absl::OkStatus();
    case kPop:
      return Pop();
    case kPopMark:
      if (marks_.empty()) return Malformed("an instruction needs a mark, and there is none");
      stack_.resize(marks_.back());
      marks_.pop_back();
      return absl::OkStatus();
    case kDup:
      if (const absl::Status status = Need(1); !status.ok()) return status;
      stack_.push_back(stack_.back());
      return absl::OkStatus();
    default:
      return std::nullopt;
  }
}

std::optional<absl::Status> PickleReader::ExecuteMemo(uint8_t code) {
  if (code == kMemoize) return Remember(memo_.size());
  const bool put = code == kBinPut || code == kLongBinPut;
  if (!put && code != kBinGet && code != kLongBinGet) return std::nullopt;
  uint64_t key = 0;
  const size_t size = code == kBinPut || code == kBinGet ? 1 : 4;
  if (!TakeNumber(size, key)) return Malformed("it breaks off within a value's number");
  return put ? Remember(key) : Recall(key);
}

std::optional<absl::Status> PickleReader::ExecuteObject(uint8_t code) {
  std::string_view module, name;
  switch (code) {
    case kGlobal:
      if (!TakeLine(module) || !TakeLine(name)) return Malformed("it breaks off within a name");
      return PushGlobal(module, name);
    case kStackGlobal:
      return PushStackGlobal();
    case kReduce:
      return Reduce();
    case kBuild:
      return Build();
    case kBinPersId: {
      if (const absl::Status status = Need(1); !status.ok()) return status;
      PickleValue id;
      id.kind = PickleKind::kPersistentId;
      id.items = {TakeTop()};
      return Push(std::move(id));
    }
    case kProto:
      return Protocol();
    case kFrame:
      return Frame();
    default:
      return std::nullopt;
  }
}

absl::Status PickleReader::Execute(uint8_t code) {
  using Handler = std::optional<absl::Status> (PickleReader::*)(uint8_t);
  for (const Handler handler : {&PickleReader::ExecuteMemo, &PickleReader::ExecuteConstant,
                                &PickleReader::ExecuteText, &PickleReader::ExecuteContainer,
                                &PickleReader::ExecuteStack, &PickleReader::ExecuteObject}) {
    if (const std::optional<absl::Status> done = (this->*handler)(code)) return *done;
  }
  return Unsupported(absl::StrCat("has the instruction 0x", absl::Hex(code, absl::kZeroPad2)));
}

absl::StatusOr<Pickle> PickleReader::Read() {
  if (bytes_.size() > kMaxPickleBytes) {
    return Unsupported(
        absl::StrCat("has ", bytes_.size(), " bytes (at most ", kMaxPickleBytes, ")"));
  }
  while (position_ < bytes_.size()) {
    instruction_ = position_;
    const auto code = static_cast<uint8_t>(bytes_[position_++]);
    if (code != kStop) {
      HOMOLOG_RETURN_IF_ERROR(Execute(code));
      continue;
    }
    if (stack_.size() != 1 || !marks_.empty()) {
      return Malformed(absl::StrCat("it must end with one value, and ends with ", stack_.size(),
                                    " and ", marks_.size(), " open containers"));
    }
    if (position_ != bytes_.size()) return Malformed("something follows its end");
    pickle_.root_ = stack_.back();
    return std::move(pickle_);
  }
  instruction_ = position_;
  return Malformed("it breaks off");
}

absl::StatusOr<Pickle> ParsePickle(std::string_view bytes) { return PickleReader(bytes).Read(); }

}  // namespace homolog::tensorfiles
