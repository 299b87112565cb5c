#include "server/rpc/admin_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>

#include "common/error.h"

namespace homolog::rpc {
namespace {

using ::testing::HasSubstr;

class AdminServerTest : public ::testing::Test {
 protected:
  AdminServerTest() {
    auto started = AdminServer::Start("127.0.0.1:0", {[this] {
                                                        if (fails_) throw std::runtime_error("x");
                                                        return std::string("homolog_up 1\n");
                                                      },
                                                      [this] { return ready_.load(); }});
    EXPECT_TRUE(started.ok()) << started.status();
    server_ = *std::move(started);
  }
  httplib::Client Client() { return httplib::Client("127.0.0.1", server_->port()); }
  int Status(const std::string& path) {
    const httplib::Result result = Client().Get(path.c_str());
    return result ? result->status : -1;
  }

  std::atomic<bool> ready_ = false, fails_ = false;
  std::unique_ptr<AdminServer> server_;
};

TEST_F(AdminServerTest, ServesMetricsInPrometheusFormat) {
  const httplib::Result result = Client().Get("/metrics");
  ASSERT_TRUE(result);
  EXPECT_EQ(result->status, 200);
  EXPECT_EQ(result->body, "homolog_up 1\n");
  EXPECT_THAT(result->get_header_value("Content-Type"), HasSubstr("version=0.0.4"));
}

TEST_F(AdminServerTest, IsAliveBeforeItIsReady) {
  EXPECT_EQ(Status("/healthz"), 200);
  EXPECT_EQ(Status("/readyz"), 503);
  ready_ = true;
  EXPECT_EQ(Status("/readyz"), 200);
  ready_ = false;  // shutting down
  EXPECT_EQ(Status("/readyz"), 503);
  EXPECT_EQ(Status("/healthz"), 200);
}

TEST_F(AdminServerTest, KnowsNoOtherPath) {
  for (const std::string path : {"/", "/metrics/", "/healthz2", "/../etc/passwd", "/%00"}) {
    EXPECT_EQ(Status(path), 404) << path;
  }
  const httplib::Result posted = Client().Post("/metrics", "x", "text/plain");
  ASSERT_TRUE(posted);
  EXPECT_EQ(posted->status, 404);
}

TEST_F(AdminServerTest, RefusesALargeBodyAndServesOn) {
  const httplib::Result posted = Client().Post("/healthz", std::string(1 << 20, 'x'), "text/plain");
  EXPECT_TRUE(!posted || posted->status >= 400);
  EXPECT_EQ(Status("/healthz"), 200);
}

TEST_F(AdminServerTest, SurvivesACallbackThatThrows) {
  fails_ = true;
  EXPECT_EQ(Status("/metrics"), 500);
  fails_ = false;
  EXPECT_EQ(Status("/metrics"), 200);
}

TEST_F(AdminServerTest, RefusesAPortThatIsInUse) {
  const std::string address = "127.0.0.1:" + std::to_string(server_->port());
  const absl::Status status = AdminServer::Start(address, {}).status();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_EQ(ErrorReason(status), "ADDRESS_IN_USE");
  EXPECT_THAT(std::string(status.message()), HasSubstr(address));
}

TEST_F(AdminServerTest, GivesThePortBackWhenItEnds) {
  const std::string address = "127.0.0.1:" + std::to_string(server_->port());
  server_.reset();
  EXPECT_TRUE(AdminServer::Start(address, {[] { return ""; }, [] { return true; }}).ok());
}

TEST_F(AdminServerTest, RefusesAddressesThatAreNone) {
  // "[::1:0" must not be taken for "::", which is every address of the machine.
  for (const std::string address :
       {"127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:x", "203.0.113.1:0", "[::1:0"}) {
    EXPECT_EQ(ErrorReason(AdminServer::Start(address, {}).status()), "ADDRESS_IN_USE") << address;
  }
}

TEST_F(AdminServerTest, StartsAndEndsWithoutARequest) {
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(AdminServer::Start("127.0.0.1:0", {}).ok());
  }
}

}  // namespace
}  // namespace homolog::rpc
