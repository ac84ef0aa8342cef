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

TEST(TokenizeTest, StrictFieldsRefusesWhatNobodyKnows) {
  ApiContext strict = test::api_context();
  strict.strict_fields = true;
  const std::string chat = R"({"messages": [{"role": "user", "content": "hi", "mood": 1}]})";
  const auto param = [](const std::variant<std::string, ApiError>& answer) {
    const auto* error = std::get_if<ApiError>(&answer);
    return error == nullptr ? "" : error->code + " " + error->param;
  };

  EXPECT_EQ(param(answer_tokenize(R"({"prompt": "a", "promt": 1})", strict, {})),
            "unsupported_parameter promt");
  EXPECT_EQ(param(answer_tokenize(chat, strict, {})), "unsupported_parameter messages[0].mood");
  EXPECT_EQ(param(answer_detokenize(R"({"tokens": [1], "token": 1})", strict)),
            "unsupported_parameter token");
  EXPECT_EQ(param(answer_tokenize(R"({"prompt": "a", "x": null, "add_special_tokens": true})",
                                  strict, {})),
            "");
  EXPECT_EQ(param(answer_tokenize(chat, test::api_context(), {})), "");
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
