// File digests that survive a restart.
#ifndef HOMOLOG_SERVER_APP_STORE_DIGEST_MEMO_H_
#define HOMOLOG_SERVER_APP_STORE_DIGEST_MEMO_H_

#include <optional>
#include <string>

#include "server/checkpoints/digest_memo.h"
#include "server/store/store.h"

namespace homolog::app {

// Thread-safety: as the store.
class StoreDigestMemo : public checkpoints::DigestMemo {
 public:
  // `store` outlives the memo.
  explicit StoreDigestMemo(store::Store* store) : store_(store) {}

  std::optional<std::string> Get(const std::string& key) override {
    const absl::StatusOr<std::string> digest = store_->GetMeta("digest/" + key);
    return digest.ok() ? std::optional(*digest) : std::nullopt;
  }
  void Put(const std::string& key, const std::string& digest) override {
    // Forgotten, it is computed again: no reason to fail a request.
    store_->PutMeta("digest/" + key, digest).IgnoreError();
  }

 private:
  store::Store* const store_;
};

}  // namespace homolog::app

#endif  // HOMOLOG_SERVER_APP_STORE_DIGEST_MEMO_H_
