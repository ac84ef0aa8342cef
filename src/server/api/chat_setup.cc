#include "server/api/chat_setup.h"

#include <optional>
#include <utility>
#include <vector>

#include "text/grammar.h"
#include "text/jinja/json_value.h"

namespace talon::server {
namespace {

using Start = text::ReasoningParser::Start;

void join_grammars(Fields& fields, const ChatTools& tools, GenerationCall& generation) {
  if (tools.may_call() && generation.grammar.has_value()) {
    // The grammar of an answer has no room for the tokens of a call.
    fields.fail("unsupported_parameter", "tool_choice",
                "a constraint of the answer and tools that may be called exclude each other: set "
                "tool_choice to \"none\" or leave the constraint out");
    return;
  }
  if (std::optional<text::GrammarSource> grammar = tools.grammar()) {
    generation.grammar = std::move(grammar);
  }
}

}  // namespace

void set_up_answer(Fields& fields,
                   const ApiContext& context,
                   const ChatTools& tools,
                   text::ReasoningParser::Start start,
                   ChatCall& call) {
  if (fields.failed()) {
    return;
  }
  call.reasoning = context.reasoning;
  call.reasoning_start = start;
  call.reasoning_field = context.reasoning_field;
  join_grammars(fields, tools, call.generation);
  if (call.generation.grammar.has_value() && start != Start::kAnswer) {
    call.generation.reasoning_before = {.open = context.reasoning->open,
                                        .close = context.reasoning->close,
                                        .is_open = start == Start::kReasoning};
  }
  if (tools.list.is_null()) {
    return;
  }
  call.tools = text::value_of_json(tools.list);
  if (tools.may_call()) {
    call.tool_tokens = context.tool_tokens;
    call.tool_tokens->may_be_spelled = call.generation.grammar.has_value();
    call.stops_after_call = !tools.may_repeat;
    return;
  }
  std::vector<TokenId>& bad = call.generation.settings.sampling.bad_token_ids;
  bad.insert(bad.end(),
             {context.tool_tokens->marker, context.tool_tokens->open, context.tool_tokens->close});
}

}  // namespace talon::server
