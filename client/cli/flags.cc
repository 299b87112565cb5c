#include "client/cli/flags.h"

#include <CLI/CLI.hpp>
#include <charconv>

#include "common/enum_text.h"
#include "common/text.h"

namespace homolog::cli {
namespace {

// CLI11 would take "-1" for an unsigned number and "010" for 8.
template <typename Value>
Value ParseNumber(const std::string& flag, const std::string& text) {
  Value value = {};
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, value);
  if (result.ec != std::errc() || result.ptr != end) {
    throw CLI::ValidationError(flag, Quoted(text) + " is not a number of its kind");
  }
  return value;
}

// `Target` is Value or an optional of it.
template <typename Value, typename Target>
CLI::Option* AddNumberFlag(CLI::App* verb, const std::string& flag, Target* target,
                           const std::string& help, const std::string& kind) {
  const auto set = [target, flag](const std::string& text) {
    *target = ParseNumber<Value>(flag, text);
  };
  return verb->add_option_function<std::string>(flag, set, help)->type_name(kind);
}

}  // namespace

CLI::App* AddNoun(CLI::App& app, const std::string& name, const std::string& help) {
  CLI::App* noun = app.add_subcommand(name, help);
  noun->require_subcommand(1);
  return noun;
}

CLI::App* DeclareVerb(CLI::App* noun, const std::string& name, const std::string& help,
                      std::function<void()> on_parsed) {
  CLI::App* verb = noun->add_subcommand(name, help);
  verb->callback(std::move(on_parsed));
  return verb;
}

CLI::App* AddOneOfGroup(CLI::App* verb, const std::string& title) {
  CLI::App* group = verb->add_option_group(title);
  group->require_option(1);
  return group;
}

CLI::Option* AddFlag(CLI::App* verb, const std::string& flag, std::string* value,
                     const std::string& help) {
  return verb->add_option(flag, *value, help);
}
CLI::Option* AddFlag(CLI::App* verb, const std::string& flag, int32_t* value,
                     const std::string& help) {
  return AddNumberFlag<int32_t>(verb, flag, value, help, "INT");
}
CLI::Option* AddFlag(CLI::App* verb, const std::string& flag, int64_t* value,
                     const std::string& help) {
  return AddNumberFlag<int64_t>(verb, flag, value, help, "INT");
}
CLI::Option* AddFlag(CLI::App* verb, const std::string& flag, std::optional<int32_t>* value,
                     const std::string& help) {
  return AddNumberFlag<int32_t>(verb, flag, value, help, "INT");
}
CLI::Option* AddFlag(CLI::App* verb, const std::string& flag, std::optional<uint64_t>* value,
                     const std::string& help) {
  return AddNumberFlag<uint64_t>(verb, flag, value, help, "UINT");
}
CLI::Option* AddFlag(CLI::App* verb, const std::string& flag, std::optional<double>* value,
                     const std::string& help) {
  return AddNumberFlag<double>(verb, flag, value, help, "FLOAT");
}
CLI::Option* AddFlag(CLI::App* verb, const std::string& flag, bool* value,
                     const std::string& help) {
  return verb->add_flag(flag, *value, help);
}
CLI::Option* AddFlag(CLI::App* verb, const std::string& flag, std::vector<std::string>* value,
                     const std::string& help) {
  return verb->add_option(flag, *value, help)->delimiter(',')->allow_extra_args(false);
}
CLI::Option* AddFlag(CLI::App* verb, const std::string& flag, std::vector<int32_t>* value,
                     const std::string& help) {
  const auto set = [value, flag](const std::vector<std::string>& texts) {
    value->clear();
    for (const std::string& text : texts) value->push_back(ParseNumber<int32_t>(flag, text));
  };
  return verb->add_option_function<std::vector<std::string>>(flag, set, help)
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("INT,...");
}

CLI::Option* AddFlag(CLI::App* verb, const std::string& flag, std::vector<double>* value,
                     const std::string& help) {
  const auto set = [value, flag](const std::vector<std::string>& texts) {
    value->clear();
    for (const std::string& text : texts) value->push_back(ParseNumber<double>(flag, text));
  };
  return verb->add_option_function<std::vector<std::string>>(flag, set, help)
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("FLOAT,...");
}

CLI::Option* AddEnumFlag(CLI::App* verb, const std::string& flag,
                         const google::protobuf::EnumDescriptor* type, std::function<void(int)> set,
                         const std::string& help) {
  const auto set_text = [set, type](const std::string& text) {
    set(EnumNumber(type, text).value_or(0));
  };
  return verb->add_option_function<std::string>(flag, set_text, help)
      ->check(CLI::IsMember(EnumTexts(type)));
}

void Require(CLI::Option* option) { option->required(); }

void TakeAllWords(CLI::Option* option) { option->allow_extra_args(true); }

void AddNameVerb(CLI::App* noun, const std::string& name, const std::string& help, Action& chosen,
                 absl::Status (*act)(Session&, const NameArgument&), const std::string& name_help) {
  const auto [verb, arguments] = AddVerb<NameArgument>(noun, name, help, chosen, act);
  Require(AddFlag(verb, "name", &arguments->name, name_help));
}

}  // namespace homolog::cli
