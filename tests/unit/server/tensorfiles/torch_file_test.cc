#include "server/tensorfiles/torch_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "common/error.h"
#include "tests/unit/server/tensorfiles/torch_bytes.h"

namespace homolog::tensorfiles {
namespace {

using ::homolog::testing::Global;
using ::homolog::testing::Integer;
using ::homolog::testing::Little;
using ::homolog::testing::PickleOf;
using ::homolog::testing::StateDictProgram;
using ::homolog::testing::TensorProgram;
using ::homolog::testing::Text;
using ::homolog::testing::TorchFile;
using ::homolog::testing::TorchTensor;
using ::homolog::testing::Tuple;
using ::homolog::testing::ZipOf;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const TorchTensor kTensor = {.name = "w", .shape = {2, 3}, .strides = {3, 1}, .elements = 6};
const std::map<std::string, std::string> kStorage = {{"0", "abcdefghijklmnopqrstuvwx"}};

std::string FileOf(const TorchTensor& tensor) {
  return TorchFile(PickleOf(StateDictProgram({tensor})), kStorage);
}

std::string FileOfProgram(const std::string& program) {
  return TorchFile(PickleOf(program), kStorage);
}

void ExpectRefused(const std::string& file, const std::string& reason, const std::string& problem) {
  const absl::Status status = ParseTorchFile(file).status();
  EXPECT_EQ(ErrorReason(status), reason) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(problem));
}

void ExpectMalformed(const std::string& file, const std::string& problem) {
  ExpectRefused(file, "MALFORMED_TORCH_FILE", problem);
}

TEST(TorchFileTest, FindsTheBytesOfATensorInEveryProtocol) {
  for (const int protocol : {2, 3, 4, 5}) {
    const std::string file =
        TorchFile(PickleOf(StateDictProgram({kTensor}, protocol), protocol), kStorage);
    const auto entries = ParseTorchFile(file);
    ASSERT_TRUE(entries.ok()) << entries.status();
    ASSERT_EQ(entries->size(), 1u);
    const TensorEntry& entry = entries->front();
    EXPECT_EQ(entry.name, "w");
    EXPECT_EQ(entry.dtype, SafetensorsDtype::kF32);
    EXPECT_THAT(entry.shape, ElementsAre(2, 3));
    EXPECT_THAT(entry.strides, ElementsAre(3, 1));
    EXPECT_EQ(file.substr(entry.begin, entry.extent), kStorage.at("0"));
  }
}

TEST(TorchFileTest, KnowsEveryStorageByItsType) {
  const std::pair<const char*, SafetensorsDtype> types[] = {
      {"Double", SafetensorsDtype::kF64}, {"Float", SafetensorsDtype::kF32},
      {"Half", SafetensorsDtype::kF16},   {"BFloat16", SafetensorsDtype::kBF16},
      {"Long", SafetensorsDtype::kI64},   {"Int", SafetensorsDtype::kI32},
      {"Short", SafetensorsDtype::kI16},  {"Char", SafetensorsDtype::kI8},
      {"Byte", SafetensorsDtype::kU8},    {"Bool", SafetensorsDtype::kBool}};
  for (const auto& [name, dtype] : types) {
    TorchTensor tensor = kTensor;
    tensor.type = std::string(name) + "Storage";
    tensor.elements = 24 / SafetensorsDtypeSize(dtype);
    tensor.shape = {tensor.elements};
    tensor.strides = {1};
    const auto entries = ParseTorchFile(FileOf(tensor));
    ASSERT_TRUE(entries.ok()) << entries.status();
    EXPECT_EQ(entries->front().dtype, dtype);
    EXPECT_EQ(entries->front().extent, 24);
  }
}

TEST(TorchFileTest, DescribesTransposedExpandedScalarAndEmptyTensors) {
  TorchTensor transposed = kTensor, expanded = kTensor, scalar = kTensor, empty = kTensor;
  transposed.shape = {3, 2}, transposed.strides = {1, 3};
  expanded.shape = {4, 2}, expanded.strides = {0, 2}, expanded.offset = 1;
  scalar.shape = {}, scalar.strides = {}, scalar.offset = 5;
  empty.shape = {0, 3}, empty.strides = {3, 1}, empty.offset = 6;
  transposed.name = "t", expanded.name = "e", scalar.name = "s", empty.name = "0";
  const std::string file =
      TorchFile(PickleOf(StateDictProgram({transposed, expanded, scalar, empty})), kStorage);
  const auto entries = ParseTorchFile(file);
  ASSERT_TRUE(entries.ok()) << entries.status();
  const auto bytes = [&](size_t i) {
    return file.substr((*entries)[i].begin, (*entries)[i].extent);
  };
  EXPECT_EQ(bytes(0), kStorage.at("0"));
  EXPECT_THAT((*entries)[0].strides, ElementsAre(1, 3));
  EXPECT_EQ(bytes(1), kStorage.at("0").substr(4, 12));
  EXPECT_EQ(bytes(2), kStorage.at("0").substr(20, 4));
  EXPECT_EQ(bytes(3), "");
}

TEST(TorchFileTest, ReadsParametersOldTensorsSizesDictsAndAWrappedStateDict) {
  TorchTensor parameter = kTensor;
  parameter.parameter = true;
  EXPECT_TRUE(ParseTorchFile(FileOf(parameter)).ok());
  const std::string id = "(" + Text("storage") + Global("torch", "FloatStorage") + Text("0") +
                         Text("cpu") + Integer(6) + "tQ";
  const std::string size = Global("torch", "Size") + Tuple({2, 3}) + "\x85R";
  const std::string old = Global("torch._utils", "_rebuild_tensor") + "(" + id + Integer(0) + size +
                          Tuple({3, 1}) + "tR";
  const auto entries = ParseTorchFile(FileOfProgram("}" + Text("w") + old + "s"));
  ASSERT_TRUE(entries.ok()) << entries.status();
  EXPECT_THAT(entries->front().shape, ElementsAre(2, 3));
  const std::string state = StateDictProgram({kTensor});
  EXPECT_EQ(ParseTorchFile(FileOfProgram("}" + Text("state_dict") + state + "s"))->size(), 1u);
  const std::string metadata =
      "}" + Text("_metadata") + Global("collections", "OrderedDict") + ")RsNN00";
  EXPECT_EQ(ParseTorchFile(FileOfProgram(state + metadata + "b"))->size(), 1u);
  EXPECT_THAT(*ParseTorchFile(FileOfProgram("}")), IsEmpty());
}

TEST(TorchFileTest, ReadsFilesInZip64AndWithoutSizesThatFollow) {
  const std::string pickle = PickleOf(StateDictProgram({kTensor}));
  for (const auto options : {testing::ZipOptions{true, false}, {false, false}, {true, true}}) {
    EXPECT_TRUE(ParseTorchFile(TorchFile(pickle, kStorage, options)).ok());
  }
}

TEST(TorchFileTest, RefusesElementsBeyondTheirStorage) {
  auto refuse = [](std::vector<int64_t> shape, std::vector<int64_t> strides, int64_t offset) {
    TorchTensor tensor = kTensor;
    tensor.shape = std::move(shape);
    tensor.strides = std::move(strides);
    tensor.offset = offset;
    ExpectMalformed(FileOf(tensor), "leave its storage of 6 elements");
  };
  const int64_t huge = std::numeric_limits<int64_t>::max();
  refuse({2, 3}, {3, 1}, 1);
  refuse({2, 4}, {3, 1}, 0);
  refuse({2, 3}, {4, 1}, 0);
  refuse({2}, {huge}, 0);
  refuse({huge}, {huge}, 0);
  refuse({huge, huge}, {huge, huge}, huge);
  refuse({1}, {1}, -1);
  refuse({1}, {1}, huge);
  refuse({}, {}, 6);
  refuse({0}, {1}, 7);
}

TEST(TorchFileTest, RefusesTensorsThatRepeatFewBytesTooOften) {
  TorchTensor tensor = kTensor;
  tensor.strides = {0, 0};
  tensor.shape = {1 << 20, 1 << 20};
  ExpectMalformed(FileOf(tensor), "too often");
  tensor.shape = {std::numeric_limits<int64_t>::max(), 2};
  ExpectMalformed(FileOf(tensor), "too often");
  // None of them too often, but together.
  std::vector<TorchTensor> many;
  for (int i = 0; i < 100; ++i) {
    tensor.name = std::to_string(i);
    tensor.shape = {1000, 10};
    many.push_back(tensor);
  }
  ExpectMalformed(TorchFile(PickleOf(StateDictProgram(many)), kStorage), "may hold");
}

TEST(TorchFileTest, RefusesSizesAndStridesThatAreNone) {
  TorchTensor tensor = kTensor;
  tensor.strides = {1};
  ExpectMalformed(FileOf(tensor), "must be equally long");
  tensor.strides = {3, -1};
  ExpectMalformed(FileOf(tensor), "whole numbers from 0");
  tensor.strides = {3, 1}, tensor.shape = {-2, 3};
  ExpectMalformed(FileOf(tensor), "whole numbers from 0");
  tensor.shape = tensor.strides = std::vector<int64_t>(9, 1);
  ExpectMalformed(FileOf(tensor), "9 dimensions");
}

TEST(TorchFileTest, RefusesStoragesThatAreMissingOrOfAnotherSize) {
  TorchTensor tensor = kTensor;
  for (const int64_t elements :
       {int64_t{5}, int64_t{7}, int64_t{-6}, int64_t{0}, std::numeric_limits<int64_t>::max()}) {
    tensor.elements = elements;
    ExpectMalformed(FileOf(tensor), "24 bytes, which are not the " + std::to_string(elements));
  }
  tensor = kTensor;
  tensor.storage = "1";
  ExpectMalformed(FileOf(tensor), "data/1 is not in the zip file");
  tensor.storage = "../data.pkl";
  ExpectMalformed(FileOf(tensor), "is not in the zip file");
}

TEST(TorchFileTest, RefusesWhatIsNoDictionaryOfTensors) {
  ExpectMalformed(FileOfProgram("]"), "the file holds a list");
  ExpectMalformed(FileOfProgram(TensorProgram(kTensor)), "the file holds a call");
  ExpectMalformed(FileOfProgram("}" + Text("epoch") + "K\3s"),
                  "tensor \"epoch\": it is an integer");
  ExpectMalformed(FileOfProgram("}K\3K\3s"), "a key of the dictionary is an integer");
  const std::string tensor = Text("w") + TensorProgram(kTensor);
  ExpectMalformed(FileOfProgram("}(" + tensor + tensor + "u"), "\"w\" stands twice");
  const std::string state = Text("state_dict") + StateDictProgram({kTensor});
  ExpectMalformed(FileOfProgram("}(" + state + Text("epoch") + "K\3u"), "\"state_dict\": it is an");
}

TEST(TorchFileTest, RefusesCallsThatTorchDoesNotWrite) {
  const std::string v2 = Global("torch._utils", "_rebuild_tensor_v2");
  const std::string id = "(" + Text("storage") + Global("torch", "FloatStorage") + Text("0") +
                         Text("cpu") + Integer(6) + "tQ";
  auto refuse = [](const std::string& value, const std::string& problem) {
    ExpectMalformed(FileOfProgram("}" + Text("w") + value + "s"), problem);
  };
  const std::string sizes = Tuple({2, 3}) + Tuple({3, 1});
  refuse(v2 + ")R", "with 0 arguments");
  refuse(v2 + "(" + id + "K" + std::string(1, '\0') + sizes + "tR", "with 4 arguments");
  refuse(v2 + "(NNNNNNtR", "its storage is missing");
  refuse(v2 + "(NQNNNNNtR", "not described as torch.save does");
  refuse(v2 + "(" + id + "NNNNNtR", "no tuple");
  refuse(v2 + "(" + id + "N" + sizes + "NNtR", "offset -1 leave");
  refuse(v2 + "(" + id + Integer(0) + sizes + "\x89N}" + Text("neg") + "\x88stR", "7 arguments");
  refuse(Global("torch", "Size") + ")R", "torch Size");
  refuse(Global("torch._utils", "_rebuild_parameter") + ")R", "no arguments");
  // A parameter of a parameter, without end.
  refuse(Global("torch._utils", "_rebuild_parameter") + "]\x85R", "it is a list");
}

TEST(TorchFileTest, RefusesToRunAnything) {
  ExpectRefused(FileOfProgram("cos\nsystem\n" + Text("touch /tmp/owned") + "\x85R"),
                "UNSUPPORTED_PICKLE", "\"os.system\"");
}

TEST(TorchFileTest, RefusesOtherRecordsThanTorchWrites) {
  const std::string pickle = PickleOf("}");
  ExpectMalformed(ZipOf({{"a/other.pkl", pickle}}), "no record <folder>/data.pkl");
  ExpectMalformed(ZipOf({{"data.pkl", pickle}, {"a/b/data.pkl", pickle}}), "no record");
  ExpectMalformed(ZipOf({{"a/data.pkl", pickle}, {"b/data.pkl", pickle}}), "two records data.pkl");
  ExpectRefused(ZipOf({{"a/data.pkl", pickle}, {"a/byteorder", "big"}}), "UNSUPPORTED_TORCH_FILE",
                "\"big\"");
  EXPECT_TRUE(ParseTorchFile(ZipOf({{"a/data.pkl", pickle}})).ok());
}

TEST(TorchFileTest, SeesAPickleThatWasDamaged) {
  std::string file = FileOf(kTensor);
  file[file.find("cpu")] = 'C';
  ExpectRefused(file, "MALFORMED_ZIP", "CRC-32");
}

TEST(TorchFileTest, SaysHowToConvertTheLayoutsFromBeforeTheZip) {
  const std::string magic = "\x8a\x0al\xfc\x9c\x46\xf9 j\xa8P\x19.";
  for (const std::string& start :
       {"\x80\2" + magic, "\x80\3" + magic, "\x80\4\x95" + Little(13, 8) + magic}) {
    ExpectRefused(start + "\x80\2M\xe9\3.", "UNSUPPORTED_TORCH_FILE",
                  "torch.save(torch.load(path), path)");
  }
  ExpectRefused(std::string(257, '\0') + "ustar" + std::string(300, '\0'), "UNSUPPORTED_TORCH_FILE",
                "before PyTorch 1.6");
  ExpectRefused("not a zip", "MALFORMED_ZIP", "torch.save writes a zip file");
  ExpectRefused("", "MALFORMED_ZIP", "torch.save writes a zip file");
}

TEST(TorchFileTest, RefusesEveryTruncation) {
  const std::string file = FileOf(kTensor);
  for (size_t size = 0; size < file.size(); ++size) {
    EXPECT_FALSE(ParseTorchFile(std::string_view(file).substr(0, size)).ok()) << size;
  }
}

// Reads every byte that an entry claims.
void Touch(std::string_view file, const TensorEntry& entry) {
  std::string out(
      static_cast<size_t>(*ElementCount(entry.shape) * SafetensorsDtypeSize(entry.dtype)), '\0');
  CopyRowMajor(file, entry, 0, *ElementCount(entry.shape), out.data());
}

TEST(TorchFileTest, SurvivesBytesThatAreChanged) {
  // Without the checksum, which would hide the pickle's flaws.
  std::mt19937 random(11);
  for (int i = 0; i < 20'000; ++i) {
    std::string pickle = PickleOf(StateDictProgram({kTensor}));
    std::string file;
    if (i % 2 == 0) {
      for (int flips = 0; flips < 3; ++flips) {
        pickle[random() % pickle.size()] = static_cast<char>(random());
      }
      file = TorchFile(pickle, kStorage);
    } else {
      file = TorchFile(pickle, kStorage, {.zip64 = i % 4 == 1});
      file[random() % file.size()] ^= static_cast<char>(1 << random() % 8);
    }
    const auto entries = ParseTorchFile(file);
    if (!entries.ok()) continue;
    for (const TensorEntry& entry : *entries) Touch(file, entry);
  }
}

}  // namespace
}  // namespace homolog::tensorfiles
