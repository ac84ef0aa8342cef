// The body of POST /v1/completions (spec/serving.md 2.3, 2.4): every check that needs no engine.
// Pure.
#pragma once

#include <cstdint>
#include <string_view>
#include <variant>

#include "server/api/context.h"
#include "server/api/error.h"
#include "server/api/generation_call.h"

namespace talon::server {

struct CompletionCall {
  GenerationCall generation{};
  bool echo = false;
  int32_t num_logprobs = -1;    // of answer tokens, and of the prompt's if echoed; -1: none
  bool is_prompt_only = false;  // max_tokens 0: the one token that the engine gives is left out
};

std::variant<CompletionCall, ApiError> parse_completion_request(std::string_view body,
                                                                const ApiContext& context,
                                                                const Arrival& arrival);

}  // namespace talon::server
