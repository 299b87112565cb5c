// The GPT-NeoX family, which Pythia belongs to: rotary positions, parallel or sequential residual,
// queries, keys and values interleaved by head (Black et al. 2022, arXiv:2204.06745; settings and
// tensor names as in Hugging Face's GPTNeoXForCausalLM).
#ifndef HOMOLOG_SERVER_ENGINE_GPT_NEOX_H_
#define HOMOLOG_SERVER_ENGINE_GPT_NEOX_H_

#include <memory>
#include <nlohmann/json_fwd.hpp>

#include "absl/status/statusor.h"
#include "server/engine/architecture.h"

namespace homolog::engine {

// See ParseArchitecture.
absl::StatusOr<std::unique_ptr<Architecture>> ParseGptNeox(const nlohmann::json& config);

}  // namespace homolog::engine

#endif  // HOMOLOG_SERVER_ENGINE_GPT_NEOX_H_
