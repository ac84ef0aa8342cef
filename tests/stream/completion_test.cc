// From tokens to text on a random model with byte tokens: stop strings cut text, tokens and
// counters at the same place for every number of drafts, and nothing leaks past the cut.
#include "stream/completion.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "base/error.h"
#include "support/error_message.h"
#include "support/temp_dir.h"
#include "support/tiny_model.h"

namespace talon {
namespace {

using testing::HasSubstr;

class CompletionTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    suite_dir = std::make_unique<test::TempDir>();
    test::write_target(*suite_dir / "target");
    test::write_head(*suite_dir / "head");
  }
  static void TearDownTestSuite() { suite_dir.reset(); }

  static LocalModel open(int32_t num_drafts) {
    EngineConfig config;
    config.model_dir = *suite_dir / "target";
    config.draft_model_dir = *suite_dir / "head";
    config.num_speculative_tokens = num_drafts;
    config.max_model_len = 2048;
    return open_local_model(config);
  }

  static CompletionRequest request(std::vector<std::string> stop) {
    return {.prompt = "Once upon a time",
            .max_tokens = 60,
            .ignore_eos = true,
            .output = {.stop = std::move(stop), .skip_special_tokens = true}};
  }

 private:
  static std::unique_ptr<test::TempDir> suite_dir;
};

std::unique_ptr<test::TempDir> CompletionTest::suite_dir;

TEST_F(CompletionTest, ChoiceJDrawsWithTheSeedPlusJ) {
  LocalModel model = open(3);
  CompletionRequest sampled = request({});
  sampled.sampling.temperature = 1.0F;
  sampled.sampling.seed = 40;
  sampled.num_choices = 3;

  const std::vector<Completion> choices = complete_choices(model, sampled);

  ASSERT_EQ(choices.size(), 3U);
  sampled.num_choices = 1;
  for (const Completion& choice : choices) {
    const Completion alone = complete(model, sampled, {});
    EXPECT_EQ(choice.tokens, alone.tokens) << "seed " << sampled.sampling.seed;
    EXPECT_EQ(choice.text, alone.text);
    EXPECT_EQ(choice.prompt_tokens, alone.prompt_tokens);
    EXPECT_EQ(choice.choice, sampled.sampling.seed - 40);
    ++sampled.sampling.seed;
  }
  EXPECT_NE(choices[0].tokens, choices[1].tokens);
}

TEST_F(CompletionTest, TooManyChoicesAreRefusedByName) {
  LocalModel model = open(0);
  CompletionRequest wanted = request({});
  for (const int32_t count : {0, 17}) {
    wanted.num_choices = count;
    EXPECT_THAT(test::error_message([&] { (void)complete_choices(model, wanted); }),
                HasSubstr("n: "));
  }
}

TEST_F(CompletionTest, SegmentsAddUpToTheText) {
  LocalModel model = open(3);
  std::string shown;
  bool from_drafts = false;

  const Completion completion =
      complete(model, request({}), [&](std::span<const TextSegment> segments) {
        for (const TextSegment& segment : segments) {
          shown += segment.text;
          from_drafts = from_drafts || segment.draft_position > 0;
        }
      });

  EXPECT_EQ(shown, completion.text);
  EXPECT_EQ(completion.text, model.tokenizer->decode(completion.tokens, true));
  EXPECT_EQ(std::ssize(completion.tokens), 60);
  EXPECT_EQ(completion.finish_reason, FinishReason::kLength);
  EXPECT_EQ(from_drafts, completion.stats.kept.accepted > 0);
}

TEST_F(CompletionTest, StopStringCutsTextAndTokensAlikeForEveryK) {
  LocalModel plain = open(0);
  const std::string whole = complete(plain, request({}), {}).text;
  ASSERT_GE(whole.size(), 40U);
  // Somewhere in the middle, over several tokens, at its first place in the text.
  std::string stop = whole.substr(20, 6);
  while ((static_cast<unsigned char>(stop.front()) & 0xC0U) == 0x80) {
    stop.erase(0, 1);  // not inside a character
  }
  const size_t cut = whole.find(stop);

  for (const int32_t drafts : {0, 1, 3, 7}) {
    LocalModel model = open(drafts);
    const Completion completion = complete(model, request({"never there", stop}), {});

    EXPECT_EQ(completion.text, whole.substr(0, cut)) << "K = " << drafts;
    EXPECT_EQ(completion.finish_reason, FinishReason::kStop);
    const std::string decoded = model.tokenizer->decode(completion.tokens, true);
    EXPECT_THAT(decoded, HasSubstr(stop)) << "the token that completes the stop is kept";
    const std::vector<TokenId> before(completion.tokens.begin(), completion.tokens.end() - 1);
    EXPECT_EQ(model.tokenizer->decode(before, true).find(stop), std::string::npos);
    EXPECT_EQ(completion.stats.kept.tokens, std::ssize(completion.tokens) - 1);
    EXPECT_FALSE(model.engine->scheduler().has_work());
  }
}

TEST_F(CompletionTest, PromptOverTheContextNamesTheField) {
  LocalModel model = open(3);
  CompletionRequest long_request = request({});
  long_request.prompt = std::string(3000, 'x');

  try {
    (void)complete(model, long_request, {});
    FAIL() << "an overlong prompt was taken";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("prompt"));
    EXPECT_THAT(error.what(), HasSubstr("3000 tokens"));
  }
}

TEST_F(CompletionTest, RequestsFollowEachOther) {
  LocalModel model = open(3);

  const Completion first = complete(model, request({}), {});
  const Completion second = complete(model, request({}), {});

  EXPECT_EQ(first.tokens, second.tokens);
  EXPECT_EQ(first.stats.accepted, second.stats.accepted);
}

}  // namespace
}  // namespace talon
