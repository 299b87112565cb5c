#include "server/tensorfiles/pickle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "common/error.h"
#include "tests/unit/server/tensorfiles/torch_bytes.h"

namespace homolog::tensorfiles {
namespace {

using ::homolog::testing::Global;
using ::homolog::testing::Little;
using ::homolog::testing::PickleOf;
using ::homolog::testing::StateDictProgram;
using ::homolog::testing::Text;
using ::testing::AllOf;
using ::testing::HasSubstr;

// What a pickle holds, as text; values deeper than `depth` as "..".
std::string Show(const Pickle& pickle, const PickleValue& value, int depth = 6) {
  if (depth == 0) return "..";
  std::string items;
  for (const PickleIndex item : value.items) {
    items += (items.empty() ? "" : " ") + Show(pickle, pickle.value(item), depth - 1);
  }
  switch (value.kind) {
    case PickleKind::kNone:
      return "None";
    case PickleKind::kBool:
      return value.integer == 0 ? "False" : "True";
    case PickleKind::kInteger:
      return std::to_string(value.integer);
    case PickleKind::kFloat:
      return "float";
    case PickleKind::kString:
      return "'" + std::string(value.text) + "'";
    case PickleKind::kBytes:
      return "b'" + std::string(value.text) + "'";
    case PickleKind::kGlobal:
      return "<" + std::string(value.text) + ">";
    case PickleKind::kTuple:
      return "(" + items + ")";
    case PickleKind::kList:
      return "[" + items + "]";
    case PickleKind::kDict:
      return "{" + items + "}";
    case PickleKind::kOrderedDict:
      return "OD{" + items + "}";
    case PickleKind::kCall:
      return "call(" + items + ")";
    case PickleKind::kPersistentId:
      return "id(" + items + ")";
  }
  return "?";
}

std::string Read(const std::string& program) {
  const std::string bytes = PickleOf(program);
  const auto pickle = ParsePickle(bytes);
  return pickle.ok() ? Show(*pickle, pickle->root()) : pickle.status().ToString();
}

void ExpectRefused(const std::string& bytes, const std::string& reason,
                   const std::string& problem) {
  const absl::Status status = ParsePickle(bytes).status();
  EXPECT_EQ(ErrorReason(status), reason) << status << " " << problem;
  EXPECT_THAT(std::string(status.message()), HasSubstr(problem));
}

void ExpectMalformed(const std::string& program, const std::string& problem) {
  ExpectRefused(PickleOf(program), "MALFORMED_PICKLE", problem);
}

void ExpectUnsupported(const std::string& program, const std::string& problem) {
  ExpectRefused(PickleOf(program), "UNSUPPORTED_PICKLE", problem);
}

std::string Repeat(const std::string& text, size_t times) {
  std::string result;
  result.reserve(text.size() * times);
  for (size_t i = 0; i < times; ++i) result += text;
  return result;
}

TEST(PickleTest, ReadsConstants) {
  EXPECT_EQ(Read("N"), "None");
  EXPECT_EQ(Read("\x88"), "True");
  EXPECT_EQ(Read("\x89"), "False");
  EXPECT_EQ(Read("K\xff"), "255");
  EXPECT_EQ(Read("M\xff\xff"), "65535");
  EXPECT_EQ(Read("J\xfe\xff\xff\xff"), "-2");
  EXPECT_EQ(Read("J" + Little(70000, 4)), "70000");
  EXPECT_EQ(Read(std::string("\x8a\0", 2)), "0");
  EXPECT_EQ(Read("\x8a\1\xff"), "-1");
  EXPECT_EQ(Read(std::string("\x8a\2\xff\0", 4)), "255");
  EXPECT_EQ(Read("\x8a\x08" + Little(uint64_t{1} << 63, 8)), "-9223372036854775808");
  EXPECT_EQ(Read("\x8b" + Little(3, 4) + Little(70000, 3)), "70000");
  EXPECT_EQ(Read("G" + Little(0, 8)), "float");
}

TEST(PickleTest, ReadsTexts) {
  EXPECT_EQ(Read("X" + Little(2, 4) + "ab"), "'ab'");
  EXPECT_EQ(Read("\x8c\2"
                 "ab"),
            "'ab'");
  EXPECT_EQ(Read("\x8d" + Little(2, 8) + "ab"), "'ab'");
  EXPECT_EQ(Read("T" + Little(2, 4) + "ab"), "'ab'");
  EXPECT_EQ(Read("U\2ab"), "'ab'");
  EXPECT_EQ(Read("B" + Little(2, 4) + "ab"), "b'ab'");
  EXPECT_EQ(Read("C\2ab"), "b'ab'");
  EXPECT_EQ(Read("\x8e" + Little(2, 8) + "ab"), "b'ab'");
}

TEST(PickleTest, ReadsContainers) {
  EXPECT_EQ(Read(")"), "()");
  EXPECT_EQ(Read("N\x85"), "(None)");
  EXPECT_EQ(Read("K\1K\2\x86"), "(1 2)");
  EXPECT_EQ(Read("K\1K\2K\3\x87"), "(1 2 3)");
  EXPECT_EQ(Read("(K\1K\2K\3K\4t"), "(1 2 3 4)");
  EXPECT_EQ(Read("(t"), "()");
  EXPECT_EQ(Read("]K\1a"), "[1]");
  EXPECT_EQ(Read("](K\1K\2e"), "[1 2]");
  EXPECT_EQ(Read("](K\1eK\2a"), "[1 2]");
  EXPECT_EQ(Read("}K\1K\2s"), "{1 2}");
  EXPECT_EQ(Read("}(K\1K\2K\3K\4u"), "{1 2 3 4}");
  EXPECT_EQ(Read("}(u"), "{}");
}

TEST(PickleTest, TakesFromTheStackAndPutsBack) {
  EXPECT_EQ(Read("K\1K\2"
                 "0"),
            "1");
  EXPECT_EQ(Read("K\1(0"), "1");
  EXPECT_EQ(Read("K\1(K\2K\3"
                 "1"),
            "1");
  EXPECT_EQ(Read("K\1"
                 "2\x86"),
            "(1 1)");
}

TEST(PickleTest, RemembersValues) {
  EXPECT_EQ(Read(std::string("K\7q\0"
                             "0h\0",
                             7)),
            "7");
  EXPECT_EQ(Read("K\7r" + Little(70000, 4) + "0j" + Little(70000, 4)), "7");
  EXPECT_EQ(Read(std::string("K\7\x94K\x08\x94\x86h\0h\1\x86\x86", 13)), "((7 8) (7 8))");
}

TEST(PickleTest, ReadsCallsWithoutMakingThem) {
  EXPECT_EQ(Read("ctorch\nFloatStorage\n"), "<torch FloatStorage>");
  EXPECT_EQ(Read(Text("torch") + Text("FloatStorage") + "\x93"), "<torch FloatStorage>");
  EXPECT_EQ(Read("ctorch\nSize\nK\1\x85R"), "call(<torch Size> (1))");
  EXPECT_EQ(Read("N\x85Q"), "id((None))");
  const std::string dict = Global("collections", "OrderedDict") + ")R";
  EXPECT_EQ(Read(dict + "K\1K\2s"), "OD{1 2}");
  EXPECT_EQ(Read(dict + "}" + Text("_metadata") + dict + "sb"), "OD{}");
}

TEST(PickleTest, KnowsEveryGlobalOfAStateDict) {
  for (const char* name :
       {"Double", "Float", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool"}) {
    const std::string full = std::string(name) + "Storage";
    EXPECT_EQ(Read(Global("torch", full)), "<torch " + full + ">");
  }
  for (const char* name : {"_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_parameter"}) {
    EXPECT_EQ(Read(Global("torch._utils", name)), std::string("<torch._utils ") + name + ">");
  }
}

TEST(PickleTest, RefusesOtherGlobalsByTheirFullNames) {
  ExpectUnsupported("cos\nsystem\n" + Text("echo owned") + "\x85R", "\"os.system\"");
  ExpectUnsupported(Text("os") + Text("system") + "\x93", "\"os.system\"");
  for (const char* name : {"builtins.eval", "posix.system", "torch.load", "torch.Float",
                           "torch.FloatStorageX", "torc.hFloatStorage", "collections.deque"}) {
    const std::string full = name;
    const size_t dot = full.find('.');
    ExpectUnsupported(Global(full.substr(0, dot), full.substr(dot + 1)), "\"" + full + "\"");
  }
  // Neither of the two halves may make up for the other.
  ExpectUnsupported("c\ntorch FloatStorage\n", "\".torch FloatStorage\"");
  ExpectUnsupported("ctorch FloatStorage\n\n", "\"torch FloatStorage.\"");
}

TEST(PickleTest, QuotesGlobalsThatAreNoText) {
  const absl::Status status =
      ParsePickle(PickleOf(Global(std::string(5000, '\xff'), "a\tb"))).status();
  EXPECT_EQ(ErrorReason(status), "UNSUPPORTED_PICKLE");
  EXPECT_LT(status.message().size(), 500u);
}

TEST(PickleTest, RefusesInstructionsThatNoStateDictNeeds) {
  // INST, OBJ, NEWOBJ, NEWOBJ_EX, EXT1, PERSID, INT, LONG, FLOAT, STRING, UNICODE, LIST, DICT, PUT,
  // GET, EMPTY_SET, ADDITEMS, FROZENSET, BYTEARRAY8, NEXT_BUFFER, READONLY_BUFFER, and none at all.
  for (const int code : std::initializer_list<int>{'i',  'o',  0x81, 0x92, 0x82, 'P',  'I', 'L',
                                                   'F',  'S',  'V',  'l',  'd',  'p',  'g', 0x8f,
                                                   0x90, 0x91, 0x96, 0x97, 0x98, 0x00, 0xff}) {
    const absl::Status status =
        ParsePickle(PickleOf(std::string("NN") + static_cast<char>(code))).status();
    EXPECT_EQ(ErrorReason(status), "UNSUPPORTED_PICKLE") << code << " " << status;
    EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr("byte 4"), HasSubstr("0x")));
  }
}

TEST(PickleTest, RefusesOtherProtocols) {
  for (const int protocol : {0, 1, 6, 255}) {
    ExpectRefused("\x80" + Little(static_cast<uint64_t>(protocol), 1) + "N.", "UNSUPPORTED_PICKLE",
                  "has protocol " + std::to_string(protocol));
  }
}

TEST(PickleTest, RefusesStatesOfAnythingButADictionary) {
  ExpectUnsupported("ctorch\nSize\n)R}b", "sets the state of a call");
  ExpectUnsupported("]}b", "sets the state of a list");
  ExpectUnsupported(Global("collections", "OrderedDict") + "]\x85R", "OrderedDict of something");
}

TEST(PickleTest, RefusesInstructionsWithoutWhatTheyNeed) {
  for (const char* program :
       {"0",  "2", "\x85", "N\x86", "NN\x87", "a",     "]a",   "s",      "}Ns", "R",
        "NR", "b", "Nb",   "Q",     "\x93",   "N\x93", "\x94", "(N\x86", "N(Q", "N(2"}) {
    ExpectMalformed(program, "values");
  }
  for (const char* program : {"1", "t", "e", "u", "]Ne", "}NNu"}) ExpectMalformed(program, "mark");
  ExpectMalformed("q\1", "there are 0");
  ExpectMalformed("h\5", "no value has the number 5");
  ExpectMalformed("j" + Little(0xFFFFFFFF, 4), "no value has the number 4294967295");
}

TEST(PickleTest, RefusesItemsInWhatHoldsNone) {
  ExpectMalformed("NNa", "items are added to None");
  ExpectMalformed(")Na", "items are added to a tuple");
  ExpectMalformed("}Na", "items are added to a dict");
  ExpectMalformed("]NNs", "items are added to a list");
  ExpectMalformed("}(Nu", "a key has no value");
}

TEST(PickleTest, RefusesCallsOfWhatCannotBeCalled) {
  ExpectMalformed("N)R", "a call must be of a global");
  ExpectMalformed("ctorch\nSize\nNR", "a call must be of a global");
  ExpectMalformed("NN\x93", "the name of a global is no string");
}

TEST(PickleTest, RefusesWhatIsLeftOverOrFollows) {
  ExpectMalformed("NN", "must end with one value");
  ExpectMalformed("", "must end with one value");
  ExpectMalformed("N(", "must end with one value");
  ExpectRefused(PickleOf("N") + "N", "MALFORMED_PICKLE", "follows its end");
}

TEST(PickleTest, RefusesLengthsBeyondItsEndWithoutMakingRoomForThem) {
  for (const char* code : {"X", "T", "B"}) ExpectMalformed(code + Little(0xFFFFFFFF, 4), "off");
  for (const char* code : {"\x8d", "\x8e"}) {
    ExpectMalformed(code + std::string(8, '\xff'), "breaks off within a text");
  }
  ExpectMalformed("\x8b" + Little(0xFFFFFFFF, 4), "breaks off within a number");
  ExpectMalformed("\x95" + std::string(8, '\xff'), "is longer than what follows");
  ExpectUnsupported("\x8b" + Little(9, 4) + std::string(9, '\1'), "integer of 9 bytes");
}

TEST(PickleTest, ReadsAStateDictInEveryProtocolAndRefusesItsEveryTruncation) {
  for (const int protocol : {2, 3, 4, 5}) {
    const std::string bytes = PickleOf(
        StateDictProgram({{.name = "w", .shape = {2}, .strides = {1}, .elements = 2}}, protocol),
        protocol);
    const auto pickle = ParsePickle(bytes);
    ASSERT_TRUE(pickle.ok()) << pickle.status();
    EXPECT_EQ(Show(*pickle, pickle->root(), 7),
              "OD{'w' call(<torch._utils _rebuild_tensor_v2> (id(('storage' <torch FloatStorage> "
              "'0' 'cpu' 2)) 0 (2) (1) False OD{}))}");
    for (size_t size = 0; size < bytes.size(); ++size) {
      EXPECT_FALSE(ParsePickle(std::string_view(bytes).substr(0, size)).ok()) << size;
    }
  }
}

TEST(PickleTest, ReadsCircles) {
  // A list within itself, and a dictionary within a tuple within it.
  EXPECT_EQ(Read(std::string("]q\0h\0a", 6)), "[[[[[[..]]]]]]");
  EXPECT_EQ(Read(std::string("}q\0Nh\0\x85s", 8)), "{None ({None ({None (..)})})}");
}

TEST(PickleTest, KeepsListsOfListsAsSmallAsTheyAreWritten) {
  // Each list holds the one before it twice: a billion billion values if they were copied.
  std::string program = "]q";
  program.push_back('\0');
  for (int i = 1; i < 60; ++i) {
    const char before = static_cast<char>(i - 1), here = static_cast<char>(i);
    program += std::string("0](h") + before + "h" + before + "eq" + here;
  }
  const std::string bytes = PickleOf(program);
  const auto pickle = ParsePickle(bytes);
  ASSERT_TRUE(pickle.ok()) << pickle.status();
  EXPECT_EQ(pickle->size(), 60u);
}

TEST(PickleTest, LimitsWhatItHolds) {
  ExpectUnsupported(Repeat("]", kMaxPickleValues + 1), "more than 1000000 values");
  ExpectUnsupported(Repeat("(", kMaxPickleDepth + 1), "nested deeper than 1000");
  ExpectUnsupported(std::string(kMaxPickleBytes, 'N'), "bytes (at most");
  std::string puts = "N";
  for (size_t i = 0; i <= kMaxPickleValues; ++i) puts += "r" + Little(i, 4);
  ExpectUnsupported(puts, "remembers more than");
  // One value, however often it is pushed.
  EXPECT_EQ(Read("]" + Repeat("N", kMaxPickleValues + 10) + Repeat("0", kMaxPickleValues + 10)),
            "[]");
}

TEST(PickleTest, SurvivesEveryByteThatIsChanged) {
  const std::string bytes = PickleOf(
      StateDictProgram({{.name = "w", .shape = {2, 3}, .strides = {3, 1}, .elements = 6}}));
  for (size_t at = 0; at < bytes.size(); ++at) {
    std::string changed = bytes;
    for (int value = 0; value < 256; ++value) {
      changed[at] = static_cast<char>(value);
      ParsePickle(changed).status().IgnoreError();
    }
  }
}

TEST(PickleTest, SurvivesNoise) {
  std::mt19937 random(7);
  const std::string codes =
      "\x80\x95.(012N\x88\x89JKM\x8a\x8bGTUX\x8c\x8d"
      "BC\x8e)t\x85\x86\x87]ae}suqr\x94hjc\x93RbQ";
  for (int i = 0; i < 50'000; ++i) {
    std::string bytes = "\x80\2";
    const size_t size = random() % 60;
    while (bytes.size() < size) {
      bytes.push_back(random() % 3 == 0 ? static_cast<char>(random() % 4)
                                        : codes[random() % codes.size()]);
    }
    ParsePickle(bytes).status().IgnoreError();
  }
}

}  // namespace
}  // namespace homolog::tensorfiles
