#include "server/rpc/admin_server.h"

#include <httplib.h>

#include <thread>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "common/text.h"

namespace homolog::rpc {
namespace {

constexpr size_t kThreads = 2;
constexpr size_t kLargestRequest = 8192;  // nothing here takes a body
constexpr int kTimeoutSeconds = 5;
constexpr char kPlainText[] = "text/plain; charset=utf-8";

// "[::1]:7432" is host "::1" and port 7432.
std::pair<std::string, int> SplitAddress(const std::string& address) {
  const size_t colon = address.rfind(':');
  std::string host = address.substr(0, colon);
  // A lone bracket is no host: without it, "[::1:7432" would be "::", which is every address.
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  int port = 0;
  if (!absl::SimpleAtoi(address.substr(colon + 1), &port)) port = -1;
  return {host, port};
}

}  // namespace

struct AdminServer::State {
  explicit State(Callbacks given) : callbacks(std::move(given)) {
    server.new_task_queue = [] { return new httplib::ThreadPool(kThreads); };
    server.set_payload_max_length(kLargestRequest);
    server.set_read_timeout(kTimeoutSeconds);
    server.set_write_timeout(kTimeoutSeconds);
    server.set_keep_alive_max_count(1);
    // The default also sets SO_REUSEPORT, with which two servers silently share a port.
    server.set_socket_options([](socket_t socket) {
      const int on = 1;
      setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    });
    server.Get("/metrics", [this](const httplib::Request&, httplib::Response& response) {
      response.set_content(callbacks.metrics(), "text/plain; version=0.0.4; charset=utf-8");
    });
    server.Get("/healthz", [](const httplib::Request&, httplib::Response& response) {
      response.set_content("ok\n", kPlainText);
    });
    server.Get("/readyz", [this](const httplib::Request&, httplib::Response& response) {
      const bool ready = callbacks.ready();
      response.status = ready ? 200 : 503;
      response.set_content(ready ? "ready\n" : "not ready\n", kPlainText);
    });
  }
  ~State() {
    server.stop();
    if (thread.joinable()) thread.join();
  }
  // The port, or -1.
  int Bind(const std::string& host, int wanted) {
    if (wanted == 0) return server.bind_to_any_port(host.c_str());
    return wanted > 0 && wanted <= 65535 && server.bind_to_port(host.c_str(), wanted) ? wanted : -1;
  }

  const Callbacks callbacks;
  httplib::Server server;
  int port = -1;
  std::thread thread;
};

absl::StatusOr<std::unique_ptr<AdminServer>> AdminServer::Start(const std::string& address,
                                                                Callbacks callbacks) {
  auto state = std::make_unique<State>(std::move(callbacks));
  const auto [host, port] = SplitAddress(address);
  state->port = state->Bind(host, port);
  if (state->port < 0) {
    return MakeError(absl::StatusCode::kUnavailable, "ADDRESS_IN_USE",
                     absl::StrCat("cannot listen on --admin ", Quoted(address),
                                  "; choose a free HOST:PORT of this machine"),
                     {{"address", address}});
  }
  state->thread = std::thread([running = state.get()] { running->server.listen_after_bind(); });
  // stop() before the loop runs would be lost.
  while (!state->server.is_running()) std::this_thread::yield();
  return std::unique_ptr<AdminServer>(new AdminServer(std::move(state)));
}

AdminServer::AdminServer(std::unique_ptr<State> state) : state_(std::move(state)) {}
AdminServer::~AdminServer() = default;

int AdminServer::port() const { return state_->port; }

}  // namespace homolog::rpc
