#include "client/cli/follow.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/interrupt.h"
#include "client/cli/progress.h"
#include "common/enum_text.h"
#include "common/error.h"

namespace homolog::cli {
namespace {

constexpr int64_t kWorthSaying = 5;  // seconds

std::string TokensText(int64_t tokens, Style style) {
  return tokens == 0 && style == Style::kShort ? "" : CountText(tokens, style);
}

// Where nothing runs yet the server may have no stage to name.
std::string StageOf(const v1::Operation& operation) {
  const std::string& stage = operation.progress().stage();
  return stage.empty() ? EnumText(operation.state()) : stage;
}

// `result` alone from a server that has one result per operation.
std::vector<std::string> ResultsOf(const v1::Operation& operation) {
  if (operation.results().empty()) return {operation.result()};
  return {operation.results().begin(), operation.results().end()};
}

}  // namespace

const Fields<v1::Operation>& OperationFields() {
  using v1::Operation;
  static const auto* const fields = new Fields<Operation>(
      Fields<Operation>()
          .Add("name", [](const Operation& o, Style s) { return NameText(o.name(), s); })
          .Add("kind", [](const Operation& o, Style) { return o.kind(); })
          .Add("state", [](const Operation& o, Style) { return EnumText(o.state()); })
          .Add("stage", [](const Operation& o, Style) { return o.progress().stage(); })
          .AddNumber(
              "done_tokens",
              [](const Operation& o, Style s) { return TokensText(o.progress().done_tokens(), s); })
          .AddNumber("total_tokens",
                     [](const Operation& o, Style s) {
                       return TokensText(o.progress().total_tokens(), s);
                     })
          .Add("create_time",
               [](const Operation& o, Style s) { return TimeText(o.create_time(), s); })
          .Add("end_time", [](const Operation& o, Style s) { return TimeText(o.end_time(), s); })
          .Add("result", [](const Operation& o, Style) { return absl::StrJoin(ResultsOf(o), ","); })
          .Add("error", [](const Operation& o, Style) { return o.error().message(); }));
  return *fields;
}

std::string PlanLine(const v1::CorrelationPlan& plan) {
  return absl::StrCat("plan: ", plan.passes(), plan.passes() == 1 ? " pass" : " passes",
                      " over the tokens, ", BytesText(plan.memory_bytes(), Style::kShort), " of ",
                      BytesText(plan.memory_budget_bytes(), Style::kShort), ", about ",
                      DurationText(plan.estimated_duration(), Style::kShort));
}

std::string StudyPlanLine(const v1::StudyPlan& plan) {
  const std::string duration =
      plan.has_estimated_duration()
          ? absl::StrCat(", about ", DurationText(plan.estimated_duration(), Style::kShort))
          : "";
  return absl::StrCat("plan: ", plan.correlation_count(), " correlations (",
                      plan.stored_correlation_count(), " stored), ", plan.ablation_count(),
                      " ablations (", plan.stored_ablation_count(), " stored), ",
                      plan.forward_pass_count(), " readings of the data set by a model, ",
                      CountText(plan.forward_tokens(), Style::kShort), " tokens", duration);
}

std::string HowToComeBack(const std::string& operation) {
  return "\n" + operation + " goes on without this command. To wait for it again:\n" +
         "  homolog operations wait " + operation + "\nTo stop it:\n" +
         "  homolog operations cancel " + operation + "\n";
}

absl::StatusOr<v1::Operation> Follow(Session& session, const std::string& name) {
  const LastWords last_words(HowToComeBack(name));
  Progress progress(session.err, session.err_is_terminal, "tokens");
  std::string said;  // again where the server must make another plan
  return session.client.FollowOperation(name, [&](const v1::Operation& operation) {
    if (client::HasEnded(operation)) return;
    const v1::CorrelationPlan& plan = operation.correlation_plan();
    // Of quick work nothing is said.
    if (plan.estimated_duration().seconds() >= kWorthSaying && PlanLine(plan) != said) {
      said = PlanLine(plan);
      progress.Say(said);
    }
    if (operation.has_study_plan() && said.empty()) {
      said = StudyPlanLine(operation.study_plan());
      progress.Say(said);
    }
    progress.Update(StageOf(operation), operation.progress().done_tokens(),
                    operation.progress().total_tokens());
  });
}

absl::Status Conclude(
    Session& session, const absl::StatusOr<v1::Operation>& started, bool no_wait,
    const std::function<absl::Status(const std::vector<std::string>&)>& print_results) {
  HOMOLOG_RETURN_IF_ERROR(started.status());
  if (no_wait) {
    session.output.PrintOne(*started, OperationFields());
    return absl::OkStatus();
  }
  v1::Operation operation = *started;
  if (!client::HasEnded(operation)) {
    HOMOLOG_ASSIGN_OR_RETURN(operation, Follow(session, started->name()));
  }
  HOMOLOG_RETURN_IF_ERROR(client::OperationError(operation));
  return print_results(ResultsOf(operation));
}

}  // namespace homolog::cli
