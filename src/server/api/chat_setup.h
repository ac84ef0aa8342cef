// How a chat answer is constrained and parsed, from the tools of its request and the end of its
// prompt. Include from .cc files only.
#pragma once

#include "server/api/chat_request.h"
#include "server/api/chat_tools.h"
#include "server/api/context.h"
#include "server/api/fields.h"
#include "text/reasoning_parser.h"

namespace talon::server {

// Sets what ChatCall has of reasoning and tools, joins the grammar of the tools with that of the
// answer, and keeps the tokens of tool calls from being drawn if tools may not be called.
void set_up_answer(Fields& fields,
                   const ApiContext& context,
                   const ChatTools& tools,
                   text::ReasoningParser::Start start,
                   ChatCall& call);

}  // namespace talon::server
