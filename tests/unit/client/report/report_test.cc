#include "client/report/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <string>

#include "common/error.h"
#include "tests/support/small_study.h"
#include "tests/support/temporary_folder.h"

namespace homolog::report {
namespace {

namespace fs = std::filesystem;
using ::homolog::testing::EmptyStudy;
using ::homolog::testing::ReadFile;
using ::homolog::testing::SmallStudy;
using ::homolog::testing::TemporaryFolder;
using ::homolog::testing::WriteFile;
using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::set<std::string> FilesIn(const fs::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.insert(entry.path().filename());
  return names;
}

size_t Count(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++count;
  return count;
}

// What stands in the page's element with the study.
json StudyInPage(const std::string& page) {
  const std::string before = "<script type=\"application/json\" id=\"study\">";
  const size_t start = page.find(before) + before.size();
  return json::parse(page.substr(start, page.find("</script>", start) - start));
}

class WriteReportTest : public ::testing::Test {
 protected:
  std::string Page(const json& study) {
    const auto path = WriteReport(study, folder_ / "out");
    EXPECT_TRUE(path.ok()) << path.status();
    return path.ok() ? ReadFile(*path) : "";
  }

  TemporaryFolder folder_;
};

TEST_F(WriteReportTest, WritesThePageTheStudyAndTheTables) {
  const json study = SmallStudy();
  const auto path = WriteReport(study, folder_ / "new" / "out");
  ASSERT_TRUE(path.ok()) << path.status();
  EXPECT_EQ(*path, folder_ / "new" / "out" / "report.html");
  EXPECT_THAT(FilesIn(folder_ / "new" / "out"), ElementsAre("report.html", "study.json", "tables"));
  EXPECT_EQ(FilesIn(folder_ / "new" / "out" / "tables").size(), 12u);
  EXPECT_EQ(json::parse(ReadFile(folder_ / "new" / "out" / "study.json")), study);
  EXPECT_EQ(StudyInPage(ReadFile(*path)), study);
}

TEST_F(WriteReportTest, ReplacesAnEarlierReportAndNothingElse) {
  WriteFile(folder_ / "out" / "report.html", "old");
  WriteFile(folder_ / "out" / "mine.txt", "kept");
  EXPECT_THAT(Page(SmallStudy()), HasSubstr("<!DOCTYPE html>"));
  EXPECT_EQ(ReadFile(folder_ / "out" / "mine.txt"), "kept");
  EXPECT_EQ(FilesIn(folder_ / "out").size(), 4u);
}

TEST_F(WriteReportTest, LetsNoNameOutOfItsElement) {
  const std::string hostile = "</script><script>alert(1)</script><!-- & \"x\"";
  const std::string page = Page(SmallStudy({hostile, "<img src=http://x onerror=alert(2)>"}));
  EXPECT_THAT(page, Not(HasSubstr("<script>alert")));
  EXPECT_THAT(page, Not(HasSubstr("<img")));
  EXPECT_THAT(page, Not(HasSubstr("<!--")));
  EXPECT_EQ(Count(page, "</script>"), 3u);  // the study, the libraries, the page's own scripts
  EXPECT_EQ(StudyInPage(page)["models"][0], hostile);
}

TEST_F(WriteReportTest, WritesTextThatIsNotUtf8) {
  const std::string page = Page(SmallStudy({"\xff\xfe", "seed1"}));
  EXPECT_EQ(StudyInPage(page)["models"][0], "\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST_F(WriteReportTest, NeedsNoNetwork) {
  const std::string page = Page(SmallStudy());
  EXPECT_THAT(page, HasSubstr("default-src 'none'"));
  const std::regex outside(R"((src|href)\s*=\s*["']?\s*(https?:)?//|@import|url\(\s*["']?http)");
  std::smatch found;
  // The libraries have lines that are too long for std::regex.
  std::istringstream lines(page);
  for (std::string line; std::getline(lines, line);) {
    if (line.size() > 10000) continue;
    EXPECT_FALSE(std::regex_search(line, found, outside)) << line;
  }
}

TEST_F(WriteReportTest, HasTheNoticesOfTheLibraries) {
  const std::string page = Page(EmptyStudy());
  EXPECT_THAT(page, HasSubstr("Copyright 2010-2023 Mike Bostock"));
  EXPECT_THAT(page, HasSubstr("Copyright 2020-2025 Observable, Inc."));
  EXPECT_THAT(page, HasSubstr("this permission notice appear in all copies"));
}

TEST_F(WriteReportTest, WritesNothingForAStudyThatIsNotWhole) {
  json study = SmallStudy();
  study["ablations"][0].erase("kl");
  const auto path = WriteReport(study, folder_ / "out");
  EXPECT_EQ(path.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(path.status().message()), HasSubstr("ablations[0].kl"));
  EXPECT_FALSE(fs::exists(folder_ / "out"));
}

TEST_F(WriteReportTest, SaysWhichFolderCannotBeMade) {
  WriteFile(folder_ / "file", "");
  const auto path = WriteReport(SmallStudy(), folder_ / "file" / "out");
  EXPECT_EQ(ErrorReason(path.status()), "REPORT_NOT_WRITTEN");
  EXPECT_THAT(std::string(path.status().message()),
              HasSubstr("cannot make the folder " + (folder_ / "file" / "out").string() +
                        ": Not a directory"));
}

TEST_F(WriteReportTest, SaysWhichFileCannotBeWrittenAndLeavesNoPart) {
  fs::create_directories(folder_ / "out" / "report.html" / "in the way");
  const auto path = WriteReport(SmallStudy(), folder_ / "out");
  EXPECT_EQ(ErrorReason(path.status()), "REPORT_NOT_WRITTEN");
  EXPECT_THAT(
      std::string(path.status().message()),
      HasSubstr("cannot write " + (folder_ / "out" / "report.html").string() + ": Is a directory"));
  EXPECT_THAT(FilesIn(folder_ / "out"), ElementsAre("report.html", "study.json", "tables"));
}

}  // namespace
}  // namespace homolog::report
