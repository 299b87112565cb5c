// report_fixture FOLDER: writes the reports of small studies into FOLDER/hostile, whose models have
// names that would like to be scripts, and FOLDER/empty, where every list is empty.
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "client/report/report.h"
#include "tests/support/small_study.h"

namespace {

bool Write(const nlohmann::json& study, const std::filesystem::path& folder) {
  const auto path = homolog::report::WriteReport(study, folder.string());
  if (!path.ok()) std::cerr << "report_fixture: " << path.status() << "\n";
  return path.ok();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: report_fixture FOLDER\n";
    return 2;
  }
  const std::filesystem::path folder(argv[1]);
  const auto hostile =
      homolog::testing::SmallStudy({"</script><script>document.title='owned'</script>",
                                    "<img src=x onerror=\"document.title='owned'\">", "seed2"});
  return Write(hostile, folder / "hostile") &&
                 Write(homolog::testing::EmptyStudy(), folder / "empty")
             ? 0
             : 1;
}
