#include "server/app/config.h"

#include <cmath>
#include <cstddef>
#include <fstream>
#include <mutex>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/flags/usage_config.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "common/error.h"
#include "common/text.h"
#include "server/app/exposure.h"
#include "server/app/limits_flags.h"
#include "server/app/version.h"

ABSL_FLAG(std::string, repository, "",
          "Folder of models: <model>/<step>/ with Hugging Face's files. Required.");
ABSL_FLAG(std::string, data, "",
          "Folder of the store (results, operations, data sets); created where missing. Required.");
ABSL_FLAG(
    std::string, listen, "127.0.0.1:7431",
    "HOST:PORT of gRPC. Anything but loopback needs TLS (--tls-cert, --tls-key) and tokens or "
    "client certificates (--token-file, --tls-client-ca), or --insecure.");
ABSL_FLAG(std::string, admin, "127.0.0.1:7432",
          "HOST:PORT of HTTP with /metrics, /healthz and /readyz; empty: none. It has neither TLS "
          "nor tokens: metrics say how much is computed, not what.");
ABSL_FLAG(std::string, device, "auto",
          "auto (the first CUDA device, else the CPU), cpu or cuda:N.");
ABSL_FLAG(int, threads, 0, "Threads of one computation on the CPU, 0 (one per core) to 1024.");
ABSL_FLAG(
    std::string, memory_budget, "",
    "Most device memory that weights and moments may take, as 12GiB or a number of bytes; empty: "
    "80% of the device's memory.");
ABSL_FLAG(
    std::string, store_budget, "",
    "Most bytes that stored results may take, as 100GiB or a number of bytes, before the least "
    "recently used are evicted; empty: no limit.");
ABSL_FLAG(
    int, drain_timeout, 60,
    "Seconds that a shutdown may take, 1 to 3600: running operations are kept in snapshots, open "
    "calls end; beyond it the process ends as it is.");
ABSL_FLAG(
    absl::Duration, snapshot_interval, absl::Minutes(10),
    "How often the sums of a running correlation are kept on the disk, to go on from them after "
    "a restart, as 10m; 1s to 24h.");
ABSL_FLAG(absl::Duration, operation_ttl, absl::Hours(7 * 24),
          "How long operations that have ended are known, as 168h; 1s to 8760h. Results stay.");
ABSL_FLAG(std::vector<std::string>, preload, {},
          "Checkpoints, as model/step separated by commas, to load before the server says that it "
          "serves.");
ABSL_FLAG(std::string, tls_cert, "",
          "PEM file of the server's certificate and those that signed it, in this order; empty: no "
          "encryption. Read again when it changes.");
ABSL_FLAG(std::string, tls_key, "", "PEM file of the private key of --tls-cert.");
ABSL_FLAG(std::string, tls_client_ca, "",
          "PEM file of certificates one of which must have signed a client's (mutual TLS); empty: "
          "clients need no certificate.");
ABSL_FLAG(
    std::string, token_file, "",
    "File of bearer tokens, a line NAME ROLE TOKEN for each client (ROLE: viewer or analyst), "
    "of mode 600; empty: no tokens. Read again when it changes.");
ABSL_FLAG(bool, insecure, false,
          "Listen on more than loopback without TLS, or without tokens and client certificates.");
ABSL_FLAG(bool, check, false, "Validate the configuration and exit.");

