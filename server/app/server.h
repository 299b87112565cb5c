// All rooms wired together: what runs between start-up and shutdown.
//
// Thread-safety: Start, Shutdown and the destructor belong to one thread.
#ifndef HOMOLOG_SERVER_APP_SERVER_H_
#define HOMOLOG_SERVER_APP_SERVER_H_

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/app/config.h"
#include "server/app/stop_request.h"

namespace homolog::app {

// Reason of Server::Start's CANCELLED.
inline constexpr char kStopped[] = "STOPPED";

class Server {
 public:
  // Opens the repository and the store, resumes operations and serves. Errors name what cannot be
  // opened and why. CANCELLED (reason STOPPED) where `stop` was made meanwhile, which is looked at
  // between the parts of this, at the latest once a checkpoint is loaded. Where the device is lost,
  // at any time, the server makes it with kDeviceLost (drain.h).
  static absl::StatusOr<std::unique_ptr<Server>> Start(
      const Config& config, std::shared_ptr<StopRequest> stop = std::make_shared<StopRequest>());
  ~Server();  // Shutdown()

  // Ports that it listens on (for HOST:0).
  int port() const;
  int admin_port() const;  // -1 without --admin

  // Refuses new work, lets running work reach a safe point, ends open calls within the drain
  // timeout and frees everything. Does nothing the second time.
  void Shutdown();

 private:
  struct Parts;
  explicit Server(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

// Validates what needs the machine: the device, the repository and the checkpoints of --preload in
// it, the files of TLS and tokens. Errors are those that Server::Start would give.
absl::Status CheckEnvironment(const Config& config);

}  // namespace homolog::app

#endif  // HOMOLOG_SERVER_APP_SERVER_H_
