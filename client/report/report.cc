#include "client/report/report.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string_view>
#include <system_error>

#include "client/report/page.h"
#include "client/report/study_shape.h"
#include "client/report/tables.h"
#include "common/error.h"

namespace homolog::report {
namespace {

namespace fs = std::filesystem;

absl::Status NotWritten(const std::string& doing, const fs::path& path, int error) {
  return MakeError(
      absl::ErrnoToStatusCode(error), "REPORT_NOT_WRITTEN",
      doing + " " + path.string() + ": " + std::strerror(error) + "; name a folder to write to",
      {{"path", path.string()}});
}

absl::Status MakeFolder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (!error && !fs::is_directory(folder, error))
    error = std::make_error_code(std::errc::not_a_directory);
  if (error) return NotWritten("cannot make the folder", folder, error.value());
  return absl::OkStatus();
}

// 0 or the system's error.
int WriteBytes(const fs::path& path, std::string_view bytes) {
  std::FILE* const file = std::fopen(path.c_str(), "wb");
  if (file == nullptr) return errno;
  int error = 0;
  if (std::fwrite(bytes.data(), 1, bytes.size(), file) != bytes.size()) error = errno;
  if (std::fclose(file) != 0 && error == 0) error = errno;
  return error;
}

// Who reads the file meanwhile sees the old one or the new one, never a part.
absl::Status ReplaceFile(const fs::path& path, std::string_view bytes) {
  const fs::path temporary = path.string() + ".partial-" + std::to_string(getpid());
  int error = WriteBytes(temporary, bytes);
  if (error == 0 && std::rename(temporary.c_str(), path.c_str()) != 0) error = errno;
  if (error == 0) return absl::OkStatus();
  std::error_code ignored;
  fs::remove(temporary, ignored);
  return NotWritten("cannot write", path, error);
}

absl::Status WriteTables(const nlohmann::json& study, const fs::path& folder) {
  HOMOLOG_RETURN_IF_ERROR(MakeFolder(folder));
  for (const Table& table : StudyTables(study)) {
    HOMOLOG_RETURN_IF_ERROR(ReplaceFile(folder / (table.name + ".csv"), table.csv));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> WriteReport(const nlohmann::json& study, const std::string& folder) {
  HOMOLOG_RETURN_IF_ERROR(CheckStudy(study));
  const fs::path root(folder);
  HOMOLOG_RETURN_IF_ERROR(MakeFolder(root));
  HOMOLOG_RETURN_IF_ERROR(WriteTables(study, root / "tables"));
  HOMOLOG_RETURN_IF_ERROR(
      ReplaceFile(root / "study.json",
                  study.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n"));
  const fs::path page = root / "report.html";
  HOMOLOG_RETURN_IF_ERROR(ReplaceFile(page, RenderPage(study)));
  return page.string();
}

}  // namespace homolog::report
