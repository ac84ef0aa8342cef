// The body of POST /v1/responses, the stateless part: what is put into the form of a chat request
// and read as one, so that both routes have the same rules; paths in messages are those of the chat
// request. Nothing is stored, so what refers to an earlier response is refused. Pure.
#pragma once

#include <string_view>
#include <variant>

#include "server/api/chat_request.h"
#include "server/api/context.h"
#include "server/api/error.h"

namespace talon::server {

std::variant<ChatCall, ApiError> parse_responses_request(std::string_view body,
                                                         const ApiContext& context,
                                                         const Arrival& arrival);

}  // namespace talon::server
