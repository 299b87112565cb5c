// The bearer tokens that the server knows, from a file, as it stands now.
//
// The file has one line per client, "NAME ROLE TOKEN" with white space between: NAME of at most 64
// letters, digits, '.', '_' and '-'; ROLE viewer or analyst; TOKEN of 16 to 512 letters, digits and
// "-._~+/=". Empty lines and those that begin with '#' are skipped. Neither a name nor a token may
// stand there twice. Only its owner may have access to it.
//
// Thread-safety: all methods may be called from any thread.
#ifndef HOMOLOG_SERVER_RPC_TOKEN_FILE_H_
#define HOMOLOG_SERVER_RPC_TOKEN_FILE_H_

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/rpc/role.h"

namespace homolog::rpc {

// Who a token belongs to. The token itself is not kept.
struct TokenEntry {
  std::string name;
  Role role = Role::kViewer;
  std::string sha256;  // of the token
};

// INVALID_ARGUMENT (reason INVALID_TOKEN_FILE) with the number of the line and what is wrong in it,
// never with a token.
absl::StatusOr<std::vector<TokenEntry>> ParseTokens(std::string_view text);

class TokenFile {
 public:
  // Reads the file. INVALID_ARGUMENT (reason INVALID_TOKEN_FILE), naming it, where it cannot be
  // read, others than its owner may access it, or as ParseTokens.
  //
  // Afterwards it is looked at when a token is asked for, at most once in `interval`. One that
  // cannot be taken is logged, once, and changes nothing.
  static absl::StatusOr<std::unique_ptr<TokenFile>> Open(
      const std::string& path, std::chrono::milliseconds interval = std::chrono::seconds(1));

  // The entry of `token`; nothing where it is none. Takes the same time whichever it is.
  std::optional<TokenEntry> Find(std::string_view token);

 private:
  TokenFile(std::string path, std::chrono::milliseconds interval);
  // With the mutex held.
  void ReloadIfChanged();

  const std::string path_;
  const std::chrono::milliseconds interval_;
  std::mutex mutex_;
  std::chrono::steady_clock::time_point looked_ = std::chrono::steady_clock::now();
  std::string signature_;  // of the file that was last read, whether it was taken or not
  std::shared_ptr<const std::vector<TokenEntry>> entries_;
};

}  // namespace homolog::rpc

#endif  // HOMOLOG_SERVER_RPC_TOKEN_FILE_H_
