// The JSON forms that commands share. Include from .cc files only.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/json.h"
#include "engine/config.h"
#include "measure/median.h"
#include "stream/completion.h"

namespace talon {

// text, token_ids, finish_reason, prompt_tokens, completion_tokens, spec, timings; logprobs if
// asked for; synthetic_acceptance if acceptance was forced, synthetic_weights if they
// were random.
Json completion_json(const Completion& completion, int32_t num_speculative_tokens);

// Of all choices of a request, in their order: the object above if there is one, else an object
// `choices` of such objects, each with its `index` first.
Json completions_json(std::span<const Completion> completions, int32_t num_speculative_tokens);

// What the settings come to on this machine: "cuda" and one thread on a GPU.
std::string cpu_path_in_use(const EngineConfig& config);
int32_t threads_in_use(const EngineConfig& config);
int64_t peak_memory_bytes();  // of this process so far

Json spread_json(const Spread& value);

}  // namespace talon
