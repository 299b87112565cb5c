#include "common/loopback.h"

#include <arpa/inet.h>

#include <string>

namespace homolog {
namespace {

// "host:port", "[host]:port" or "host" without its port; "" for anything else.
std::string HostOf(std::string_view address) {
  std::string_view host = address, port;
  if (host.starts_with('[')) {
    const size_t end = host.find(']');
    if (end == host.npos) return "";
    port = host.substr(end + 1);
    host = host.substr(1, end - 1);
  } else if (const size_t colon = host.find(':'); colon != host.npos) {
    port = host.substr(colon);
    host = host.substr(0, colon);
  }
  const bool port_ok =
      port.empty() || (port.front() == ':' && port.find_first_not_of("0123456789", 1) == port.npos);
  return port_ok ? std::string(host) : "";
}

bool IsLoopbackHost(const std::string& host) {
  if (host == "localhost") return true;
  in_addr four;
  if (inet_pton(AF_INET, host.c_str(), &four) == 1) return (ntohl(four.s_addr) >> 24) == 127;
  in6_addr six;
  return inet_pton(AF_INET6, host.c_str(), &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six) != 0;
}

}  // namespace

bool IsLoopback(std::string_view address) {
  if (address.starts_with("unix:") || address.starts_with("unix-abstract:")) return true;
  for (const std::string_view scheme : {"dns:///", "dns:", "ipv4:", "ipv6:"}) {
    if (!address.starts_with(scheme)) continue;
    address.remove_prefix(scheme.size());
    break;
  }
  return IsLoopbackHost(HostOf(address));
}

}  // namespace homolog
