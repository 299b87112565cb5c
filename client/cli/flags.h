// How nouns declare their verbs and flags. CLI11 stays behind it: its header alone takes longer to
// compile than a noun.
//
// Thread-safety: one thread at a time.
#ifndef HOMOLOG_CLIENT_CLI_FLAGS_H_
#define HOMOLOG_CLIENT_CLI_FLAGS_H_

#include <google/protobuf/generated_enum_reflection.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "client/cli/session.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace homolog::cli {

// Adds a noun, which needs a verb.
CLI::App* AddNoun(CLI::App& app, const std::string& name, const std::string& help);
// Adds a verb; `on_parsed` is called once it and its flags are known.
CLI::App* DeclareVerb(CLI::App* noun, const std::string& name, const std::string& help,
                      std::function<void()> on_parsed);
// Adds a group to a verb, exactly one of whose flags has to be given.
CLI::App* AddOneOfGroup(CLI::App* verb, const std::string& title);

// Adds a flag ("--seed"), or by a name without dashes a positional argument, that fills `*value`.
CLI::Option* AddFlag(CLI::App* verb, const std::string& flag, std::string* value,
                     const std::string& help);
CLI::Option* AddFlag(CLI::App* verb, const std::string& flag, int32_t* value,
                     const std::string& help);
CLI::Option* AddFlag(CLI::App* verb, const std::string& flag, int64_t* value,
                     const std::string& help);
CLI::Option* AddFlag(CLI::App* verb, const std::string& flag, std::optional<int32_t>* value,
                     const std::string& help);
CLI::Option* AddFlag(CLI::App* verb, const std::string& flag, std::optional<uint64_t>* value,
                     const std::string& help);
CLI::Option* AddFlag(CLI::App* verb, const std::string& flag, std::optional<double>* value,
                     const std::string& help);
// A flag without a value.
CLI::Option* AddFlag(CLI::App* verb, const std::string& flag, bool* value, const std::string& help);
// Flags with values separated by commas; given again, they add to them.
CLI::Option* AddFlag(CLI::App* verb, const std::string& flag, std::vector<std::string>* value,
                     const std::string& help);
CLI::Option* AddFlag(CLI::App* verb, const std::string& flag, std::vector<int32_t>* value,
                     const std::string& help);
CLI::Option* AddFlag(CLI::App* verb, const std::string& flag, std::vector<double>* value,
                     const std::string& help);
// A flag with the text (enum_text.h) of an enumerator of `type`; `set` takes its number.
CLI::Option* AddEnumFlag(CLI::App* verb, const std::string& flag,
                         const google::protobuf::EnumDescriptor* type, std::function<void(int)> set,
                         const std::string& help);

template <typename Enum>
CLI::Option* AddEnumFlag(CLI::App* verb, const std::string& flag, Enum* value,
                         const std::string& help) {
  return AddEnumFlag(
      verb, flag, google::protobuf::GetEnumDescriptor<Enum>(),
      [value](int number) { *value = static_cast<Enum>(number); }, help);
}

// Makes a flag one that has to be given.
void Require(CLI::Option* option);
// Makes a positional argument of several values take them as words of their own, too: "a b,c".
void TakeAllWords(CLI::Option* option);

// Adds a verb that runs `act` on its parsed arguments. Returns the verb, for its flags, and the
// arguments that they fill.
template <typename Arguments>
std::pair<CLI::App*, Arguments*> AddVerb(CLI::App* noun, const std::string& name,
                                         const std::string& help, Action& chosen,
                                         absl::Status (*act)(Session&, const Arguments&)) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* verb = DeclareVerb(noun, name, help, [&chosen, arguments, act] {
    chosen = [arguments, act](Session& session) { return act(session, *arguments); };
  });
  return {verb, arguments.get()};
}

// The arguments of verbs that take nothing, and of those that take one name.
struct NoArguments {};
struct NameArgument {
  std::string name;
};

void AddNameVerb(CLI::App* noun, const std::string& name, const std::string& help, Action& chosen,
                 absl::Status (*act)(Session&, const NameArgument&), const std::string& name_help);

}  // namespace homolog::cli

#endif  // HOMOLOG_CLIENT_CLI_FLAGS_H_
