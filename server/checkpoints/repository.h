// The model repository on disk: <root>/<model>/<step>/{config.json, model.safetensors, ...}.
//
// Thread-safety: immutable; every method looks at the disk afresh and may be called from any
// thread.
#ifndef HOMOLOG_SERVER_CHECKPOINTS_REPOSITORY_H_
#define HOMOLOG_SERVER_CHECKPOINTS_REPOSITORY_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/resource_names.h"

namespace homolog::checkpoints {

class Repository {
 public:
  // NOT_FOUND (reason REPOSITORY_NOT_FOUND) where `root` is not a folder.
  static absl::StatusOr<Repository> Open(const std::string& root);

  // Every <model>/<step> folder that holds a config.json and whose names are valid ids, ordered by
  // model, then by step (digits by value, other names after them).
  std::vector<CheckpointName> List() const;
  // The folder of a checkpoint. NOT_FOUND (reason CHECKPOINT_NOT_FOUND) where it has no config.json
  // or a link leads out of the repository.
  absl::StatusOr<std::string> Folder(const CheckpointName& name) const;

  // Whether every file that could be read for the checkpoint in `folder`, there or (a tokenizer)
  // one level up, lies in the repository: links within it are fine, as Hugging Face's cache is made
  // of them. FAILED_PRECONDITION (reason CHECKPOINT_INVALID) with both paths where one leads out.
  absl::Status CheckFiles(const std::string& folder) const;

 private:
  explicit Repository(std::string root);
  std::string root_;  // canonical
};

// Whether step `a` comes before step `b`: digits by value, then other names by letter.
bool StepLess(const std::string& a, const std::string& b);

}  // namespace homolog::checkpoints

#endif  // HOMOLOG_SERVER_CHECKPOINTS_REPOSITORY_H_
