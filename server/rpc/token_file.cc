#include "server/rpc/token_file.h"

#include <fcntl.h>
#include <glog/logging.h>
#include <openssl/crypto.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <set>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "common/digest.h"
#include "common/error.h"
#include "common/mapped_file.h"

namespace homolog::rpc {
namespace {

constexpr size_t kLongestName = 64, kShortestToken = 16, kLongestToken = 512;
constexpr size_t kLargestFile = 1 << 20;
constexpr char kNameCharacters[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
// Of a bearer token (RFC 6750).
constexpr char kTokenCharacters[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~+/=";

absl::Status Invalid(const std::string& message) {
  return InvalidArgument("INVALID_TOKEN_FILE", message);
}

// Says nothing of the words themselves: one of them may be a token, out of its place.
absl::StatusOr<TokenEntry> ParseEntry(const std::vector<std::string>& words) {
  if (words.size() != 3) {
    return Invalid(absl::StrCat("it has ", words.size(), " words; must be NAME ROLE TOKEN"));
  }
  const std::string &name = words[0], &role = words[1], &token = words[2];
  if (name.size() > kLongestName || name.find_first_not_of(kNameCharacters) != name.npos) {
    return Invalid(absl::StrCat("its first word is no name; must be 1 to ", kLongestName,
                                " letters, digits, '.', '_' or '-'"));
  }
  if (role != "viewer" && role != "analyst") {
    return Invalid("its second word is no role; must be viewer or analyst");
  }
  if (token.size() < kShortestToken || token.size() > kLongestToken ||
      token.find_first_not_of(kTokenCharacters) != token.npos) {
    return Invalid(absl::StrCat(
        "its third word, of ", token.size(), " characters, is no token; must be ", kShortestToken,
        " to ", kLongestToken, " letters, digits or -._~+/= (openssl rand -hex 32)"));
  }
  return TokenEntry{name, role == "viewer" ? Role::kViewer : Role::kAnalyst, Sha256Hex(token)};
}

absl::Status CannotRead(int error) {
  return Invalid(absl::StrCat("it cannot be read: ", std::strerror(error)));
}

absl::Status CheckAccess(const struct stat& file) {
  if (!S_ISREG(file.st_mode)) return Invalid("it must be a regular file");
  if ((file.st_mode & 077) != 0) {
    return Invalid(
        absl::StrFormat("its mode is %04o, which lets others than its owner have it; "
                        "chmod 600 it",
                        file.st_mode & 07777));
  }
  if (file.st_size <= static_cast<off_t>(kLargestFile)) return absl::OkStatus();
  return Invalid(absl::StrCat("it has ", file.st_size, " bytes; at most ", kLargestFile));
}

// Not mapped: whoever cuts a mapped file short ends the process.
absl::StatusOr<std::string> ReadText(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return CannotRead(errno);
  const absl::Cleanup close_fd = [fd] { close(fd); };
  struct stat status;
  // Of the file that is open: its name may be another one's by now.
  if (fstat(fd, &status) != 0) return CannotRead(errno);
  HOMOLOG_RETURN_IF_ERROR(CheckAccess(status));
  std::string text(kLargestFile, '\0');
  const ssize_t size = read(fd, text.data(), text.size());
  if (size < 0) return CannotRead(errno);
  text.resize(static_cast<size_t>(size));
  return text;
}

absl::StatusOr<std::vector<TokenEntry>> ReadTokens(const std::string& path) {
  absl::StatusOr<std::string> text = ReadText(path);
  absl::StatusOr<std::vector<TokenEntry>> entries =
      text.ok() ? ParseTokens(*text) : absl::StatusOr<std::vector<TokenEntry>>(text.status());
  if (text.ok()) OPENSSL_cleanse(text->data(), text->size());
  if (!entries.ok()) return Annotate(entries.status(), absl::StrCat("the token file ", path));
  return entries;
}

}  // namespace

absl::StatusOr<std::vector<TokenEntry>> ParseTokens(std::string_view text) {
  std::vector<TokenEntry> entries;
  std::set<std::string> names, digests;
  int number = 0;
  for (const absl::string_view line :
       absl::StrSplit(absl::string_view(text.data(), text.size()), '\n')) {
    ++number;
    const std::vector<std::string> words =
        absl::StrSplit(line, absl::ByAnyChar(" \t\r"), absl::SkipEmpty());
    if (words.empty() || words[0].front() == '#') continue;
    absl::StatusOr<TokenEntry> entry = ParseEntry(words);
    if (entry.ok() && !names.insert(entry->name).second) {
      entry = Invalid("its name stands on a line before; name each client once");
    } else if (entry.ok() && !digests.insert(entry->sha256).second) {
      entry = Invalid("its token stands on a line before; give each client one of its own");
    }
    if (!entry.ok()) return Annotate(entry.status(), absl::StrCat("line ", number));
    entries.push_back(*std::move(entry));
  }
  if (entries.empty()) return Invalid("it names no client; it must have a line NAME ROLE TOKEN");
  return entries;
}

TokenFile::TokenFile(std::string path, std::chrono::milliseconds interval)
    : path_(std::move(path)), interval_(interval) {}

absl::StatusOr<std::unique_ptr<TokenFile>> TokenFile::Open(const std::string& path,
                                                           std::chrono::milliseconds interval) {
  std::unique_ptr<TokenFile> file(new TokenFile(path, interval));
  // Before it is read: what is written from here on has another signature later.
  file->signature_ = FileSignature(path);
  HOMOLOG_ASSIGN_OR_RETURN(std::vector<TokenEntry> entries, ReadTokens(path));
  file->entries_ = std::make_shared<const std::vector<TokenEntry>>(std::move(entries));
  return file;
}

void TokenFile::ReloadIfChanged() {
  const auto now = std::chrono::steady_clock::now();
  if (now - looked_ < interval_) return;
  looked_ = now;
  std::string signature = FileSignature(path_);
  if (signature == signature_) return;
  signature_ = std::move(signature);
  absl::StatusOr<std::vector<TokenEntry>> entries = ReadTokens(path_);
  if (!entries.ok()) {
    LOG(ERROR) << "the tokens stay as they were: " << entries.status().message();
    return;
  }
  entries_ = std::make_shared<const std::vector<TokenEntry>>(*std::move(entries));
  LOG(INFO) << "reloaded " << entries_->size() << " tokens from " << path_;
}

std::optional<TokenEntry> TokenFile::Find(std::string_view token) {
  std::shared_ptr<const std::vector<TokenEntry>> entries;
  {
    const std::lock_guard lock(mutex_);
    ReloadIfChanged();
    entries = entries_;
  }
  const std::string sha256 = Sha256Hex(token);
  const TokenEntry* found = nullptr;
  for (const TokenEntry& entry : *entries) {  // to the end, wherever it stands
    const bool equal = CRYPTO_memcmp(entry.sha256.data(), sha256.data(), sha256.size()) == 0;
    if (equal) found = &entry;
  }
  return found == nullptr ? std::nullopt : std::optional(*found);
}

}  // namespace homolog::rpc
