#include "client/cli/npy_folder.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <set>
#include <system_error>
#include <utility>

#include "client/cli/npy_file.h"
#include "common/error.h"
#include "common/resource_names.h"
#include "common/text.h"

namespace homolog::cli {
namespace {

namespace fs = std::filesystem;

absl::Status IoError(const std::string& doing, const fs::path& path) {
  return absl::ErrnoToStatus(errno, doing + " " + path.string());
}

absl::Status OutputExists(const fs::path& path) {
  return FailedPrecondition("OUTPUT_EXISTS",
                            path.string() + " is there and not an empty folder; name another --out",
                            {{"path", path.string()}});
}

absl::Status Damaged(const std::string& what) {
  return DataLoss("DAMAGED_PAGE", "the server sent a page of the table that " + what);
}

// Also keeps the name of a column, which becomes that of a file, in its folder.
absl::Status CheckColumn(const v1::NeuronColumn& column, int64_t neurons) {
  if (!ValidateResourceId("column", column.name()).ok()) {
    return Damaged("has the column " + Quoted(column.name()) + ", which is no name of one");
  }
  const int64_t size = NumberSize(column.type());
  if (size == 0 || column.width() < 1 ||
      static_cast<int64_t>(column.data().size()) != neurons * column.width() * size) {
    return Damaged("has " + std::to_string(column.data().size()) + " bytes in the column " +
                   Quoted(column.name()) + " for " + std::to_string(neurons) + " neurons");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<NpyFolder>> NpyFolder::Create(const std::string& path) {
  // Without a slash at its end: what is beside the folder is not in it.
  fs::path clean = fs::path(path).lexically_normal();
  if (!clean.has_filename()) clean = clean.parent_path();
  std::error_code error;
  const bool usable =
      !fs::exists(clean, error) || (fs::is_directory(clean, error) && fs::is_empty(clean, error));
  if (!usable) return OutputExists(clean);
  std::string temporary = clean.string() + ".partial-" + std::to_string(getpid());
  if (mkdir(temporary.c_str(), 0777) != 0) return IoError("cannot make the folder", temporary);
  return std::unique_ptr<NpyFolder>(new NpyFolder(std::move(clean), std::move(temporary)));
}

NpyFolder::NpyFolder(fs::path path, fs::path temporary)
    : path_(std::move(path)), temporary_(std::move(temporary)) {}

NpyFolder::~NpyFolder() {
  std::error_code error;
  if (!finished_) fs::remove_all(temporary_, error);
}

absl::Status NpyFolder::Begin(const v1::GetNeuronTableResponse& page) {
  begun_ = true;
  std::set<std::string> names;
  for (const v1::NeuronColumn& column : page.columns()) {
    HOMOLOG_RETURN_IF_ERROR(CheckColumn(column, page.neuron_count()));
    if (!names.insert(column.name()).second) {
      return Damaged("has the column " + Quoted(column.name()) + " twice");
    }
    v1::NeuronColumn& known = *summary_.add_columns();
    known.set_name(column.name());
    known.set_type(column.type());
    known.set_width(column.width());
    const fs::path path = temporary_ / (column.name() + ".npy");
    std::ofstream& file = files_.emplace_back(path, std::ios::binary);
    std::vector<int64_t> shape = {page.total_size()};
    if (column.width() > 1) shape.push_back(column.width());
    file << NpyHeader(column.type(), shape);
    if (!file) return IoError("cannot write", path);
  }
  summary_.set_first_neuron(page.first_neuron());
  summary_.set_total_size(page.total_size());
  return absl::OkStatus();
}

absl::Status NpyFolder::Check(const v1::GetNeuronTableResponse& page) const {
  const int64_t next = summary_.first_neuron() + summary_.neuron_count();
  if (page.first_neuron() != next || page.total_size() != summary_.total_size() ||
      page.neuron_count() < 1 ||
      page.neuron_count() > summary_.total_size() - summary_.neuron_count() ||
      page.columns_size() != summary_.columns_size()) {
    return Damaged("does not follow the page before it");
  }
  for (int i = 0; i < page.columns_size(); ++i) {
    const v1::NeuronColumn &column = page.columns(i), &known = summary_.columns(i);
    HOMOLOG_RETURN_IF_ERROR(CheckColumn(column, page.neuron_count()));
    if (column.name() != known.name() || column.type() != known.type() ||
        column.width() != known.width()) {
      return Damaged("has " + Quoted(column.name()) + " where " + Quoted(known.name()) +
                     " was before");
    }
  }
  return absl::OkStatus();
}

absl::Status NpyFolder::Take(const v1::GetNeuronTableResponse& page) {
  if (!begun_) HOMOLOG_RETURN_IF_ERROR(Begin(page));
  HOMOLOG_RETURN_IF_ERROR(Check(page));
  for (int i = 0; i < page.columns_size(); ++i) {
    const std::string& data = page.columns(i).data();
    files_[i].write(data.data(), static_cast<std::streamsize>(data.size()));
    if (!files_[i]) return IoError("cannot write to", temporary_);
  }
  summary_.set_neuron_count(summary_.neuron_count() + page.neuron_count());
  return absl::OkStatus();
}

absl::Status NpyFolder::Finish() {
  if (!begun_ || summary_.neuron_count() != summary_.total_size()) {
    return Damaged("was the last one, with neurons missing");
  }
  for (std::ofstream& file : files_) {
    file.close();
    if (!file) return IoError("cannot write to", temporary_);
  }
  // Replaces an empty folder, and nothing else.
  std::error_code error;
  fs::rename(temporary_, path_, error);
  if (error) return OutputExists(path_);
  finished_ = true;
  return absl::OkStatus();
}

}  // namespace homolog::cli
