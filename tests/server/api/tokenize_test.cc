// Text and chats to tokens and back.
#include "server/api/tokenize.h"

#include <gtest/gtest.h>

#include <string>
#include <variant>

#include "base/json.h"
#include "support/api_fixture.h"

namespace talon::server {
namespace {

Json tokenize(const std::string& body) {
  const auto answer = answer_tokenize(body, test::api_context(), {});
  if (const auto* error = std::get_if<ApiError>(&answer)) {
    ADD_FAILURE() << error->message;
    return {};
  }
  return parse_json(std::get<std::string>(answer)).value();
}

TEST(TokenizeTest, GivesBackWhatItTook) {
  const Json tokens = tokenize(R"({"prompt": "a caf\u00e9", "return_token_strs": true})");

  EXPECT_EQ(tokens.at("count"), tokens.at("tokens").size());
  EXPECT_EQ(tokens.at("token_strs").size(), tokens.at("tokens").size());
  EXPECT_EQ(tokens.at("max_model_len"), 256);
  const auto answer =
      answer_detokenize(Json({{"tokens", tokens.at("tokens")}}).dump(), test::api_context());
  EXPECT_EQ(parse_json(std::get<std::string>(answer)).value().at("prompt"), "a caf\u00e9");
}

TEST(TokenizeTest, RendersChatsAsChatRequestsDo) {
  const Json chat = tokenize(R"({"messages": [{"role": "user", "content": "hi"}]})");
  const Json text = tokenize(R"({"prompt": "]~!b[]~b]user\nhi[e~[\n]~b]ai\n"})");

  EXPECT_EQ(chat.at("tokens"), text.at("tokens"));
}

struct BadCase {
  std::string body;
  std::string code;
  std::string param;
};

TEST(TokenizeTest, RefusesWithTheField) {
  const BadCase cases[] = {
      {"{}", "missing_field", "prompt"},
      {R"({"prompt": 5})", "invalid_type", "prompt"},
      {R"({"messages": []})", "invalid_value", "messages"},
      {R"({"prompt": "a", "model": "x"})", "model_not_found", "model"},
      {"{", "invalid_json", ""},
  };
  for (const BadCase& one : cases) {
    const auto answer = answer_tokenize(one.body, test::api_context(), {});
    ASSERT_TRUE(std::holds_alternative<ApiError>(answer)) << one.body;
    EXPECT_EQ(std::get<ApiError>(answer).code, one.code) << one.body;
    EXPECT_EQ(std::get<ApiError>(answer).param, one.param) << one.body;
  }
}

TEST(TokenizeTest, DetokenizeRefusesIdsOutsideTheVocabulary) {
  const BadCase cases[] = {
      {"{}", "missing_field", "tokens"},
      {R"({"tokens": "x"})", "invalid_type", "tokens"},
      {R"({"tokens": [1, 4096]})", "invalid_value", "tokens[1]"},
  };
  for (const BadCase& one : cases) {
    const auto answer = answer_detokenize(one.body, test::api_context());
    ASSERT_TRUE(std::holds_alternative<ApiError>(answer)) << one.body;
    EXPECT_EQ(std::get<ApiError>(answer).code, one.code) << one.body;
    EXPECT_EQ(std::get<ApiError>(answer).param, one.param) << one.body;
  }
}

}  // namespace
}  // namespace talon::server
