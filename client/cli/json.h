// ProtoJSON.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_CLIENT_CLI_JSON_H_
#define HOMOLOG_CLIENT_CLI_JSON_H_

#include <google/protobuf/message.h>

#include <string>

namespace homolog::cli {

// `message` with the proto's field names, zeros included, over several lines.
std::string Json(const google::protobuf::Message& message);
// The same in one line, for streams of messages.
std::string JsonLine(const google::protobuf::Message& message);

}  // namespace homolog::cli

#endif  // HOMOLOG_CLIENT_CLI_JSON_H_
