// Which addresses stay on this machine.
//
// Thread-safety: a pure function.
#ifndef HOMOLOG_COMMON_LOOPBACK_H_
#define HOMOLOG_COMMON_LOOPBACK_H_

#include <string_view>

namespace homolog {

// Whether `address`, as "HOST:PORT" or any other target of gRPC ("unix:/path",
// "dns:///localhost:80"), is this machine's alone: 127.0.0.0/8, ::1, localhost or a Unix socket.
// What is not understood is not.
bool IsLoopback(std::string_view address);

}  // namespace homolog

#endif  // HOMOLOG_COMMON_LOOPBACK_H_
