#include "client/cli/json.h"

#include <google/protobuf/util/json_util.h>

namespace homolog::cli {
namespace {

std::string Print(const google::protobuf::Message& message, bool lines) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  options.add_whitespace = lines;
  std::string json;
  // Fails only for an Any of unknown type, which no message of this API holds but an error's
  // details.
  const auto status = google::protobuf::util::MessageToJsonString(message, &json, options);
  if (!status.ok()) json = "{}";
  if (!json.ends_with('\n')) json += '\n';
  return json;
}

}  // namespace

std::string Json(const google::protobuf::Message& message) { return Print(message, true); }
std::string JsonLine(const google::protobuf::Message& message) { return Print(message, false); }

}  // namespace homolog::cli
