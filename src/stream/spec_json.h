// What is said of speculation in JSON, by commands and server alike. Include from .cc files only.
#pragma once

#include <cstdint>

#include "base/json.h"
#include "engine/spec_stats.h"

namespace talon {

// The object `spec` of spec/eagle3.md 12.1; fractions are 0..1, prefill excluded.
// `num_speculative_tokens` is K; histogram and rates have K + 1 and K entries.
Json spec_json(const SpecStats& stats, int32_t num_speculative_tokens);

}  // namespace talon
