// The GPT-2 family: learned positions, pre-norm blocks, causal attention, two-layer MLP
// (Radford et al. 2019; settings and tensor names as in Hugging Face's GPT2LMHeadModel).
#ifndef HOMOLOG_SERVER_ENGINE_GPT2_H_
#define HOMOLOG_SERVER_ENGINE_GPT2_H_

#include <memory>
#include <nlohmann/json_fwd.hpp>

#include "absl/status/statusor.h"
#include "server/engine/architecture.h"

namespace homolog::engine {

// See ParseArchitecture.
absl::StatusOr<std::unique_ptr<Architecture>> ParseGpt2(const nlohmann::json& config);

}  // namespace homolog::engine

#endif  // HOMOLOG_SERVER_ENGINE_GPT2_H_
