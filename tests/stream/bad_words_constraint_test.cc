// Bad words in the engine: answers never contain them, whatever the number of drafts, and are the
// same for each; alone, beside free answers and under a grammar.
#include "stream/bad_words_constraint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "stream/grammar_constraint.h"
#include "support/answer_run.h"
#include "text/grammar.h"

namespace talon {
namespace {

using test::AnswerText;
using testing::HasSubstr;
using testing::Not;

constexpr int32_t kNumLogits = 4096;
const TokenId kEnd(4058);
constexpr const char* kPrompt =
    "Question: Tom has 3 apples and buys 4 more. How many apples does Tom have?\nAnswer:";

Request request(const LocalModel& model, float temperature) {
  Request request{.prompt = model.tokenizer->encode(kPrompt), .max_tokens = 60};
  request.sampling.temperature = temperature;
  request.sampling.seed = 11;
  return request;
}

std::shared_ptr<TokenConstraint> without(const text::SortedTokens& tokens,
                                         std::vector<std::string> words,
                                         std::shared_ptr<TokenConstraint> inner = nullptr) {
  return std::make_shared<BadWordsConstraint>(
      std::make_shared<text::BadWords>(tokens, std::move(words), true), std::move(inner),
      std::span(&kEnd, 1));
}

// Words are taken from the free answer, so that each is one that the model wants to say: pieces of
// every place and several lengths, most of them over the borders of tokens.
TEST(BadWordsConstraintTest, AnswersAreWithoutTheWordsAndTheSameForEveryK) {
  for (const float temperature : {0.0F, 1.0F}) {
    std::vector<std::vector<AnswerText>> baseline;
    for (const int32_t num_drafts : {0, 1, 3, 7}) {
      LocalModel model = test::open_with_drafts(num_drafts);
      const text::SortedTokens tokens(*model.tokenizer);
      const std::string free =
          test::answer_together(model, {request(model, temperature)}).front().text;
      ASSERT_GT(free.size(), 12U);
      std::vector<std::vector<AnswerText>> all;
      for (size_t begin = 0; begin + 8 < std::min<size_t>(free.size(), 30); begin += 5) {
        for (const size_t length : {size_t{1}, size_t{4}, size_t{8}}) {
          const std::vector<std::string> words = {free.substr(begin, length), "####"};
          std::vector<Request> requests = {request(model, temperature),
                                           request(model, temperature)};
          requests.front().constraints = {without(tokens, words)};

          std::vector<AnswerText> answers = test::answer_together(model, std::move(requests));

          EXPECT_THAT(answers[0].text, Not(HasSubstr(words[0])));
          EXPECT_THAT(answers[0].text, Not(HasSubstr(words[1])));
          EXPECT_EQ(answers[1].text, free) << "the one beside it is free";
          all.push_back(std::move(answers));
        }
      }
      if (baseline.empty()) {
        baseline = all;
      }
      EXPECT_EQ(all, baseline) << "K = " << num_drafts << " at " << temperature;
    }
  }
}

TEST(BadWordsConstraintTest, AnAnswerThatMaySayNothingEnds) {
  LocalModel model = test::open_with_drafts(0);
  const text::SortedTokens tokens(*model.tokenizer);
  std::vector<std::string> letters;
  for (int c = 1; c < 128; ++c) {
    letters.emplace_back(1, static_cast<char>(c));
  }
  std::vector<Request> requests = {request(model, 0.0F)};
  requests.front().constraints = {without(tokens, letters)};

  const std::vector<AnswerText> answers = test::answer_together(model, std::move(requests));

  for (const char c : answers.front().text) {
    EXPECT_LT(c, 0) << answers.front().text;
  }
}

TEST(BadWordsConstraintTest, UnderAGrammarTheOtherChoiceIsLeft) {
  if (!text::GrammarCompiler::is_available()) {
    GTEST_SKIP() << "built without xgrammar";
  }
  for (const int32_t num_drafts : {0, 3}) {
    LocalModel model = test::open_with_drafts(num_drafts);
    const text::SortedTokens tokens(*model.tokenizer);
    text::GrammarCompiler compiler(*model.tokenizer, kNumLogits, std::span(&kEnd, 1));
    const text::Grammar grammar =
        compiler
            .compile({.kind = text::GrammarKind::kChoice, .choices = {"apples", "pears", "plums"}})
            .value();
    const auto constrained = [&](std::vector<std::string> words) {
      std::vector<Request> requests = {request(model, 0.0F)};
      requests.front().constraints = {
          without(tokens, std::move(words),
                  std::make_shared<GrammarConstraint>(grammar, std::nullopt, std::span(&kEnd, 1)))};
      return test::answer_together(model, std::move(requests)).front();
    };

    EXPECT_EQ(constrained({"ap", "pe"}).text, "plums");
    // Nothing is left of the grammar: the answer ends where it is.
    const AnswerText stuck = constrained({"apples", "pears", "plums"});
    EXPECT_EQ(stuck.reason, FinishReason::kStop);
    EXPECT_THAT(stuck.text, testing::AnyOf("apple", "pear", "plum", testing::IsEmpty(),
                                           testing::StartsWith("a"), testing::StartsWith("p")));
  }
}

TEST(BadWordsConstraintTest, RollsBackWithWhatItIsOver) {
  LocalModel model = test::open_with_drafts(0);
  const text::SortedTokens tokens(*model.tokenizer);
  const std::shared_ptr<TokenConstraint> constraint = without(tokens, {"apple"});
  const TokenId ap = *model.tokenizer->token_id("ap");
  const TokenId ple = *model.tokenizer->token_id("ple");

  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(constraint->accept(ple));
    EXPECT_TRUE(constraint->accept(ap));
    EXPECT_FALSE(constraint->accept(ple));
    constraint->rollback(2);
  }
}

}  // namespace
}  // namespace talon
