// What the files of checkpoints say, remembered until they change: a listing of hundreds of
// checkpoints opens none of them twice.
//
// Thread-safety: all methods may be called from any thread.
#ifndef HOMOLOG_SERVER_CHECKPOINTS_INSPECTOR_H_
#define HOMOLOG_SERVER_CHECKPOINTS_INSPECTOR_H_

#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "server/checkpoints/checkpoint_info.h"
#include "server/checkpoints/digest_memo.h"
#include "server/checkpoints/inspection.h"

namespace homolog::checkpoints {

class Inspector {
 public:
  // `memo` outlives the inspector.
  explicit Inspector(DigestMemo* memo) : memo_(memo) {}

  // What config.json and the weights' headers in `folder` say, whose FilesSignature is `signature`.
  // The first thing wrong makes it kFailed.
  CheckpointInfo Inspect(const CheckpointName& name, const std::string& folder,
                         const std::string& signature);

  // WeightFiles::Digest of files with this FilesSignature; nothing where nobody computed it yet.
  std::optional<std::string> KnownDigest(const std::string& signature);
  // The digest of the files as they were opened, whatever stands under their names by now.
  // FAILED_PRECONDITION (reason WEIGHTS_CHANGED) where they were written to since, so that neither
  // memo nor model holds a mixture.
  absl::StatusOr<std::string> Digest(const CheckpointConfig& config, const WeightFiles& weights);

  // WeightFiles::SampleDigest of the files in `folder`, whose FilesSignature is `signature`.
  // Nothing where they cannot be read or do not fit together.
  std::optional<std::string> SampleDigest(const CheckpointName& name, const std::string& folder,
                                          const std::string& signature);

  // Forgets all but `names`.
  void Keep(const std::set<CheckpointName>& names);

 private:
  // Of one checkpoint, as long as its files have `signature`.
  struct Remembered {
    std::string signature;
    std::optional<CheckpointInfo> info;
    std::optional<std::optional<std::string>> sample;  // empty inside: there is none
  };
  // With the mutex held.
  Remembered& Of(const CheckpointName& name, const std::string& signature);

  DigestMemo* const memo_;
  std::mutex mutex_;
  std::map<CheckpointName, Remembered> remembered_;
};

}  // namespace homolog::checkpoints

#endif  // HOMOLOG_SERVER_CHECKPOINTS_INSPECTOR_H_
