// Enumerators as text: SITE_MLP_POST is "mlp_post". The names come from the protos themselves.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_COMMON_ENUM_TEXT_H_
#define HOMOLOG_COMMON_ENUM_TEXT_H_

#include <google/protobuf/generated_enum_reflection.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace homolog {

// Text of enumerator `number` of `type`, whose enumerator 0 is {PREFIX}UNSPECIFIED; the number
// itself where a newer server sends one that this client does not know.
std::string EnumText(const google::protobuf::EnumDescriptor* type, int number);
// The texts of all enumerators but 0.
std::vector<std::string> EnumTexts(const google::protobuf::EnumDescriptor* type);
// The number of the enumerator with that text.
std::optional<int> EnumNumber(const google::protobuf::EnumDescriptor* type, std::string_view text);

template <typename Enum>
std::string EnumText(Enum value) {
  return EnumText(google::protobuf::GetEnumDescriptor<Enum>(), static_cast<int>(value));
}

}  // namespace homolog

#endif  // HOMOLOG_COMMON_ENUM_TEXT_H_
