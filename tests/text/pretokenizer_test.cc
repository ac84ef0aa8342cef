// Steps in sequence on small texts.
#include "text/pretokenizer.h"

#include <gtest/gtest.h>

namespace talon::text {
namespace {

using Pieces = std::vector<std::string>;

Pieces run(const PretokenizerSpec& spec, std::string_view text) {
  const Result<Pretokenizer> pretokenizer = Pretokenizer::make(spec);
  EXPECT_TRUE(pretokenizer.ok()) << pretokenizer.message();
  MatchScratch scratch;
  Pieces pieces;
  const auto failure = pretokenizer.value().run(
      text, scratch, [&](std::string_view piece) { pieces.emplace_back(piece); });
  EXPECT_FALSE(failure.has_value());
  return pieces;
}

TEST(PretokenizerTest, WithoutStepsTextIsOnePiece) {
  EXPECT_EQ(run({}, "a b"), Pieces{"a b"});
  EXPECT_EQ(run({}, ""), Pieces{});
}

TEST(PretokenizerTest, CutsPiecesFurtherByTheNextStep) {
  const PretokenizerSpec spec = {.splits = {{"f", "\\d+"}, {"f", "[ab]"}}};

  EXPECT_EQ(run(spec, "xa12bx"), (Pieces{"x", "a", "12", "b", "x"}));
}

TEST(PretokenizerTest, PutsASpaceBeforeEachPieceThatHasNone) {
  const PretokenizerSpec spec = {.splits = {{"f", "\\d+"}}, .add_prefix_space = true};

  EXPECT_EQ(run(spec, "a1 b"), (Pieces{" a", " 1", " b"}));
  EXPECT_EQ(run(spec, ""), Pieces{});
}

TEST(PretokenizerTest, SplitsByTheGpt2Pattern) {
  const PretokenizerSpec spec = {.use_gpt2_pattern = true};

  EXPECT_EQ(run(spec, "Hello's  you're 12.5!\n"),
            (Pieces{"Hello", "'s", " ", " you", "'re", " 12", ".", "5", "!", "\n"}));
}

TEST(PretokenizerTest, NamesTheFieldOfAPatternThatDoesNotCompile) {
  const Result<Pretokenizer> made = Pretokenizer::make({.splits = {{"pre_tokenizer.x", "("}}});

  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.message().substr(0, 33), "pre_tokenizer.x: unusable pattern");
}

TEST(PretokenizerTest, RefusesAPatternThatFailsOnOrdinaryText) {
  const Result<Pretokenizer> made = Pretokenizer::make({.splits = {{"f", "(a+)+[bc]|\\w"}}});

  ASSERT_FALSE(made.ok());
  EXPECT_NE(made.message().find("limit"), std::string::npos) << made.message();
}

TEST(PretokenizerTest, ReportsALimitHitOnAText) {
  // Harmless on what is probed, catastrophic on a run of q.
  const Result<Pretokenizer> made = Pretokenizer::make({.splits = {{"f", "(q+)+[bc]"}}});
  ASSERT_TRUE(made.ok()) << made.message();
  MatchScratch scratch;

  const auto failure = made.value().run(std::string(5000, 'q'), scratch, [](std::string_view) {});

  ASSERT_TRUE(failure.has_value());
  EXPECT_NE(failure->message.find("limit"), std::string::npos) << failure->message;
}

}  // namespace
}  // namespace talon::text
