#include "common/loopback.h"

#include <gtest/gtest.h>

#include <string>

namespace homolog {
namespace {

TEST(LoopbackTest, KnowsThisMachinesOwnAddresses) {
  for (const std::string address :
       {"127.0.0.1:7431", "127.0.0.1", "127.9.8.7:1", "localhost:7431", "localhost", "[::1]:7431",
        "[::1]", "unix:/run/homolog.sock", "unix-abstract:homolog", "dns:///localhost:7431",
        "dns:127.0.0.1:1", "ipv4:127.0.0.1:7431", "ipv6:[::1]:7431"}) {
    EXPECT_TRUE(IsLoopback(address)) << address;
  }
}

TEST(LoopbackTest, TakesNothingElseForOne) {
  for (const std::string address : {"",
                                    ":",
                                    ":7431",
                                    "0.0.0.0:7431",
                                    "[::]:7431",
                                    "10.0.0.1:7431",
                                    "example.org:7431",
                                    "localhost.example.org:7431",
                                    "127.example.org:7431",
                                    "127.0.0.1.example.org:7431",
                                    "127.0.0.1@example.org:7431",
                                    "128.0.0.1:7431",
                                    "[::1].example.org:7431",
                                    "[::1",
                                    "[::1]7431",
                                    "ipv4:127.0.0.1:7431,10.0.0.1:7431",
                                    "dns://example.org/localhost:7431",
                                    "localhost:7431/path",
                                    "1127.0.0.1:7431",
                                    "127.1:7431",
                                    "xds:///localhost"}) {
    EXPECT_FALSE(IsLoopback(address)) << address;
  }
}

}  // namespace
}  // namespace homolog
