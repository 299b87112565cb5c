#include "client/cli/npy_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "client/cli/npy_file.h"
#include "common/error.h"

namespace homolog::cli {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

// What numpy.save writes for numpy.zeros(3, "float32") and numpy.zeros((2, 50), "int64").
TEST(NpyHeaderTest, IsWhatNumpyWrites) {
  const std::string one(
      "\x93NUMPY\x01\x00\x76\x00{'descr': '<f4', 'fortran_order': False, "
      "'shape': (3,), }",
      10 + 57);
  EXPECT_EQ(NpyHeader(v1::COLUMN_TYPE_FLOAT32, {3}), one + std::string(60, ' ') + "\n");
  const std::string two = NpyHeader(v1::COLUMN_TYPE_INT64, {2, 50});
  EXPECT_EQ(two.size(), 128u);
  EXPECT_THAT(two, HasSubstr("{'descr': '<i8', 'fortran_order': False, 'shape': (2, 50), }"));
  EXPECT_THAT(NpyHeader(v1::COLUMN_TYPE_UINT8, {1}), HasSubstr("'|u1'"));
  EXPECT_THAT(NpyHeader(v1::COLUMN_TYPE_INT32, {1}), HasSubstr("'<i4'"));
  EXPECT_THAT(NpyHeader(v1::COLUMN_TYPE_UINT32, {1}), HasSubstr("'<u4'"));
}

class NpyFolderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "npy_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string Path() const { return folder_ / "out"; }
  static std::string ReadFile(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }
  // Of 3 neurons in all: "dead", and "0.top_sim" of width 2.
  static v1::GetNeuronTableResponse Page(int64_t first, const std::string& dead,
                                         const std::string& sim) {
    v1::GetNeuronTableResponse page;
    page.set_first_neuron(first);
    page.set_neuron_count(static_cast<int>(dead.size()));
    page.set_total_size(3);
    v1::NeuronColumn& one = *page.add_columns();
    one.set_name("dead");
    one.set_type(v1::COLUMN_TYPE_UINT8);
    one.set_width(1);
    one.set_data(dead);
    v1::NeuronColumn& two = *page.add_columns();
    two.set_name("0.top_sim");
    two.set_type(v1::COLUMN_TYPE_INT32);
    two.set_width(2);
    two.set_data(sim);
    return page;
  }
  int EntriesBeside() const {
    return static_cast<int>(std::distance(fs::directory_iterator(folder_), {}));
  }
  // A folder that has taken the first of two pages.
  std::unique_ptr<NpyFolder> Begun() {
    auto folder = NpyFolder::Create(Path());
    EXPECT_TRUE(folder.ok()) << folder.status();
    EXPECT_TRUE((*folder)->Take(Page(0, "ab", "AAAABBBBCCCCDDDD")).ok());
    return *std::move(folder);
  }

  fs::path folder_;
};

TEST_F(NpyFolderTest, WritesAFilePerColumn) {
  for (const bool there : {false, true}) {
    if (there) fs::create_directory(Path());  // empty
    const auto folder = Begun();
    ASSERT_TRUE(folder->Take(Page(2, "c", "EEEEFFFF")).ok());
    ASSERT_TRUE(folder->Finish().ok());
    EXPECT_EQ(ReadFile(folder_ / "out" / "dead.npy"),
              NpyHeader(v1::COLUMN_TYPE_UINT8, {3}) + "abc");
    EXPECT_EQ(ReadFile(folder_ / "out" / "0.top_sim.npy"),
              NpyHeader(v1::COLUMN_TYPE_INT32, {3, 2}) + "AAAABBBBCCCCDDDDEEEEFFFF");
    EXPECT_EQ(folder->summary().neuron_count(), 3);
    EXPECT_EQ(folder->summary().columns(1).data(), "");
    EXPECT_EQ(EntriesBeside(), 1);
    fs::remove_all(Path());
  }
}

