// The JSON forms that commands and server share. Include from .cc files only.
#pragma once

#include "base/json.h"
#include "engine/spec_stats.h"
#include "stream/completion.h"

namespace talon {

// The object `spec` of spec/eagle3.md 12.1; fractions are 0..1, prefill excluded.
// `num_speculative_tokens` is K; histogram and rates have K + 1 and K entries.
Json spec_json(const SpecStats& stats, int32_t num_speculative_tokens);

// text, token_ids, finish_reason, prompt_tokens, completion_tokens, spec, timings.
Json completion_json(const Completion& completion, int32_t num_speculative_tokens);

}  // namespace talon
