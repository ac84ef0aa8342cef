// The bodies of POST /v1/messages and /v1/messages/count_tokens, in Anthropic's form. They are put
// into the form of a chat request and read as one, so that both routes have the same rules; paths
// in messages are those of the chat request. Pure.
#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "server/api/chat_request.h"
#include "server/api/context.h"
#include "server/api/error.h"

namespace talon::server {

std::variant<ChatCall, ApiError> parse_anthropic_request(std::string_view body,
                                                         const ApiContext& context,
                                                         const Arrival& arrival);

// {"input_tokens": N}. max_tokens may be absent, and the prompt may be longer than the context.
std::variant<std::string, ApiError> answer_count_tokens(std::string_view body,
                                                        const ApiContext& context,
                                                        const Arrival& arrival);

// {"type": "error", "error": {type, message}, "request_id"}, with Anthropic's types.
std::string anthropic_error_body(const ApiError& error, std::string_view request_id);

}  // namespace talon::server
