// Frames and bodies of completions, fed with given tokens.
#include "server/api/completion_answer.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/json.h"
#include "support/api_fixture.h"
#include "support/sse_reader.h"

namespace talon::server {
namespace {

using test::api_context;
using test::api_tokenizer;
using test::output_tokens;
using test::read_frames;

constexpr std::string_view kText = "Once upon a time there was a little caf\u00e9.";

CompletionCall call_of(const std::string& body) {
  return std::get<CompletionCall>(parse_completion_request(body, api_context(), {}));
}

AnswerHead head() { return {.id = "cmpl-1", .created = 1234, .num_speculative_tokens = 3}; }

// One logprob a token: that of token i is -i.
std::vector<PositionLogprobs> logprobs_of(const std::vector<OutputToken>& tokens) {
  std::vector<PositionLogprobs> out;
  for (const OutputToken& token : tokens) {
    const auto logprob = -static_cast<float>(out.size());
    out.push_back({.chosen = {token.token, logprob}, .top = {}});
  }
  return out;
}

TEST(CompletionAnswerTest, ABodyHasTextReasonAndUsage) {
  const CompletionCall call = call_of(R"({"prompt": [1, 2, 3]})");
  CompletionAnswer answer(api_tokenizer(), call, head());
  const std::vector<OutputToken> tokens = output_tokens(kText);

  answer.push(0, {.tokens = tokens});
  answer.finish(0, {.reason = FinishReason::kLength, .cached_tokens = 2});

  const Json body = parse_json(answer.body({})).value();
  EXPECT_EQ(body.at("object"), "text_completion");
  EXPECT_EQ(body.at("model"), "tiny");
  EXPECT_EQ(body.at("choices").size(), 1U);
  EXPECT_EQ(body.at("choices")[0].at("text"), kText);
  EXPECT_EQ(body.at("choices")[0].at("finish_reason"), "length");
  EXPECT_TRUE(body.at("choices")[0].at("logprobs").is_null());
  EXPECT_EQ(body.at("usage").at("prompt_tokens"), 3);
  EXPECT_EQ(body.at("usage").at("completion_tokens"), tokens.size());
  EXPECT_EQ(body.at("usage").at("prompt_tokens_details").at("cached_tokens"), 2);
}

TEST(CompletionAnswerTest, FramesEndWithReasonUsageAndDone) {
  const CompletionCall call =
      call_of(R"({"prompt": [1], "stream": true, "stream_options": {"include_usage": true}})");
  CompletionAnswer answer(api_tokenizer(), call, head());
  std::string stream;
  for (const OutputToken& token : output_tokens(kText)) {
    answer.push(0, {.tokens = {&token, 1}});
    stream += answer.take_frames(false);
  }
  answer.finish(0, {.reason = FinishReason::kStop});
  const std::string last = answer.take_frames(false);

  const std::vector<Json> frames = read_frames(stream + last);
  std::string text;
  for (const Json& frame : frames) {
    for (const Json& choice : frame.at("choices")) {
      text += choice.at("text").get<std::string>();
    }
    EXPECT_EQ(frame.contains("usage"), frame.at("choices").empty());
  }
  EXPECT_EQ(text, kText);
  const size_t num_frames = frames.size();
  ASSERT_GE(num_frames, 3U);
  EXPECT_EQ(frames[num_frames - 2].at("choices")[0].at("finish_reason"), "stop");
  EXPECT_EQ(frames[num_frames - 1].at("choices"), Json::array());
  EXPECT_TRUE(last.ends_with("data: [DONE]\n\n"));
  EXPECT_EQ(answer.take_frames(true), "") << "nothing comes after the end";
}

TEST(CompletionAnswerTest, EveryPromptAndChoiceHasItsOwnIndexAndState) {
  const CompletionCall call = call_of(R"({"prompt": [[1], [2]], "n": 2, "stream": true})");
  CompletionAnswer answer(api_tokenizer(), call, head());
  const std::vector<std::string> texts = {"first one", "second one", "third one", "fourth one"};
  std::string stream;
  for (int32_t i = 0; i < 4; ++i) {
    const std::vector<OutputToken> tokens = output_tokens(texts[static_cast<size_t>(i)]);
    answer.push(i, {.tokens = tokens});
  }
  for (int32_t i = 3; i >= 0; --i) {
    stream += answer.take_frames(false);
    answer.finish(i, {});
    EXPECT_EQ(answer.is_done(), i == 0);
  }
  stream += answer.take_frames(false);

  std::vector<std::string> seen(4);
  std::vector<int> ends(4);
  for (const Json& frame : read_frames(stream)) {
    const Json& choice = frame.at("choices").at(0);
    const auto index = choice.at("index").get<size_t>();
    EXPECT_EQ(ends[index], 0) << "no text after the end of a choice";
    seen[index] += choice.at("text").get<std::string>();
    ends[index] += choice.at("finish_reason").is_null() ? 0 : 1;
  }
  EXPECT_EQ(seen, texts);
  EXPECT_EQ(ends, (std::vector<int>{1, 1, 1, 1}));
  EXPECT_EQ(answer.usage().prompt_tokens, 2) << "a prompt counts once";
}

TEST(CompletionAnswerTest, EchoGivesThePromptWithItsLogprobsFirst) {
  const std::vector<OutputToken> prompt = output_tokens("a caf\u00e9");
  const CompletionCall call =
      call_of("{\"prompt\": \"a caf\u00e9\", \"echo\": true, \"logprobs\": 0, \"max_tokens\": 0}");
  CompletionAnswer answer(api_tokenizer(), call, head());
  std::vector<PositionLogprobs> prompt_logprobs = logprobs_of(prompt);
  prompt_logprobs.erase(prompt_logprobs.begin());

  const std::vector<OutputToken> tokens = output_tokens("x");
  answer.push(0, {.tokens = tokens, .prompt_logprobs = prompt_logprobs});
  answer.finish(0, {.reason = FinishReason::kLength});

  const Json body = parse_json(answer.body({})).value();
  const Json& choice = body.at("choices")[0];
  EXPECT_EQ(choice.at("text"), "a caf\u00e9") << "the token that the engine drew is left out";
  EXPECT_EQ(body.at("usage").at("completion_tokens"), 0);
  const Json& logprobs = choice.at("logprobs");
  ASSERT_EQ(logprobs.at("token_logprobs").size(), prompt.size());
  EXPECT_TRUE(logprobs.at("token_logprobs")[0].is_null());
  EXPECT_EQ(logprobs.at("token_logprobs")[1], -1.0);
  EXPECT_EQ(logprobs.at("text_offset")[0], 0);
}

TEST(CompletionAnswerTest, LogprobsOfAllFramesAreThoseOfTheBody) {
  const std::vector<OutputToken> tokens = output_tokens(kText);
  const std::vector<PositionLogprobs> logprobs = logprobs_of(tokens);
  std::vector<Json> shown;
  for (const bool stream : {false, true}) {
    const CompletionCall call = call_of(
        stream ? R"({"prompt": [1], "logprobs": 0, "return_token_ids": true, "stream": true})"
               : R"({"prompt": [1], "logprobs": 0, "return_token_ids": true})");
    CompletionAnswer answer(api_tokenizer(), call, head());
    std::string frames;
    for (const OutputToken& token : tokens) {
      answer.push(0, {.tokens = {&token, 1}, .logprobs = logprobs});
      frames += stream ? answer.take_frames(false) : "";
    }
    answer.finish(0, {});
    Json all = {{"offsets", Json::array()}, {"logprobs", Json::array()}, {"ids", Json::array()}};
    const auto add = [&all](const Json& choice) {
      for (const Json& offset : choice.at("logprobs").at("text_offset")) {
        all["offsets"].push_back(offset);
      }
      for (const Json& logprob : choice.at("logprobs").at("token_logprobs")) {
        all["logprobs"].push_back(logprob);
      }
      for (const Json& id : choice.at("token_ids")) {
        all["ids"].push_back(id);
      }
    };
    if (stream) {
      for (const Json& frame : read_frames(frames + answer.take_frames(false))) {
        add(frame.at("choices")[0]);
      }
    } else {
      add(parse_json(answer.body({})).value().at("choices")[0]);
    }
    shown.push_back(all);
  }
  EXPECT_EQ(shown[0].at("ids").size(), tokens.size());
  EXPECT_EQ(shown[0], shown[1]);
}

TEST(CompletionAnswerTest, SpecInfoMarksEachTokenAndSumsUpAtTheEnd) {
  const CompletionCall call =
      call_of(R"({"prompt": [1], "return_spec_info": true, "stream": true})");
  CompletionAnswer answer(api_tokenizer(), call, head());
  std::vector<OutputToken> tokens = output_tokens("abc");
  tokens.front().draft_position = 1;
  answer.push(0, {.tokens = tokens});
  answer.finish(0, {});

  const std::vector<Json> frames = read_frames(answer.take_frames(false));

  ASSERT_EQ(frames.size(), 2U);
  EXPECT_EQ(frames[0].at("choices")[0].at("talon").at("draft_pos")[0], 1);
  EXPECT_EQ(frames[1].at("choices")[0].at("talon").at("spec").at("num_speculative_tokens"), 3);
}

TEST(CompletionAnswerTest, ContinuousUsageStandsInEveryFrame) {
  const CompletionCall call = call_of(
      R"({"prompt": [1], "stream": true, "stream_options": {"continuous_usage_stats": true}})");
  CompletionAnswer answer(api_tokenizer(), call, head());
  const std::vector<OutputToken> tokens = output_tokens("abc");
  answer.push(0, {.tokens = tokens});
  answer.finish(0, {});

  for (const Json& frame : read_frames(answer.take_frames(false))) {
    EXPECT_EQ(frame.at("usage").at("completion_tokens"), tokens.size());
  }
}

}  // namespace
}  // namespace talon::server
