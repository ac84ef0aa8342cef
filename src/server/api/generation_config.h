// The sampling defaults that a model states in generation_config.json. Pure.
#pragma once

#include <string_view>

#include "base/result.h"
#include "engine/sampling.h"

namespace talon::server {

// temperature, top_p, top_k and repetition_penalty; what is absent is OpenAI's default. With
// "do_sample": false the default is greedy. The message names the field.
Result<SamplingSettings> read_generation_config(std::string_view json);

}  // namespace talon::server
