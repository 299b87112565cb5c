#include "client/cli/flags.h"
#include "client/cli/follow.h"
#include "client/cli/interrupt.h"
#include "client/cli/nouns.h"
#include "common/error.h"
#include "common/resource_names.h"
#include "google/protobuf/empty.pb.h"

namespace homolog::cli {
namespace {

using v1::Operation;

absl::Status List(Session& session, const NoArguments&) {
  HOMOLOG_ASSIGN_OR_RETURN(const auto list, session.client.ListOperations());
  session.output.PrintList(list, list.operations(), OperationFields());
  return absl::OkStatus();
}

// Show and cancel: a function of the client that gives the operation as it stands.
template <absl::StatusOr<Operation> (client::Client::*kCall)(const std::string&)>
absl::Status PrintAfter(Session& session, const NameArgument& arguments) {
  HOMOLOG_ASSIGN_OR_RETURN(const std::string name, ExpandName(kOperations, arguments.name));
  HOMOLOG_ASSIGN_OR_RETURN(const Operation operation, (session.client.*kCall)(name));
  session.output.PrintOne(operation, OperationFields());
  return absl::OkStatus();
}

absl::Status Wait(Session& session, const NameArgument& arguments) {
  HOMOLOG_ASSIGN_OR_RETURN(const std::string name, ExpandName(kOperations, arguments.name));
  HOMOLOG_ASSIGN_OR_RETURN(const Operation operation, Follow(session, name));
  session.output.PrintOne(operation, OperationFields());
  return client::OperationError(operation);
}

absl::Status Watch(Session& session, const NameArgument& arguments) {
  HOMOLOG_ASSIGN_OR_RETURN(const std::string name, ExpandName(kOperations, arguments.name));
  const LastWords last_words(HowToComeBack(name));
  HOMOLOG_ASSIGN_OR_RETURN(
      const Operation operation,
      session.client.FollowOperation(name, [&session](const Operation& changed) {
        session.output.PrintNext(changed, OperationFields());
      }));
  return client::OperationError(operation);
}

struct DeleteArguments {
  std::vector<std::string> names;
};

absl::Status Delete(Session& session, const DeleteArguments& arguments) {
  std::vector<std::string> names;  // all of them, before the first is gone
  for (const std::string& typed : arguments.names) {
    HOMOLOG_ASSIGN_OR_RETURN(const std::string name, ExpandName(kOperations, typed));
    names.push_back(name);
  }
  for (const std::string& name : names) {
    HOMOLOG_RETURN_IF_ERROR(session.client.DeleteOperation(name));
    session.output.PrintForPeople("deleted " + name + "\n");
  }
  session.output.PrintJson(google::protobuf::Empty());
  return absl::OkStatus();
}

void AddDelete(CLI::App* noun, Action& chosen) {
  const auto [verb, arguments] = AddVerb<DeleteArguments>(
      noun, "delete", "Forget operations that have ended; their results stay", chosen, Delete);
  CLI::Option* names = AddFlag(verb, "names", &arguments->names, "Operations");
  Require(names);
  TakeAllWords(names);
}

}  // namespace

void AddOperations(CLI::App& app, Action& chosen) {
  CLI::App* noun = AddNoun(app, "operations", "Long-running work on the server");
  AddVerb<NoArguments>(noun, "list", "List the operations", chosen, List);
  AddNameVerb(noun, "show", "Show one operation as it stands", chosen,
              PrintAfter<&client::Client::GetOperation>, "Operation");
  AddNameVerb(noun, "wait", "Wait for an operation to end and print it; fails where it failed",
              chosen, Wait, "Operation");
  AddNameVerb(noun, "watch", "Print an operation now and whenever it changes, until it has ended",
              chosen, Watch, "Operation");
  AddNameVerb(noun, "cancel", "Ask an operation to stop", chosen,
              PrintAfter<&client::Client::CancelOperation>, "Operation");
  AddDelete(noun, chosen);
}

}  // namespace homolog::cli
