#include "server/app/process_stats.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <system_error>

namespace homolog::app {
namespace {

int64_t ResidentBytes() {
  std::ifstream statm("/proc/self/statm");
  int64_t size = 0, resident = 0;
  statm >> size >> resident;
  return resident * sysconf(_SC_PAGE_SIZE);
}

int64_t OpenFiles() {
  std::error_code error;
  const std::filesystem::directory_iterator files("/proc/self/fd", error);
  return error ? 0 : std::distance(begin(files), end(files));
}

double CpuSeconds() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// In ticks of the system's clock since it was booted: the 22nd word, counted behind the name, which
// may have spaces (proc(5)).
double StartSeconds() {
  std::ifstream stat("/proc/self/stat"), uptime("/proc/uptime");
  std::string text;
  std::getline(stat, text);
  std::istringstream words(text.substr(std::min(text.size(), text.rfind(')') + 1)));
  double ticks = 0, up = 0;
  std::string skipped;
  for (int word = 3; word < 22; ++word) words >> skipped;
  words >> ticks;
  uptime >> up;
  const double now =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  return now - up + ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
}

}  // namespace

metrics::ResourceCounts ReadProcessStats() {
  static const double start = StartSeconds();  // once: the clock may be set meanwhile
  metrics::ResourceCounts counts;
  counts.resident_bytes = ResidentBytes();
  counts.open_files = OpenFiles();
  counts.cpu_seconds = CpuSeconds();
  counts.start_seconds = start;
  return counts;
}

}  // namespace homolog::app