namespace homolog::app {
namespace {

constexpr int kFlagfileDepth = 8;  // flagfiles that name flagfiles

// "--memory-budget=1" becomes "--memory_budget=1": absl knows flags by their C++ names only.
std::string Underscored(std::string argument) {
  for (size_t c = 2; c < argument.size() && argument[c] != '='; ++c) {
    if (argument[c] == '-') argument[c] = '_';
  }
  return argument;
}

absl::Status Normalise(const std::vector<std::string>& given, int depth,
                       std::vector<std::string>& arguments);

// The arguments of a flagfile, one per line, as absl would read it: it would not know dashes.
absl::Status ReadFlagfile(const std::string& path, int depth, std::vector<std::string>& arguments) {
  std::ifstream file(path);
  if (!file || depth > kFlagfileDepth) {
    return InvalidFlag("flagfile", path,
                       depth > kFlagfileDepth ? absl::StrCat("flagfiles name each other more than ",
                                                             kFlagfileDepth, " deep")
                                              : "must be a file that can be read");
  }
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) {
    const std::string argument(absl::StripAsciiWhitespace(line));
    if (argument.empty() || argument.front() == '#') continue;
    if (!absl::StartsWith(argument, "-")) {
      return InvalidFlag("flagfile", path,
                         absl::StrCat("its line ", Quoted(argument), " must be --FLAG=VALUE"));
    }
    lines.push_back(argument);
  }
  return Normalise(lines, depth, arguments);
}

// Appends `given` with flagfiles in place and flags by absl's names.
absl::Status Normalise(const std::vector<std::string>& given, int depth,
                       std::vector<std::string>& arguments) {
  constexpr absl::string_view kFlagfile = "--flagfile";
  for (size_t i = 0; i < given.size(); ++i) {
    if (given[i] == "--") {
      arguments.insert(arguments.end(), given.begin() + static_cast<ptrdiff_t>(i), given.end());
      break;
    }
    const bool with_value = absl::StartsWith(given[i], absl::StrCat(kFlagfile, "="));
    if (!with_value && (given[i] != kFlagfile || i + 1 == given.size())) {
      arguments.push_back(absl::StartsWith(given[i], "--") ? Underscored(given[i]) : given[i]);
      continue;
    }
    const std::string paths = with_value ? given[i].substr(kFlagfile.size() + 1) : given[++i];
    for (const absl::string_view path : absl::StrSplit(paths, ',', absl::SkipEmpty())) {
      HOMOLOG_RETURN_IF_ERROR(ReadFlagfile(std::string(path), depth + 1, arguments));
    }
  }
  return absl::OkStatus();
}

void DescribeUsage() {
  absl::SetProgramUsageMessage(
      "homologd --repository DIR --data DIR [flags]: serves analyses of universal neurons.");
  absl::FlagsUsageConfig usage;
  usage.version_string = [] { return absl::StrCat("homologd ", kVersion, "\n"); };
  usage.contains_help_flags = [](absl::string_view file) {
    return absl::EndsWith(file, "server/app/config.cc") ||
           absl::EndsWith(file, "server/app/limits_flags.cc");
  };
  absl::SetFlagsUsageConfig(usage);
}

// A part of a second would be cut off without a word.
absl::StatusOr<std::chrono::seconds> WholeSeconds(const std::string& flag, absl::Duration value,
                                                  absl::Duration low, absl::Duration high) {
  const bool whole = absl::Trunc(value, absl::Seconds(1)) == value;
  if (whole && value >= low && value <= high) return absl::ToChronoSeconds(value);
  return InvalidFlag(flag, absl::FormatDuration(value),
                     absl::StrCat("must be ", absl::FormatDuration(low), " to ",
                                  absl::FormatDuration(high), " in whole seconds, such as 90s"));
}

absl::Status Validate(const Config& config) {
  if (config.repository.empty()) return InvalidFlag("repository", "", "name the folder of models");
  if (config.data.empty()) return InvalidFlag("data", "", "name the folder of the store");
  HOMOLOG_RETURN_IF_ERROR(CheckAddress("listen", config.listen));
  if (!config.admin.empty()) HOMOLOG_RETURN_IF_ERROR(CheckAddress("admin", config.admin));
  HOMOLOG_RETURN_IF_ERROR(CheckRange("threads", config.threads, 0, 1024));
  HOMOLOG_RETURN_IF_ERROR(CheckRange("drain-timeout", config.drain_seconds, 1, 3600));
  return CheckExposure(config);
}

}  // namespace

absl::Status InvalidFlag(const std::string& flag, const std::string& value,
                         const std::string& right) {
  return InvalidArgument("INVALID_FLAG",
                         absl::StrCat("--", flag, " is ", Quoted(value), "; ", right),
                         {{"flag", flag}});
}

absl::Status CheckRange(const std::string& flag, int64_t value, int64_t low, int64_t high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return InvalidFlag(flag, absl::StrCat(value), absl::StrCat("must be ", low, " to ", high));
}

