// Grammars in the engine: what the embedded pair answers fits its grammar, with the drafter and
// without, alone and beside answers that are free, and is the same each way.
#include "stream/grammar_constraint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "stream/local_model.h"
#include "support/answer_run.h"

namespace talon {
namespace {

using text::Grammar;
using text::GrammarCompiler;
using text::GrammarKind;
using text::GrammarSource;

constexpr int32_t kNumLogits = 4096;
const TokenId kEnd(4058);
const TokenId kOpen(4072);
const TokenId kClose(4073);
const GrammarSource kYes = {.kind = GrammarKind::kChoice, .choices = {"yes"}};
constexpr const char* kSchema =
    R"({"type":"object","properties":{"name":{"type":"string","maxLength":20},
        "count":{"type":"integer","minimum":0,"maximum":99},
        "kind":{"enum":["fruit","tool"]}},
        "required":["name","count","kind"],"additionalProperties":false})";

// A constraint on its own, without an engine.
struct Walk {
  Walk(const Grammar& grammar, const ReasoningBefore& reasoning)
      : constraint(grammar, reasoning, std::span(&kEnd, 1)) {}

  bool may_come(TokenId id) {
    std::vector<uint32_t> mask((kNumLogits + 31) / 32);
    constraint.fill_mask(mask);
    return ((mask[static_cast<size_t>(id.value) / 32] >> (id.value % 32)) & 1) != 0;
  }

  GrammarConstraint constraint;
};

class GrammarConstraintTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!GrammarCompiler::is_available()) {
      GTEST_SKIP() << "built without xgrammar";
    }
  }

  static Grammar compile(const LocalModel& model, const GrammarSource& source) {
    GrammarCompiler compiler(*model.tokenizer, kNumLogits, std::span(&kEnd, 1));
    return compiler.compile(source).value();
  }

  static std::shared_ptr<TokenConstraint> constraint(const Grammar& grammar) {
    return std::make_shared<GrammarConstraint>(grammar, std::nullopt, std::span(&kEnd, 1));
  }

  static Request request(const LocalModel& model, const std::string& prompt, float temperature) {
    Request request{.prompt = model.tokenizer->encode(prompt), .max_tokens = 400};
    request.sampling.temperature = temperature;
    request.sampling.seed = 7;
    return request;
  }
};

TEST_F(GrammarConstraintTest, AnswersFitTheirSchemaAndAreTheSameForEveryK) {
  for (const float temperature : {0.0F, 1.0F}) {
    std::vector<test::AnswerText> baseline;
    for (const int32_t num_drafts : {0, 1, 3, 7}) {
      LocalModel model = test::open_with_drafts(num_drafts);
      const Grammar grammar = compile(model, {.kind = GrammarKind::kJsonSchema, .text = kSchema});
      std::vector<Request> requests;
      for (const char* prompt : {"Question: What is in the box?\nAnswer:", "The answer is"}) {
        requests.push_back(request(model, prompt, temperature));
        requests.back().constraints = {constraint(grammar)};
      }
      requests.push_back(request(model, "Question: Tom has 3 apples.", temperature));

      const std::vector<test::AnswerText> answers =
          test::answer_together(model, std::move(requests));

      for (size_t i = 0; i < 2; ++i) {
        const Result<Json> json = parse_json(answers[i].text);
        ASSERT_TRUE(json.ok()) << answers[i].text;
        EXPECT_EQ(json.value().size(), 3U) << answers[i].text;
        EXPECT_LE(json.value().at("count").get<int>(), 99);
        EXPECT_THAT(json.value().at("kind"), testing::AnyOf("fruit", "tool"));
        EXPECT_EQ(answers[i].reason, FinishReason::kStop);
      }
      if (baseline.empty()) {
        baseline = answers;
      }
      EXPECT_EQ(answers, baseline) << "K = " << num_drafts << " at " << temperature;
    }
  }
}

TEST_F(GrammarConstraintTest, ReasoningIsFreeUntilItsEnd) {
  LocalModel model = test::open_with_drafts(0);
  Walk walk(compile(model, kYes), {.open = kOpen, .close = kClose, .is_open = true});
  const std::vector<TokenId> thought = model.tokenizer->encode("hm");
  const TokenId yes = model.tokenizer->encode("yes").front();

  EXPECT_TRUE(walk.may_come(thought.front()));
  EXPECT_FALSE(walk.may_come(kEnd));
  EXPECT_FALSE(walk.constraint.accept(kEnd));
  for (const TokenId id : thought) {
    EXPECT_TRUE(walk.constraint.accept(id));
  }
  EXPECT_TRUE(walk.constraint.accept(kClose));
  EXPECT_FALSE(walk.may_come(thought.front()));
  EXPECT_TRUE(walk.constraint.accept(yes));

  walk.constraint.rollback(1);
  EXPECT_TRUE(walk.may_come(yes));
  EXPECT_TRUE(walk.constraint.accept(yes));
  walk.constraint.rollback(2);  // back into the reasoning
  EXPECT_TRUE(walk.may_come(thought.front()));
  EXPECT_TRUE(walk.constraint.accept(kClose));
  EXPECT_TRUE(walk.constraint.accept(yes));
}

TEST_F(GrammarConstraintTest, TheModelMayReasonFirst) {
  LocalModel model = test::open_with_drafts(0);
  Walk walk(compile(model, kYes), {.open = kOpen, .close = kClose, .is_open = false});
  const TokenId thought = model.tokenizer->encode("hm").front();
  const TokenId yes = model.tokenizer->encode("yes").front();

  for (int round = 0; round < 2; ++round) {
    // It reasons.
    EXPECT_TRUE(walk.may_come(kOpen));
    EXPECT_TRUE(walk.may_come(kClose));
    EXPECT_TRUE(walk.may_come(yes));
    EXPECT_FALSE(walk.may_come(thought));
    EXPECT_TRUE(walk.constraint.accept(kOpen));
    EXPECT_TRUE(walk.may_come(thought));
    EXPECT_TRUE(walk.constraint.accept(thought));
    EXPECT_TRUE(walk.constraint.accept(kClose));
    EXPECT_FALSE(walk.may_come(thought));
    EXPECT_FALSE(walk.may_come(kOpen));
    EXPECT_TRUE(walk.constraint.accept(yes));
    walk.constraint.rollback(4);

    // It says that it does not.
    EXPECT_TRUE(walk.constraint.accept(kClose));
    EXPECT_FALSE(walk.may_come(kOpen));
    EXPECT_FALSE(walk.may_come(kClose));
    EXPECT_TRUE(walk.constraint.accept(yes));
    walk.constraint.rollback(2);

    // It answers at once.
    EXPECT_TRUE(walk.constraint.accept(yes));
    EXPECT_FALSE(walk.may_come(kOpen));
    EXPECT_TRUE(walk.may_come(kEnd));
    walk.constraint.rollback(1);
  }
}

}  // namespace
}  // namespace talon
