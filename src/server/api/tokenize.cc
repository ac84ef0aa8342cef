#include "server/api/tokenize.h"

#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "server/api/chat_prompt.h"
#include "server/api/chat_tools.h"
#include "server/api/choice_log.h"
#include "server/api/fields.h"
#include "server/api/generation_fields.h"
#include "server/api/json_text.h"

namespace talon::server {
namespace {

std::vector<TokenId> read_prompt(Fields& fields,
                                 const ApiContext& context,
                                 const Arrival& arrival) {
  const Json* prompt = fields.find("prompt");
  if (fields.find("messages") != nullptr) {
    const ChatTools tools = read_tools(fields, context);
    return read_chat_prompt(fields, context, arrival, tools.list).tokens;
  }
  if (prompt == nullptr) {
    fields.fail("missing_field", "prompt", "prompt or messages are needed");
    return {};
  }
  std::string text;
  fields.read("prompt", text);
  Result<std::vector<TokenId>> tokens = context.tokenizer->try_encode(text);
  if (!tokens.ok()) {
    fields.fail("invalid_value", "prompt", tokens.message());
    return {};
  }
  return std::move(tokens).value();
}

}  // namespace

std::variant<std::string, ApiError> answer_tokenize(std::string_view body,
                                                    const ApiContext& context,
                                                    const Arrival& arrival) {
  std::optional<ApiError> fault;
  const std::optional<Json> json = read_body(body, fault);
  if (!json.has_value()) {
    return *std::move(fault);
  }
  Fields fields(*json, "", fault, context.strict_fields);
  std::string model;
  bool with_strings = false;
  read_model(fields, context, model);
  fields.read("return_token_strs", with_strings);
  fields.ignore({"add_special_tokens"});  // there are none that the tokenizer would add
  const std::vector<TokenId> tokens = read_prompt(fields, context, arrival);
  fields.close();
  if (fault.has_value()) {
    return *std::move(fault);
  }
  Json answer = {{"count", tokens.size()},
                 {"max_model_len", context.context_limit},
                 {"tokens", ids_json(tokens)}};
  if (with_strings) {
    Json& strings = answer["token_strs"] = Json::array();
    for (const TokenId token : tokens) {
      strings.push_back(context.tokenizer->decode({&token, 1}, false));
    }
  }
  return json_line(answer);
}

std::variant<std::string, ApiError> answer_detokenize(std::string_view body,
                                                      const ApiContext& context) {
  std::optional<ApiError> fault;
  const std::optional<Json> json = read_body(body, fault);
  if (!json.has_value()) {
    return *std::move(fault);
  }
  Fields fields(*json, "", fault, context.strict_fields);
  std::string model;
  std::vector<TokenId> tokens;
  read_model(fields, context, model);
  fields.read_ids("tokens", std::numeric_limits<size_t>::max(), context.vocab_size, tokens);
  if (fields.find("tokens") == nullptr) {
    fields.fail("missing_field", "tokens", "tokens are needed");
  }
  fields.close();
  if (fault.has_value()) {
    return *std::move(fault);
  }
  return json_line({{"prompt", context.tokenizer->decode(tokens, false)}});
}

}  // namespace talon::server
