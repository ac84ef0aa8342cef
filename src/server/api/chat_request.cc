#include "server/api/chat_request.h"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/json.h"
#include "engine/request_checks.h"
#include "server/api/chat_prompt.h"
#include "server/api/chat_setup.h"
#include "server/api/chat_tools.h"
#include "server/api/fields.h"
#include "server/api/generation_fields.h"
#include "server/api/grammar_fields.h"

namespace talon::server {
namespace {

void read_logprobs(Fields& fields, ChatCall& call) {
  fields.read("logprobs", call.logprobs);
  int32_t num_top = 0;
  fields.read("top_logprobs", num_top, IntRange{.low = 0, .high = kMaxTopLogprobs});
  if (num_top > 0 && !call.logprobs) {
    fields.fail("invalid_value", "top_logprobs", "top_logprobs needs \"logprobs\": true");
  }
  call.generation.settings.num_logprobs = call.logprobs ? num_top : -1;
}

}  // namespace

std::variant<ChatCall, ApiError> parse_chat_request(std::string_view body,
                                                    const ApiContext& context,
                                                    const Arrival& arrival) {
  std::optional<ApiError> fault;
  const std::optional<Json> json = read_body(body, fault);
  if (!json.has_value()) {
    return *std::move(fault);
  }
  Fields fields(*json, "", fault, context.strict_fields);
  ChatCall call;
  GenerationCall& generation = call.generation;
  read_generation(fields, context, arrival, generation);
  read_logprobs(fields, call);
  fields.read("reasoning_split", call.splits_reasoning);
  fields.read("include_reasoning", call.shows_reasoning);
  fields.ignore({"prediction", "verbosity", "web_search_options"});
  const std::optional<int64_t> limit = read_max_tokens(fields, 1);
  generation.grammar = read_grammar(fields, context);
  const ChatTools tools = read_tools(fields, context);
  ChatPrompt prompt = read_chat_prompt(fields, context, arrival, tools.list);
  fields.close();
  set_up_answer(fields, context, tools, prompt.start, call);
  generation.prompts.push_back(std::move(prompt.tokens));
  if (!fields.failed()) {
    apply_limits(fields, context, "messages", limit, generation);
  }
  if (fault.has_value()) {
    return *std::move(fault);
  }
  return call;
}

}  // namespace talon::server
