// All rooms wired together: what runs between start-up and shutdown.
//
// Thread-safety: Start, Shutdown and the destructor belong to one thread.
#ifndef HOMOLOG_SERVER_APP_SERVER_H_
#define HOMOLOG_SERVER_APP_SERVER_H_

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/app/config.h"

namespace homolog::app {

class Server {
 public:
  // Opens the repository and the store, resumes operations and serves. Errors name what cannot be
  // opened and why.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const Config& config);
  ~Server();  // Shutdown()

  // Ports that it listens on (for HOST:0).
  int port() const;
  int admin_port() const;  // -1 without --admin
  // Whether the device can no longer be used: SIGTERM was then sent to this process, to be started
  // anew.
  bool device_lost() const;

  // Refuses new work, lets running work reach a safe point, ends open calls within the drain
  // timeout and frees everything. Does nothing the second time.
  void Shutdown();

 private:
  struct Parts;
  explicit Server(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

// Validates what needs the machine: the device, the repository.
absl::Status CheckEnvironment(const Config& config);

}  // namespace homolog::app

#endif  // HOMOLOG_SERVER_APP_SERVER_H_
