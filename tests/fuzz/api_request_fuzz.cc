// Bodies of requests, whatever they are: each is taken or refused with a status, a code and a
// message, and what is taken keeps the bounds that the engine relies on. The first byte chooses the
// route.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

#include "base/check.h"
#include "base/json.h"
#include "server/api/chat_request.h"
#include "server/api/completion_request.h"
#include "server/api/error.h"
#include "server/api/tokenize.h"
#include "support/api_fixture.h"

namespace {

using talon::server::ApiContext;
using talon::server::ApiError;
using talon::server::GenerationCall;

void check(const ApiError& error) {
  TALON_CHECK(error.status == 400 || error.status == 404, "status {}", error.status);
  TALON_CHECK(!error.code.empty() && !error.message.empty(), "no code or message");
  TALON_CHECK(talon::parse_json(talon::server::error_body(error)).ok(), "not JSON: {}",
              talon::server::error_body(error));
}

void check(const GenerationCall& call, const ApiContext& context) {
  TALON_CHECK(!call.prompts.empty(), "no prompt");
  TALON_CHECK(call.settings.num_choices >= 1 && call.settings.num_choices <= context.max_n,
              "n = {}", call.settings.num_choices);
  for (size_t i = 0; i < call.prompts.size(); ++i) {
    const talon::Request request = call.request_of(i, context.context_limit);
    TALON_CHECK(!request.prompt.empty() && request.max_tokens >= 1, "an empty request");
    TALON_CHECK(request.sampling.min_tokens <= request.max_tokens, "min_tokens {}",
                request.sampling.min_tokens);
    for (const talon::TokenId id : request.prompt) {
      TALON_CHECK(id.value >= 0 && id.value < context.vocab_size, "id {}", id.value);
    }
  }
}

template <class Call>
void check(const std::variant<Call, ApiError>& parsed, const ApiContext& context) {
  if (const auto* error = std::get_if<ApiError>(&parsed)) {
    check(*error);
    return;
  }
  if constexpr (!std::is_same_v<Call, std::string>) {
    check(std::get<Call>(parsed).generation, context);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const ApiContext kContext = talon::test::api_context();
  if (size == 0) {
    return 0;
  }
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0]) {
    case 'c':
      check(talon::server::parse_chat_request(body, kContext, {}), kContext);
      break;
    case 'd':
      check(talon::server::answer_detokenize(body, kContext), kContext);
      break;
    case 't':
      check(talon::server::answer_tokenize(body, kContext, {}), kContext);
      break;
    default:
      check(talon::server::parse_completion_request(body, kContext, {}), kContext);
  }
  return 0;
}
