// A table of neurons into a folder of .npy files.
#ifndef HOMOLOG_CLIENT_CLI_NPY_FOLDER_H_
#define HOMOLOG_CLIENT_CLI_NPY_FOLDER_H_

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "homolog/v1/analysis_service.pb.h"

namespace homolog::cli {

// Writes one file COLUMN.npy per column, of shape [neurons] or [neurons, width], as the pages come.
// The folder is written beside its name and appears under it with Finish; destroyed without Finish,
// it leaves nothing.
//
// Thread-safety: one thread at a time.
class NpyFolder {
 public:
  // FAILED_PRECONDITION (reason OUTPUT_EXISTS) where `path` is there and not an empty folder.
  static absl::StatusOr<std::unique_ptr<NpyFolder>> Create(const std::string& path);
  ~NpyFolder();
  NpyFolder(const NpyFolder&) = delete;
  NpyFolder& operator=(const NpyFolder&) = delete;

  // Takes pages in their order. DATA_LOSS (reason DAMAGED_PAGE) for one that does not follow the
  // page before, or whose columns are others or of another size than they say.
  absl::Status Take(const v1::GetNeuronTableResponse& page);
  // DATA_LOSS where neurons are missing.
  absl::Status Finish();

  // The first page without its numbers; its neuron_count is that of all pages so far.
  const v1::GetNeuronTableResponse& summary() const { return summary_; }

 private:
  NpyFolder(std::filesystem::path path, std::filesystem::path temporary);
  absl::Status Begin(const v1::GetNeuronTableResponse& page);
  absl::Status Check(const v1::GetNeuronTableResponse& page) const;

  const std::filesystem::path path_, temporary_;
  std::vector<std::ofstream> files_;  // one per column
  v1::GetNeuronTableResponse summary_;
  bool begun_ = false, finished_ = false;
};

}  // namespace homolog::cli

#endif  // HOMOLOG_CLIENT_CLI_NPY_FOLDER_H_