TEST_F(NpyFolderTest, AcceptsANameThatEndsInASlash) {
  const auto folder = NpyFolder::Create(Path() + "/");
  ASSERT_TRUE(folder.ok()) << folder.status();
  ASSERT_TRUE((*folder)->Take(Page(0, "abc", std::string(24, 'A'))).ok());
  ASSERT_TRUE((*folder)->Finish().ok());
  EXPECT_TRUE(fs::exists(folder_ / "out" / "dead.npy"));
}

TEST_F(NpyFolderTest, RefusesWhatIsThereAndLeavesItAsItIs) {
  fs::create_directory(Path());
  std::ofstream(fs::path(Path()) / "dead.npy") << "mine";
  EXPECT_EQ(ErrorReason(NpyFolder::Create(Path()).status()), "OUTPUT_EXISTS");
  EXPECT_EQ(ErrorReason(NpyFolder::Create(Path() + "/dead.npy").status()), "OUTPUT_EXISTS");
  EXPECT_EQ(ReadFile(fs::path(Path()) / "dead.npy"), "mine");
  EXPECT_EQ(EntriesBeside(), 1);
}

TEST_F(NpyFolderTest, RefusesWhatCameThereMeanwhile) {
  const auto folder = Begun();
  ASSERT_TRUE(folder->Take(Page(2, "c", "EEEEFFFF")).ok());
  fs::create_directory(Path());
  std::ofstream(fs::path(Path()) / "x") << "mine";
  EXPECT_EQ(ErrorReason(folder->Finish()), "OUTPUT_EXISTS");
  EXPECT_EQ(ReadFile(fs::path(Path()) / "x"), "mine");
}

TEST_F(NpyFolderTest, LeavesNothingWithoutAnEnd) {
  Begun();
  EXPECT_EQ(EntriesBeside(), 0);
  EXPECT_EQ(ErrorReason(Begun()->Finish()), "DAMAGED_PAGE");
  EXPECT_EQ(EntriesBeside(), 0);
}

TEST_F(NpyFolderTest, RefusesPagesThatDoNotFollow) {
  EXPECT_EQ(ErrorReason(Begun()->Take(Page(1, "c", "EEEEFFFF"))), "DAMAGED_PAGE");
  EXPECT_EQ(ErrorReason(Begun()->Take(Page(2, "", ""))), "DAMAGED_PAGE");
  EXPECT_EQ(ErrorReason(Begun()->Take(Page(2, "cd", "EEEEFFFFGGGGHHHH"))), "DAMAGED_PAGE");
  EXPECT_EQ(ErrorReason(Begun()->Take(Page(2, "c", "EEEEFFF"))), "DAMAGED_PAGE");
  v1::GetNeuronTableResponse page = Page(2, "c", "EEEEFFFF");
  page.mutable_columns(1)->set_name("0.max_sim");
  EXPECT_EQ(ErrorReason(Begun()->Take(page)), "DAMAGED_PAGE");
  page = Page(2, "c", "EEEEFFFF");
  page.set_total_size(4);
  EXPECT_EQ(ErrorReason(Begun()->Take(page)), "DAMAGED_PAGE");
  page = Page(2, "c", "EEEEFFFF");
  page.mutable_columns()->RemoveLast();
  EXPECT_EQ(ErrorReason(Begun()->Take(page)), "DAMAGED_PAGE");
}

TEST_F(NpyFolderTest, WritesNowhereElseWhateverAColumnIsCalled) {
  for (const std::string name : {"../dead", "..", "", "a/b", "/tmp/x"}) {
    const auto folder = NpyFolder::Create(Path());
    ASSERT_TRUE(folder.ok());
    v1::GetNeuronTableResponse page = Page(0, "abc", std::string(24, 'A'));
    page.mutable_columns(0)->set_name(name);
    EXPECT_EQ(ErrorReason((*folder)->Take(page)), "DAMAGED_PAGE") << name;
  }
  EXPECT_EQ(EntriesBeside(), 0);
}

}  // namespace
}  // namespace homolog::cli
