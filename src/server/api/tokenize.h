// POST /tokenize and /detokenize (spec/serving.md 2.1): a body to the body of the answer. Pure.
#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "server/api/context.h"
#include "server/api/error.h"

namespace talon::server {

// {prompt} or {messages, tools, ...} as in a chat request, to {count, max_model_len, tokens};
// with "return_token_strs": true also {token_strs}.
std::variant<std::string, ApiError> answer_tokenize(std::string_view body,
                                                    const ApiContext& context,
                                                    const Arrival& arrival);

// {tokens} to {prompt}. Special tokens are shown.
std::variant<std::string, ApiError> answer_detokenize(std::string_view body,
                                                      const ApiContext& context);

}  // namespace talon::server
