// What the server is told to do by default, and what requests say over it. The precedence of a
// request's own ways is tested by prompts in chat_request_test.cc.
#include "server/api/thinking.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "base/json.h"
#include "support/api_fixture.h"

namespace talon::server {
namespace {

std::string mode_of(const char* body, const ApiContext& context) {
  const Json object = parse_json(body).value();
  std::optional<ApiError> fault;
  Fields fields(object, "", fault);
  const text::Dict variables = read_template_variables(fields, context);
  const text::Value* mode = variables.find("thinking_mode");
  return mode == nullptr ? "" : mode->bytes();
}

TEST(ThinkingTest, TheServersDefaultHoldsUnlessTheRequestSpeaks) {
  ApiContext context = test::api_context();
  EXPECT_EQ(mode_of("{}", context), "");

  context.template_variables.set("enable_thinking", text::Value::boolean(false));
  EXPECT_EQ(mode_of("{}", context), "disabled");
  EXPECT_EQ(mode_of(R"({"reasoning_effort": "high"})", context), "enabled");

  context.template_variables.set("thinking_mode", text::Value::string("adaptive"));
  EXPECT_EQ(mode_of("{}", context), "adaptive");
}

}  // namespace
}  // namespace talon::server
