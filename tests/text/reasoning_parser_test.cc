// The split of reasoning from the answer, on token streams written by hand.
#include "text/reasoning_parser.h"

#include <gtest/gtest.h>

#include <vector>

namespace talon::text {
namespace {

constexpr TokenId kOpen{100};
constexpr TokenId kClose{101};
constexpr TokenId kWord{1};

struct Token {
  TokenId id;
  std::string text;
};

const Token kOpenTag = {kOpen, "<mm:think>"};
const Token kCloseTag = {kClose, "</mm:think>"};

struct Parsed {
  std::string reasoning;
  std::string content;
  int64_t num_reasoning_tokens = 0;
};

Parsed run(ReasoningParser::Start start, const std::vector<Token>& tokens) {
  ReasoningParser parser({.open = kOpen, .close = kClose}, start);
  Parsed out;
  const auto add = [&](const ReasoningParser::Delta& delta) {
    out.reasoning += delta.reasoning;
    out.content += delta.content;
  };
  for (const Token& token : tokens) {
    add(parser.push(token.id, token.text));
  }
  add(parser.finish());
  out.num_reasoning_tokens = parser.num_reasoning_tokens();
  return out;
}

using Start = ReasoningParser::Start;

TEST(ReasoningParserTest, StartsInsideWhenThePromptOpened) {
  const Parsed parsed =
      run(Start::kReasoning, {{kWord, "I "}, {kWord, "see"}, kCloseTag, {kWord, "Yes"}});

  EXPECT_EQ(parsed.reasoning, "I see");
  EXPECT_EQ(parsed.content, "Yes");
  EXPECT_EQ(parsed.num_reasoning_tokens, 2);
}

TEST(ReasoningParserTest, LetsTheFirstTokenDecide) {
  EXPECT_EQ(run(Start::kEither, {kOpenTag, {kWord, "hm"}, kCloseTag, {kWord, "A"}}).reasoning,
            "hm");
  EXPECT_EQ(run(Start::kEither, {kCloseTag, {kWord, "A"}}).content, "A");
  EXPECT_EQ(run(Start::kEither, {{kWord, "A"}, {kWord, "B"}}).content, "AB");
}

TEST(ReasoningParserTest, DropsBlankTextBeforeTheFirstTagOnly) {
  const Parsed thinking = run(Start::kEither, {{kWord, "\n"}, kOpenTag, {kWord, "x"}, kCloseTag});
  EXPECT_EQ(thinking.reasoning, "x");
  EXPECT_EQ(thinking.content, "");

  EXPECT_EQ(run(Start::kEither, {{kWord, "\n"}, {kWord, " A"}}).content, "\n A");
  EXPECT_EQ(run(Start::kEither, {{kWord, "\n"}}).content, "\n");
}

TEST(ReasoningParserTest, GoesByIdsNotByText) {
  const Parsed parsed = run(Start::kAnswer, {{kWord, "<mm:think>"}, {kWord, "x</mm:think>"}});

  EXPECT_EQ(parsed.content, "<mm:think>x</mm:think>");
  EXPECT_EQ(parsed.reasoning, "");
}

TEST(ReasoningParserTest, KeepsWhatTheDetokenizerHadHeldBack) {
  const Parsed parsed =
      run(Start::kReasoning, {{kWord, "a"}, {kClose, "\u2026</mm:think>"}, {kWord, "b"}});

  EXPECT_EQ(parsed.reasoning, "a\u2026");
  EXPECT_EQ(parsed.content, "b");
}

TEST(ReasoningParserTest, NeverShowsATag) {
  const Parsed parsed = run(Start::kEither, {{kWord, "A"},
                                             kCloseTag,
                                             {kWord, "B"},
                                             kOpenTag,
                                             {kWord, "c"},
                                             kOpenTag,
                                             {kWord, "d"},
                                             kCloseTag,
                                             kCloseTag,
                                             {kWord, "E"}});

  EXPECT_EQ(parsed.content, "ABE");
  EXPECT_EQ(parsed.reasoning, "cd");
}

TEST(ReasoningParserTest, EndsInsideReasoningAtALimit) {
  EXPECT_EQ(run(Start::kReasoning, {{kWord, "endless"}}).reasoning, "endless");
}

}  // namespace
}  // namespace talon::text
