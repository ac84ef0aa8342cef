// Grammars over the embedded model's tokenizer: texts are accepted as their tokens or as others,
// every mask agrees with accept(), and rolling back brings the same masks again.
#include "text/grammar.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/ids.h"
#include "text/tokenizer.h"

namespace talon::text {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr int32_t kNumLogits = 4096 + 24;  // some columns more than there are tokens
const TokenId kEnd(4058);                  // the end of a turn

class GrammarTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    tokenizer = std::make_unique<Tokenizer>(Tokenizer::load("models/talon-tiny"));
  }
  static void TearDownTestSuite() { tokenizer.reset(); }

  void SetUp() override {
    if (!GrammarCompiler::is_available()) {
      GTEST_SKIP() << "built without xgrammar";
    }
    compiler_.emplace(*tokenizer, kNumLogits, std::span(&kEnd, 1));
  }

  Grammar compile(const GrammarSource& source) {
    Result<Grammar> grammar = compiler_->compile(source);
    EXPECT_TRUE(grammar.ok()) << (grammar.ok() ? "" : grammar.message());
    return std::move(grammar).value();
  }

  std::string refusal(const GrammarSource& source) {
    const Result<Grammar> grammar = compiler_->compile(source);
    EXPECT_FALSE(grammar.ok());
    return grammar.ok() ? "" : grammar.message();
  }

  static std::vector<uint32_t> mask_of(GrammarMatcher& matcher) {
    std::vector<uint32_t> mask((kNumLogits + 31) / 32);
    matcher.fill_mask(mask);
    return mask;
  }
  static bool has(const std::vector<uint32_t>& mask, TokenId id) {
    return ((mask[static_cast<size_t>(id.value) / 32] >> (id.value % 32)) & 1) != 0;
  }

  // Whether the whole text and then the end may come. Each mask is compared with accept().
  static bool accepts(const Grammar& grammar, std::string_view text) {
    GrammarMatcher matcher(grammar);
    std::vector<TokenId> ids = tokenizer->encode(text);
    ids.push_back(kEnd);
    for (const TokenId id : ids) {
      const bool is_allowed = has(mask_of(matcher), id);
      EXPECT_EQ(matcher.accept(id), is_allowed) << text << " at token " << id.value;
      if (!is_allowed) {
        return false;
      }
    }
    return true;
  }

  static inline std::unique_ptr<Tokenizer> tokenizer;
  std::optional<GrammarCompiler> compiler_;
};

TEST_F(GrammarTest, ASchemaTakesWhatFitsIt) {
  const Grammar grammar = compile(
      {.kind = GrammarKind::kJsonSchema,
       .text = R"({"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer"}},
                  "required":["name","age"],"additionalProperties":false})"});

  EXPECT_TRUE(accepts(grammar, R"({"name": "Ada \"L\"", "age": 36})"));
  EXPECT_FALSE(accepts(grammar, R"({"name": "Ada"})"));
  EXPECT_FALSE(accepts(grammar, R"({"name": "Ada", "age": "36"})"));
  EXPECT_FALSE(accepts(grammar, "Ada"));
}

TEST_F(GrammarTest, JsonTakesAnyObjectAndNothingElse) {
  const Grammar grammar = compile({.kind = GrammarKind::kJson});

  EXPECT_TRUE(accepts(grammar, R"({"a": [1, 2.5, {"b": null}], "c": "d"})"));
  EXPECT_FALSE(accepts(grammar, "[1]"));
  EXPECT_FALSE(accepts(grammar, R"({"a": )"));
  EXPECT_TRUE(accepts(grammar, "{\n        \"a\": 1\n}"));
  EXPECT_FALSE(accepts(grammar, "{" + std::string(17, ' ') + "}"));  // blanks have an end
}

TEST_F(GrammarTest, ARegexMatchesInFull) {
  const Grammar grammar = compile({.kind = GrammarKind::kRegex, .text = "[0-9]{3}-[0-9]{4}"});

  EXPECT_TRUE(accepts(grammar, "555-1234"));
  EXPECT_FALSE(accepts(grammar, "555-123"));
  EXPECT_FALSE(accepts(grammar, "555-12345"));
}

TEST_F(GrammarTest, AChoiceIsTakenAsWritten) {
  const std::vector<std::string> choices = {"yes", "no \"quoted\" \\ answer", "two\nlines"};
  const Grammar grammar = compile({.kind = GrammarKind::kChoice, .choices = choices});

  for (const std::string& choice : choices) {
    EXPECT_TRUE(accepts(grammar, choice)) << choice;
  }
  EXPECT_FALSE(accepts(grammar, "yes no"));
  EXPECT_FALSE(accepts(grammar, "no"));
}

TEST_F(GrammarTest, RulesMayCallThemselves) {
  const Grammar grammar =
      compile({.kind = GrammarKind::kEbnf, .text = "root ::= \"(\" root \")\" | \"x\""});

  EXPECT_TRUE(accepts(grammar, "((x))"));
  EXPECT_FALSE(accepts(grammar, "((x)"));
}

TEST_F(GrammarTest, AddedTokensAndIdsWithoutATokenAreNeverAllowed) {
  GrammarMatcher matcher(compile({.kind = GrammarKind::kRegex, .text = "(.|\\n)*"}));

  const std::vector<uint32_t> mask = mask_of(matcher);

  for (int32_t id = 0; id < kNumLogits; ++id) {
    const bool is_ordinary = tokenizer->has_token(TokenId(id)) && !tokenizer->is_added(TokenId(id));
    const bool is_text = is_ordinary && !tokenizer->token_bytes(TokenId(id)).empty();
    if (!is_text) {
      EXPECT_EQ(has(mask, TokenId(id)), TokenId(id) == kEnd) << id;
    }
  }
}

