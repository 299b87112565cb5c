#include "server/rpc/token_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "common/digest.h"
#include "common/error.h"
#include "tests/support/temporary_folder.h"

namespace homolog::rpc {
namespace {

using ::homolog::testing::TemporaryFolder;
using ::homolog::testing::WriteFile;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kAda[] = "ada-token-0123456789";
constexpr char kBob[] = "bob-token-0123456789";

std::string Message(const absl::Status& status) { return std::string(status.message()); }

TEST(ParseTokensTest, ReadsNamesRolesAndDigests) {
  const auto entries = ParseTokens(
      "# the team\n\nada analyst ada-token-0123456789\r\n  bob\tviewer  bob-token-0123456789");
  ASSERT_TRUE(entries.ok()) << entries.status();
  ASSERT_EQ(entries->size(), 2u);
  EXPECT_EQ((*entries)[0].name, "ada");
  EXPECT_EQ((*entries)[0].role, Role::kAnalyst);
  EXPECT_EQ((*entries)[0].sha256, Sha256Hex(kAda));
  EXPECT_EQ((*entries)[1].name, "bob");
  EXPECT_EQ((*entries)[1].role, Role::kViewer);
}

TEST(ParseTokensTest, NamesTheLineAndNeverAToken) {
  const std::string secret = "secret-0123456789-secret";
  struct Case {
    std::string text, says;
  };
  const std::vector<Case> cases = {
      {"", "names no client"},
      {"# nothing\n\n", "names no client"},
      {"\nada analyst", "line 2: it has 2 words"},
      {absl::StrCat("ada analyst ", secret, " more"), "line 1: it has 4 words"},
      {secret, "line 1: it has 1 words"},
      {absl::StrCat("a/b analyst ", secret), "line 1: its first word"},
      {absl::StrCat(std::string(65, 'a'), " analyst ", secret), "line 1: its first word"},
      {absl::StrCat("ada admin ", secret), "line 1: its second word"},
      {absl::StrCat("ada ", secret, " analyst"), "line 1: its second word"},
      {"ada analyst short", "of 5 characters"},
      {absl::StrCat("ada analyst ", std::string(513, 'x')), "of 513 characters"},
      {absl::StrCat("ada analyst ", secret, "\""), "is no token"},
      {absl::StrCat("ada analyst ", secret, "\nada viewer ", secret, "2"), "line 2: its name"},
      {absl::StrCat("ada analyst ", secret, "\nbob viewer ", secret), "line 2: its token"},
  };
  for (const Case& wrong : cases) {
    const absl::Status status = ParseTokens(wrong.text).status();
    EXPECT_EQ(ErrorReason(status), "INVALID_TOKEN_FILE");
    EXPECT_THAT(Message(status), AllOf(HasSubstr(wrong.says), Not(HasSubstr(secret))))
        << wrong.says;
  }
}

class TokenFileTest : public ::testing::Test {
 protected:
  // Each version has another size, as tests are faster than some clocks of file systems.
  void Write(const std::string& text, unsigned mode = 0600) {
    const std::filesystem::path next = folder_ / "next";
    WriteFile(next, absl::StrCat(text, std::string(static_cast<size_t>(++version_), '\n')));
    std::filesystem::permissions(next, static_cast<std::filesystem::perms>(mode));
    std::filesystem::rename(next, path_);
  }
  std::unique_ptr<TokenFile> Open() {
    auto file = TokenFile::Open(path_, std::chrono::milliseconds(0));
    EXPECT_TRUE(file.ok()) << file.status();
    return file.ok() ? *std::move(file) : nullptr;
  }
  absl::Status Refusal() { return TokenFile::Open(path_).status(); }

  TemporaryFolder folder_;
  const std::string path_ = folder_ / "tokens";
  int version_ = 0;
};

TEST_F(TokenFileTest, FindsWhoATokenBelongsTo) {
  Write(absl::StrCat("ada analyst ", kAda, "\nbob viewer ", kBob));
  const auto file = Open();
  EXPECT_EQ(file->Find(kAda)->name, "ada");
  EXPECT_EQ(file->Find(kBob)->name, "bob");
  for (const std::string token : {"", "ada", "ada-token-012345678", "ada-token-01234567890"}) {
    EXPECT_FALSE(file->Find(token)) << token;
  }
  EXPECT_FALSE(file->Find(Sha256Hex(kAda)));  // the digest is no token
}

TEST_F(TokenFileTest, RefusesAFileThatOthersMayAccess) {
  for (const unsigned mode : {0644u, 0640u, 0604u, 0620u, 0601u}) {
    Write(absl::StrCat("ada analyst ", kAda), mode);
    const absl::Status status = Refusal();
    EXPECT_EQ(ErrorReason(status), "INVALID_TOKEN_FILE");
    EXPECT_THAT(Message(status), AllOf(HasSubstr(path_), HasSubstr("chmod 600")));
  }
  Write(absl::StrCat("ada analyst ", kAda), 0400);
  EXPECT_TRUE(Refusal().ok());
}

TEST_F(TokenFileTest, SaysWhyItCannotReadAFile) {
  EXPECT_THAT(Message(Refusal()), AllOf(HasSubstr(path_), HasSubstr("No such file")));
  std::filesystem::create_directory(path_);
  EXPECT_THAT(Message(Refusal()), HasSubstr("regular file"));
}

TEST_F(TokenFileTest, TakesAChangedFileAndKeepsTheOldOneWhereTheNewOneIsBroken) {
  Write(absl::StrCat("ada analyst ", kAda));
  const auto file = Open();
  Write(absl::StrCat("bob viewer ", kBob));
  EXPECT_FALSE(file->Find(kAda));
  EXPECT_TRUE(file->Find(kBob));
  Write("broken");
  EXPECT_TRUE(file->Find(kBob));
  Write(absl::StrCat("ada analyst ", kAda), 0644);
  EXPECT_FALSE(file->Find(kAda));
  std::filesystem::remove(path_);
  EXPECT_TRUE(file->Find(kBob));
  Write(absl::StrCat("ada viewer ", kAda));
  EXPECT_EQ(file->Find(kAda)->role, Role::kViewer);
  EXPECT_FALSE(file->Find(kBob));
}

TEST_F(TokenFileTest, LooksAtTheFileAtMostOnceAnInterval) {
  Write(absl::StrCat("ada analyst ", kAda));
  const auto file = TokenFile::Open(path_, std::chrono::hours(1));
  Write(absl::StrCat("bob viewer ", kBob));
  EXPECT_TRUE((*file)->Find(kAda));
}

}  // namespace
}  // namespace homolog::rpc
