// Bad words over the routes: whole and streamed answers are without them, alone and with a grammar.
#include "server/constraints.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/json.h"
#include "support/http_client.h"
#include "support/running_service.h"
#include "support/sse_reader.h"
#include "text/grammar.h"

namespace talon::server {
namespace {

using test::http_post;
using test::HttpAnswer;
using test::RunningService;
using testing::HasSubstr;
using testing::Not;

const Json kAsked = {{"prompt", "Question: Tom has 3 apples and buys 4 more.\nAnswer:"},
                     {"temperature", 0},
                     {"max_tokens", 50}};

std::string whole(const RunningService& service, Json body) {
  const HttpAnswer answer = http_post(service.port(), "/v1/completions", body.dump());
  EXPECT_EQ(answer.status, 200) << answer.body;
  return parse_json(answer.body).value().at("choices").at(0).at("text");
}

std::string streamed(const RunningService& service, Json body) {
  body["stream"] = true;
  const HttpAnswer answer = http_post(service.port(), "/v1/completions", body.dump());
  std::string text;
  for (const Json& frame : test::read_frames(answer.body)) {
    text += frame.at("choices").at(0).at("text").get<std::string>();
  }
  return text;
}

TEST(ConstraintsTest, BadWordsStayOutOfTheAnswer) {
  RunningService service;
  const std::string free = whole(service, kAsked);
  ASSERT_GT(free.size(), 20U);
  for (size_t begin = 0; begin < 20; begin += 4) {
    Json body = kAsked;
    body["bad_words"] = {free.substr(begin, 5)};

    const std::string text = whole(service, body);

    EXPECT_THAT(text, Not(HasSubstr(free.substr(begin, 5))));
    EXPECT_FALSE(text.empty());
    EXPECT_EQ(streamed(service, body), text);
  }
}

TEST(ConstraintsTest, EveryChoiceOfEveryPromptIsWithoutThem) {
  RunningService service;
  Json body = kAsked;
  body["prompt"] = {kAsked.at("prompt"), "The answer is"};
  body["n"] = 2;
  body["temperature"] = 1;
  body["bad_words"] = {" ", "e"};

  const HttpAnswer answer = http_post(service.port(), "/v1/completions", body.dump());

  const Json choices = parse_json(answer.body).value().at("choices");
  ASSERT_EQ(choices.size(), 4U);
  for (const Json& choice : choices) {
    EXPECT_EQ(choice.at("text").get<std::string>().find_first_of(" e"), std::string::npos);
  }
}

TEST(ConstraintsTest, AGrammarAndBadWordsHoldTogether) {
  if (!text::GrammarCompiler::is_available()) {
    GTEST_SKIP() << "built without xgrammar";
  }
  RunningService service;
  Json body = kAsked;
  body["guided_choice"] = {"yes", "no", "perhaps"};
  body["bad_words"] = {"y", "n"};

  EXPECT_EQ(whole(service, body), "perhaps");
  EXPECT_EQ(streamed(service, body), "perhaps");
}

}  // namespace
}  // namespace talon::server