TEST_F(GrammarTest, RollingBackBringsTheSameMasks) {
  GrammarMatcher matcher(compile({.kind = GrammarKind::kJson}));
  std::vector<TokenId> ids = tokenizer->encode(R"({"total": 12, "unit": "apples"})");
  ids.push_back(kEnd);
  ids.push_back(kEnd);  // as with ignore_eos
  std::vector<std::vector<uint32_t>> masks;
  for (const TokenId id : ids) {
    masks.push_back(mask_of(matcher));
    ASSERT_TRUE(matcher.accept(id));
  }

  for (int32_t count = 1; count <= std::ssize(ids); ++count) {
    matcher.rollback(count);
    for (size_t i = ids.size() - static_cast<size_t>(count); i < ids.size(); ++i) {
      EXPECT_EQ(mask_of(matcher), masks[i]) << count << " taken back, at token " << i;
      ASSERT_TRUE(matcher.accept(ids[i]));
    }
  }
}

TEST_F(GrammarTest, AfterTheEndOnlyTheEndMayCome) {
  GrammarMatcher matcher(compile({.kind = GrammarKind::kChoice, .choices = {"a"}}));
  ASSERT_TRUE(matcher.accept(tokenizer->encode("a").front()));
  ASSERT_TRUE(matcher.accept(kEnd));

  const std::vector<uint32_t> mask = mask_of(matcher);

  EXPECT_TRUE(has(mask, kEnd));
  EXPECT_FALSE(has(mask, tokenizer->encode("a").front()));
  EXPECT_FALSE(matcher.accept(tokenizer->encode("a").front()));
}

TEST_F(GrammarTest, FaultsAreToldInOneLine) {
  const std::vector<std::pair<GrammarSource, std::string>> faults = {
      {{.kind = GrammarKind::kJsonSchema, .text = "{\"type\":"}, "near byte 9"},
      {{.kind = GrammarKind::kJsonSchema, .text = "[]"}, "a schema is an object"},
      {{.kind = GrammarKind::kJsonSchema, .text = R"({"$ref":"#"})"}, "$ref"},
      {{.kind = GrammarKind::kJsonSchema, .text = R"({"$ref":"#/definitions/none"})"}, "none"},
      {{.kind = GrammarKind::kJsonSchema, .text = R"({"type":"thing"})"}, "thing"},
      {{.kind = GrammarKind::kRegex, .text = "(a"}, ""},
      {{.kind = GrammarKind::kRegex, .text = ""}, "empty"},
      {{.kind = GrammarKind::kEbnf, .text = "start ::= \"a\""}, "root"},
      {{.kind = GrammarKind::kEbnf, .text = "root ::= other"}, "other"},
      {{.kind = GrammarKind::kChoice}, "choices"},
      {{.kind = GrammarKind::kChoice, .choices = {"a", ""}}, "empty"},
      {{.kind = GrammarKind::kTags, .text = "{}"}, ""},
  };
  for (const auto& [source, part] : faults) {
    const std::string message = refusal(source);
    EXPECT_THAT(message, HasSubstr(part)) << source.text;
    EXPECT_THAT(message, Not(HasSubstr("\n"))) << source.text;
    EXPECT_FALSE(message.empty()) << source.text;
  }
}

TEST_F(GrammarTest, DeepNestingIsRefusedNotRun) {
  std::string schema = R"({"type":"string"})";
  for (int i = 0; i < 100; ++i) {
    schema = fmt::format(R"({{"type":"array","items":{}}})", schema);
  }
  const std::string brackets(100000, '(');

  EXPECT_THAT(refusal({.kind = GrammarKind::kJsonSchema, .text = schema}), HasSubstr("deep"));
  EXPECT_FALSE(refusal({.kind = GrammarKind::kRegex, .text = brackets + "a"}).empty());
  EXPECT_FALSE(refusal({.kind = GrammarKind::kEbnf, .text = "root ::= " + brackets}).empty());
}

TEST_F(GrammarTest, SizeHasALimit) {
  GrammarCompiler strict(*tokenizer, kNumLogits, std::span(&kEnd, 1), {.max_bytes = 100});

  const Result<Grammar> large =
      strict.compile({.kind = GrammarKind::kRegex, .text = std::string(101, 'a')});

  ASSERT_FALSE(large.ok());
  EXPECT_THAT(large.message(), HasSubstr("at most 100"));
}

// Many properties take long whatever the machine. The first compilation goes on after its caller
// left, so the second waits for it in vain.
TEST_F(GrammarTest, TimeHasALimit) {
  std::string properties;
  for (int i = 0; i < 300; ++i) {
    properties += fmt::format(R"({}"p{}":{{"type":"string"}})", i == 0 ? "" : ",", i);
  }
  const GrammarSource source{
      .kind = GrammarKind::kJsonSchema,
      .text = fmt::format(R"({{"type":"object","properties":{{{}}}}})", properties)};
  GrammarCompiler strict(*tokenizer, kNumLogits, std::span(&kEnd, 1),
                         {.timeout = std::chrono::milliseconds(1)});

  const Result<Grammar> first = strict.compile(source);
  const Result<Grammar> second = strict.compile(source);

  ASSERT_FALSE(first.ok());
  EXPECT_THAT(first.message(), HasSubstr("1 ms"));
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(second.message(), HasSubstr("busy"));
}

}  // namespace
}  // namespace talon::text