absl::Status CheckAddress(const std::string& flag, const std::string& address) {
  const size_t colon = address.rfind(':');
  const std::string host = address.substr(0, colon);
  const std::string port_text = colon == std::string::npos ? "" : address.substr(colon + 1);
  int port = -1;
  const bool port_ok = port_text.find_first_not_of("0123456789") == std::string::npos &&
                       absl::SimpleAtoi(port_text, &port) && port <= 65535;
  // The colons of an IPv6 address stand in brackets, and brackets around nothing else.
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  const std::string name = bracketed ? host.substr(1, host.size() - 2) : host;
  const bool host_ok = !name.empty() && name.find_first_of("[]/ ") == std::string::npos &&
                       bracketed == (name.find(':') != std::string::npos);
  return host_ok && port_ok
             ? absl::OkStatus()
             : InvalidFlag(flag, address,
                           "must be HOST:PORT, such as 127.0.0.1:7431 or [::1]:7431");
}

absl::StatusOr<int64_t> ParseBytes(const std::string& flag, const std::string& text) {
  constexpr std::pair<absl::string_view, double> kUnits[] = {
      {"KiB", 0x1p10}, {"MiB", 0x1p20}, {"GiB", 0x1p30}, {"TiB", 0x1p40}, {"kB", 1e3},
      {"MB", 1e6},     {"GB", 1e9},     {"TB", 1e12},    {"B", 1},        {"", 1}};
  for (const auto& [unit, factor] : kUnits) {
    double number = 0;
    if (!absl::EndsWith(text, unit)) continue;
    if (!absl::SimpleAtod(text.substr(0, text.size() - unit.size()), &number)) continue;
    const double bytes = number * factor;
    if (std::isfinite(bytes) && bytes >= 1 && bytes < 0x1p62) return static_cast<int64_t>(bytes);
  }
  return InvalidFlag(flag, text, "must be a number of bytes above 0, such as 12GiB or 500MB");
}

absl::StatusOr<Config> ReadConfig(int argc, char** argv) {
  static std::once_flag described;  // absl aborts the second time
  std::call_once(described, DescribeUsage);
  std::vector<std::string> arguments = {argv[0]};
  HOMOLOG_RETURN_IF_ERROR(Normalise({argv + 1, argv + argc}, 0, arguments));
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  const std::vector<char*> rest =
      absl::ParseCommandLine(static_cast<int>(pointers.size()), pointers.data());
  if (rest.size() > 1) {
    return InvalidArgument("INVALID_FLAG", absl::StrCat("unexpected argument ", Quoted(rest[1]),
                                                        "; homologd takes flags only (--help)"));
  }
  Config config;
  config.repository = absl::GetFlag(FLAGS_repository);
  config.data = absl::GetFlag(FLAGS_data);
  config.listen = absl::GetFlag(FLAGS_listen);
  config.admin = absl::GetFlag(FLAGS_admin);
  config.device = absl::GetFlag(FLAGS_device);
  config.threads = absl::GetFlag(FLAGS_threads);
  config.drain_seconds = absl::GetFlag(FLAGS_drain_timeout);
  config.check = absl::GetFlag(FLAGS_check);
  config.preload = absl::GetFlag(FLAGS_preload);
  HOMOLOG_ASSIGN_OR_RETURN(config.snapshot_interval,
                           WholeSeconds("snapshot-interval", absl::GetFlag(FLAGS_snapshot_interval),
                                        absl::Seconds(1), absl::Hours(24)));
  HOMOLOG_ASSIGN_OR_RETURN(config.operation_ttl,
                           WholeSeconds("operation-ttl", absl::GetFlag(FLAGS_operation_ttl),
                                        absl::Seconds(1), absl::Hours(365 * 24)));
  config.tls_cert = absl::GetFlag(FLAGS_tls_cert);
  config.tls_key = absl::GetFlag(FLAGS_tls_key);
  config.tls_client_ca = absl::GetFlag(FLAGS_tls_client_ca);
  config.token_file = absl::GetFlag(FLAGS_token_file);
  config.insecure = absl::GetFlag(FLAGS_insecure);
  HOMOLOG_ASSIGN_OR_RETURN(config.limits, ReadLimits());
  if (const std::string budget = absl::GetFlag(FLAGS_memory_budget); !budget.empty()) {
    HOMOLOG_ASSIGN_OR_RETURN(config.memory_budget_bytes, ParseBytes("memory-budget", budget));
  }
  if (const std::string budget = absl::GetFlag(FLAGS_store_budget); !budget.empty()) {
    HOMOLOG_ASSIGN_OR_RETURN(config.store_budget_bytes, ParseBytes("store-budget", budget));
  }
  HOMOLOG_RETURN_IF_ERROR(Validate(config));
  return config;
}

}  // namespace homolog::app
