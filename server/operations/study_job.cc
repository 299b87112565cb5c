#include "server/operations/study_job.h"

#include <ATen/core/grad_mode.h>
#include <c10/core/GradMode.h>

#include <memory>
#include <string>
#include <utility>

#include "common/error.h"
#include "server/analysis/products.h"
#include "server/engine/torch_errors.h"
#include "server/operations/study_request.h"
#include "server/operations/study_run.h"
#include "server/operations/study_work.h"
#include "server/results/studies.h"

namespace homolog::operations {
namespace {

absl::StatusOr<double> DeviceRate(const AnalysisContext& context, const StudyInputs& inputs) {
  double rate = 0;
  HOMOLOG_RETURN_IF_ERROR(engine::CatchTorch([&] {
    const at::NoGradGuard no_grad;
    rate = analysis::MeasuredMultiplicationsPerSecond(inputs.by_step[0].options.precision,
                                                      context.registry->device());
    return absl::OkStatus();
  }));
  return rate;
}

// What is known once it has begun, also when it gave the device to others meanwhile.
struct Begun {
  std::optional<StudyWork> work;
  int64_t tokens = 0;
};

absl::Status Run(const AnalysisContext& context, const StudyInputs& inputs, Begun& begun,
                 const std::string& operation, analysis::RunControl& control) {
  // A former process may have stored the result and died before it said so.
  if (results::ReadCompleteStudy(*context.store, inputs.study.name()).ok()) return absl::OkStatus();
  if (!begun.work) {
    control.OnStage("planning");
    HOMOLOG_ASSIGN_OR_RETURN(const double rate, DeviceRate(context, inputs));
    HOMOLOG_ASSIGN_OR_RETURN(begun.work, PlanStudy(context, inputs, rate));
    control.OnStudyPlan(begun.work->plan);
  }
  return RunStudy(context, inputs, *begun.work, operation, control, &begun.tokens);
}

}  // namespace

absl::StatusOr<Job> PrepareStudy(const AnalysisContext& context,
                                 const v1::RunStudyRequest& request) {
  auto hold = std::make_shared<store::Store::Hold>(context.store);
  HOMOLOG_ASSIGN_OR_RETURN(StudyInputs validated, ValidateStudy(context, request));
  const auto inputs = std::make_shared<const StudyInputs>(std::move(validated));
  Job job;
  job.hold = std::move(hold);
  job.kind = std::string(kStudyKind);
  job.result = inputs->study.name();
  job.request = request.SerializeAsString();
  job.run = [context, inputs, begun = std::make_shared<Begun>()](const std::string& operation,
                                                                 analysis::RunControl& control) {
    return Run(context, *inputs, *begun, operation, control);
  };
  return job;
}

}  // namespace homolog::operations
