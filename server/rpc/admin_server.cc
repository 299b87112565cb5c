#include "server/rpc/admin_server.h"

#include <CivetServer.h>

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "common/text.h"

namespace homolog::rpc {
namespace {

class Page : public CivetHandler {
 public:
  struct Answer {
    int code;
    std::string type, body;
  };
  explicit Page(std::function<Answer()> answer) : answer_(std::move(answer)) {}

  bool handleGet(CivetServer*, mg_connection* connection) override {
    const Answer answer = answer_();
    const std::string head =
        absl::StrCat("HTTP/1.1 ", answer.code, answer.code == 200 ? " OK" : " Service Unavailable",
                     "\r\nContent-Type: ", answer.type, "\r\nContent-Length: ", answer.body.size(),
                     "\r\nConnection: close\r\n\r\n");
    mg_write(connection, head.data(), head.size());
    mg_write(connection, answer.body.data(), answer.body.size());
    return true;
  }

 private:
  const std::function<Answer()> answer_;
};

constexpr char kPlainText[] = "text/plain; charset=utf-8";

}  // namespace

struct AdminServer::State {
  State(const std::string& address, const Callbacks& callbacks)
      : metrics([callbacks] {
          return Page::Answer{200, "text/plain; version=0.0.4; charset=utf-8", callbacks.metrics()};
        }),
        alive([] {
          return Page::Answer{200, kPlainText, "ok\n"};
        }),
        ready([callbacks] {
          return callbacks.ready() ? Page::Answer{200, kPlainText, "ready\n"}
                                   : Page::Answer{503, kPlainText, "not ready\n"};
        }),
        server({"listening_ports", address, "num_threads", "2", "enable_directory_listing", "no"}) {
    server.addHandler("/metrics$", metrics);
    server.addHandler("/healthz$", alive);
    server.addHandler("/readyz$", ready);
  }
  Page metrics, alive, ready;
  CivetServer server;  // last: its threads stop before the pages go
};

absl::StatusOr<std::unique_ptr<AdminServer>> AdminServer::Start(const std::string& address,
                                                                Callbacks callbacks) {
  try {
    return std::unique_ptr<AdminServer>(
        new AdminServer(std::make_unique<State>(address, callbacks)));
  } catch (const CivetException& error) {
    return MakeError(absl::StatusCode::kUnavailable, "ADDRESS_IN_USE",
                     absl::StrCat("cannot listen on --admin ", Quoted(address), " (", error.what(),
                                  "); choose a free HOST:PORT of this machine"),
                     {{"address", address}});
  }
}

AdminServer::AdminServer(std::unique_ptr<State> state) : state_(std::move(state)) {}
AdminServer::~AdminServer() = default;

int AdminServer::port() const { return state_->server.getListeningPorts().at(0); }

}  // namespace homolog::rpc
