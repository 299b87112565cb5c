#include "client/cli/study_sections.h"

#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cli/table.h"
#include "client/cli/text.h"
#include "common/enum_text.h"
#include "common/error.h"

namespace homolog::cli {
namespace {

// Share of universal neurons by step: at every threshold the mean over models, and at the main one
// every model.
std::string EmergenceText(const v1::Study& study) {
  std::map<std::pair<std::string, double>, double> mean;           // by step, threshold
  std::map<std::pair<std::string, std::string>, double> by_model;  // by step, model
  for (const v1::Emergence& emergence : study.emergence()) {
    mean[{emergence.step(), emergence.threshold()}] +=
        emergence.universal_share() / study.models_size();
    if (emergence.threshold() == study.main_threshold()) {
      by_model[{emergence.step(), emergence.model()}] = emergence.universal_share();
    }
  }
  Table table{{{"step", true}}, {}};
  for (const double threshold : study.thresholds()) {
    table.columns.push_back({absl::StrCat("share_", threshold), true});
  }
  for (const std::string& model : study.models()) {
    table.columns.push_back(
        {absl::StrCat(NameText(model, Style::kShort), "_", study.main_threshold()), true});
  }
  for (const std::string& step : study.steps()) {
    std::vector<std::string> row = {step};
    for (const double threshold : study.thresholds()) {
      row.push_back(ShareText(mean[{step, threshold}], Style::kShort));
    }
    for (const std::string& model : study.models()) {
      row.push_back(ShareText(by_model[{step, model}], Style::kShort));
    }
    table.rows.push_back(std::move(row));
  }
  return AlignedTable(table);
}

absl::StatusOr<std::string> AblationText(client::Client& client, const v1::Study& study) {
  Table table{{{"ablated"},
               {"neurons"},
               {"neuron_count", true},
               {"loss_increase", true},
               {"error", true},
               {"kl", true},
               {"remark"}},
              {}};
  const std::string& last = study.steps(study.steps_size() - 1);
  for (const v1::StudyAblationPart& part : study.parts().ablations()) {
    if (part.step() != last || part.threshold() != study.main_threshold() ||
        part.scope() == v1::ABLATION_SCOPE_PER_LAYER) {
      continue;
    }
    std::vector<std::string> row = {NameText(part.model(), Style::kShort) + "/" + part.step(),
                                    EnumText(part.set())};
    if (part.ablation().empty()) {
      row.insert(row.end(), {"", "", "", "", part.absent_reason()});
      table.rows.push_back(std::move(row));
      continue;
    }
    HOMOLOG_ASSIGN_OR_RETURN(const v1::Ablation ablation, client.GetAblation(part.ablation()));
    const v1::AblationEffect& effect = ablation.effect();
    const bool drawn = ablation.has_effect_std();
    row.insert(
        row.end(),
        {std::to_string(effect.neuron_count()), RealText(effect.loss_increase(), Style::kShort, 6),
         RealText(drawn ? ablation.effect_std().loss_increase() : effect.loss_increase_error(),
                  Style::kShort, 6),
         RealText(effect.kl(), Style::kShort, 6),
         drawn ? absl::StrCat("mean and deviation of ", ablation.draws_size(), " draws") : ""});
    table.rows.push_back(std::move(row));
  }
  return AlignedTable(table);
}

std::string FamiliesText(const v1::Study& study) {
  Table table{{{"step", true}, {"family_count", true}, {"families"}}, {}};
  for (const v1::StudyFamilies& part : study.parts().families()) {
    table.rows.push_back({part.step(), std::to_string(part.family_count()),
                          NameText(part.families(), Style::kShort)});
  }
  return AlignedTable(table);
}

std::string LineageText(const v1::Study& study) {
  Table table{{{"model"},
               {"from", true},
               {"to", true},
               {"became", true},
               {"stayed", true},
               {"ceased", true}},
              {}};
  for (const v1::LineageSummary& lineage : study.lineages()) {
    table.rows.push_back({NameText(lineage.model(), Style::kShort), lineage.from_step(),
                          lineage.to_step(), std::to_string(lineage.became_count()),
                          std::to_string(lineage.stayed_count()),
                          std::to_string(lineage.ceased_count())});
  }
  return AlignedTable(table);
}

}  // namespace

absl::StatusOr<std::vector<std::string>> StudySections(client::Client& client,
                                                       const v1::Study& study) {
  std::vector<std::string> sections = {EmergenceText(study)};
  if (!study.ablation().skip()) {
    HOMOLOG_ASSIGN_OR_RETURN(std::string ablations, AblationText(client, study));
    sections.push_back(std::move(ablations));
  }
  sections.push_back(FamiliesText(study));
  if (!study.lineages().empty()) sections.push_back(LineageText(study));
  return sections;
}

}  // namespace homolog::cli
