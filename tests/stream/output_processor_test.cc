// What a reader of one choice gets: cuts apply to tokens, logprobs and counters alike. On a random
// model with byte tokens.
#include "stream/output_processor.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "stream/local_model.h"
#include "support/temp_dir.h"
#include "support/tiny_model.h"

namespace talon {
namespace {

struct Answer {
  std::string text;
  std::vector<TokenId> tokens;
  std::vector<PositionLogprobs> logprobs;
  std::vector<PositionLogprobs> prompt_logprobs;
  FinishReason reason = FinishReason::kLength;
};

class OutputProcessorTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    suite_dir = std::make_unique<test::TempDir>();
    test::write_target(*suite_dir / "target");
    test::write_head(*suite_dir / "head");
    EngineConfig config;
    config.model_dir = *suite_dir / "target";
    config.draft_model_dir = *suite_dir / "head";
    config.max_model_len = 1024;
    config.max_num_seqs = 2;
    model = std::make_unique<LocalModel>(open_local_model(config));
  }
  static void TearDownTestSuite() {
    model.reset();
    suite_dir.reset();
  }

  static Request request() {
    return {.prompt = model->tokenizer->encode("Once upon a time"),
            .max_tokens = 40,
            .ignore_eos = true};
  }

  static Answer run(Request request, const OutputSettings& settings) {
    auto submissions = std::get<std::vector<Submission>>(model->engine->submit(std::move(request)));
    OutputProcessor output(*model->tokenizer, *model->engine, submissions.front(), settings);
    Answer answer;
    while (!output.finished()) {
      (void)model->engine->step();
      for (const TextSegment& segment : output.drain()) {
        answer.text += segment.text;
      }
    }
    while (model->engine->step()) {
    }
    answer.tokens = output.tokens();
    answer.logprobs = output.logprobs();
    answer.prompt_logprobs = output.prompt_logprobs();
    answer.reason = output.finish_reason();
    return answer;
  }

  static std::unique_ptr<test::TempDir> suite_dir;
  static std::unique_ptr<LocalModel> model;
};

std::unique_ptr<test::TempDir> OutputProcessorTest::suite_dir;
std::unique_ptr<LocalModel> OutputProcessorTest::model;

// A stop string that occurs in the text but not at its start.
std::string stop_in(const std::string& text) {
  size_t begin = 8;
  while ((static_cast<unsigned char>(text[begin]) & 0xC0U) == 0x80) {
    ++begin;
  }
  size_t end = begin + 3;
  while ((static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80) {
    ++end;
  }
  return text.substr(begin, end - begin);
}

TEST_F(OutputProcessorTest, LogprobsEndWithTheKeptTokens) {
  Request with = request();
  with.num_logprobs = 3;
  const std::string whole = run(with, {}).text;

  const Answer cut = run(with, {.stop = {stop_in(whole)}});

  EXPECT_EQ(cut.reason, FinishReason::kStop);
  EXPECT_LT(cut.tokens.size(), 40U);
  ASSERT_EQ(cut.logprobs.size(), cut.tokens.size());
  for (size_t i = 0; i < cut.tokens.size(); ++i) {
    const PositionLogprobs& position = cut.logprobs[i];
    EXPECT_EQ(position.chosen.token, cut.tokens[i]);
    ASSERT_EQ(position.top.size(), 3U);
    EXPECT_EQ(position.top[0].token, cut.tokens[i]) << "greedy takes the likeliest";
    EXPECT_GE(position.top[0].logprob, position.top[1].logprob);
    EXPECT_LE(position.chosen.logprob, 0.0F);
  }
}

TEST_F(OutputProcessorTest, PromptLogprobsCoverThePromptButItsFirstToken) {
  Request with = request();
  with.num_prompt_logprobs = 0;

  const Answer answer = run(with, {});

  ASSERT_EQ(answer.prompt_logprobs.size(), with.prompt.size() - 1);
  for (size_t i = 1; i < with.prompt.size(); ++i) {
    EXPECT_EQ(answer.prompt_logprobs[i - 1].chosen.token, with.prompt[i]);
    EXPECT_TRUE(answer.prompt_logprobs[i - 1].top.empty());
  }
}

TEST_F(OutputProcessorTest, StopStringsWaitForMinTokens) {
  const std::string whole = run(request(), {}).text;
  const std::string stop = stop_in(whole);
  const size_t early = run(request(), {.stop = {stop}}).tokens.size();

  const Answer later = run(request(), {.stop = {stop}, .min_tokens = static_cast<int32_t>(early)});

  EXPECT_GT(later.tokens.size(), early);
}

TEST_F(OutputProcessorTest, TheStopStringIsShownWhenAsked) {
  const std::string whole = run(request(), {}).text;
  const std::string stop = stop_in(whole);

  const Answer without = run(request(), {.stop = {stop}});
  const Answer with = run(request(), {.stop = {stop}, .include_stop = true});

  EXPECT_EQ(with.text, without.text + stop);
  EXPECT_EQ(with.tokens, without.tokens);
}

TEST_F(OutputProcessorTest, TokensCarryTheTextThatTheyReleased) {
  const std::string whole = run(request(), {}).text;
  const OutputSettings settings = {.stop = {stop_in(whole)}};
  const Answer expected = run(request(), settings);

  auto submissions = std::get<std::vector<Submission>>(model->engine->submit(request()));
  OutputProcessor output(*model->tokenizer, *model->engine, submissions.front(), settings);
  std::string text;
  std::vector<TokenId> tokens;
  while (!output.finished()) {
    (void)model->engine->step();
    for (const OutputToken& token : output.drain_tokens()) {
      text += token.text;
      tokens.push_back(token.token);
    }
  }

  EXPECT_EQ(text, expected.text) << "the stop string is cut away";
  EXPECT_EQ(tokens, expected.tokens) << "but the tokens that completed it are kept";
}

// As a reader does that finds the end in the text.
TEST_F(OutputProcessorTest, AReaderThatHasEnoughCutsTokensLogprobsAndCounters) {
  Request asked = request();
  asked.num_logprobs = 0;
  auto submissions = std::get<std::vector<Submission>>(model->engine->submit(std::move(asked)));
  OutputProcessor output(*model->tokenizer, *model->engine, submissions.front(), {});
  while (output.tokens().size() < 9) {
    (void)model->engine->step();
    (void)output.drain_tokens();
  }

  output.stop_after(5);

  EXPECT_EQ(output.tokens().size(), 5U);
  EXPECT_EQ(output.logprobs().size(), 5U);
  EXPECT_EQ(output.stats().kept.tokens, 4) << "the first is the prefill's";
  ASSERT_TRUE(output.finished());
  EXPECT_EQ(output.finish_reason(), FinishReason::kStop);
  int num_steps = 0;
  while (model->engine->step() && num_steps < 9) {
    ++num_steps;
  }
  EXPECT_LT(num_steps, 9) << "the engine goes on";
}

TEST_F(OutputProcessorTest, AReaderThatHasEnoughWinsOverALaterEnd) {
  auto submissions = std::get<std::vector<Submission>>(model->engine->submit(request()));
  OutputProcessor output(*model->tokenizer, *model->engine, submissions.front(), {});
  while (model->engine->step()) {
  }
  (void)output.drain_tokens();
  ASSERT_EQ(output.finish_reason(), FinishReason::kLength);

  output.stop_after(39);

  EXPECT_EQ(output.finish_reason(), FinishReason::kStop);
  EXPECT_EQ(output.tokens().size(), 39U);
  EXPECT_EQ(output.stats().kept.tokens, 38);
}

}  // namespace
}  // namespace talon
