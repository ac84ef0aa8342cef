// The tokens of a vocabulary that carry the form of a chat answer. Pure.
#pragma once

#include <optional>

#include "text/reasoning_parser.h"
#include "text/tokenizer.h"
#include "text/tool_call_parser.h"

namespace talon {

// Those that begin and end reasoning; nothing if the vocabulary lacks one.
std::optional<text::ReasoningTags> find_reasoning_tags(const text::Tokenizer& tokenizer);

// Those of tool calls; nothing without a marker token.
std::optional<text::ToolTokens> find_tool_tokens(const text::Tokenizer& tokenizer);

}  // namespace talon
