#include "common/enum_text.h"

#include <google/protobuf/descriptor.h>

namespace homolog {
namespace {

constexpr std::string_view kUnspecified = "UNSPECIFIED";

std::string TextOf(const google::protobuf::EnumValueDescriptor& value) {
  const std::string zero(value.type()->FindValueByNumber(0)->name());
  std::string text(value.name());
  text.erase(0, zero.size() - kUnspecified.size());
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

}  // namespace

std::string EnumText(const google::protobuf::EnumDescriptor* type, int number) {
  const auto* value = type->FindValueByNumber(number);
  return value == nullptr ? std::to_string(number) : TextOf(*value);
}

std::vector<std::string> EnumTexts(const google::protobuf::EnumDescriptor* type) {
  std::vector<std::string> texts;
  for (int i = 0; i < type->value_count(); ++i) {
    if (type->value(i)->number() != 0) texts.push_back(TextOf(*type->value(i)));
  }
  return texts;
}

std::optional<int> EnumNumber(const google::protobuf::EnumDescriptor* type, std::string_view text) {
  for (int i = 0; i < type->value_count(); ++i) {
    if (type->value(i)->number() != 0 && TextOf(*type->value(i)) == text) {
      return type->value(i)->number();
    }
  }
  return std::nullopt;
}

}  // namespace homolog
