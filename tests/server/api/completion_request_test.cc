// Bodies of /v1/completions: what they come to, and a table of those that are refused.
#include "server/api/completion_request.h"

#include <gtest/gtest.h>

#include <string>
#include <variant>
#include <vector>

#include "support/api_fixture.h"

namespace talon::server {
namespace {

using test::api_context;
using test::api_tokenizer;

CompletionCall accept(const std::string& body, const ApiContext& context = api_context()) {
  auto parsed = parse_completion_request(body, context, {.seed = 77});
  if (const auto* error = std::get_if<ApiError>(&parsed)) {
    ADD_FAILURE() << body << ": " << error->message;
    return {};
  }
  return std::get<CompletionCall>(std::move(parsed));
}

ApiError refuse(const std::string& body, const ApiContext& context = api_context()) {
  auto parsed = parse_completion_request(body, context, {});
  if (std::holds_alternative<CompletionCall>(parsed)) {
    ADD_FAILURE() << body << " is taken";
    return {};
  }
  return std::get<ApiError>(std::move(parsed));
}

TEST(CompletionRequestTest, HasTheDefaultsOfTheApi) {
  const CompletionCall call = accept(R"({"prompt": "Once upon"})");

  const GenerationCall& generation = call.generation;
  EXPECT_EQ(generation.model, "tiny");
  ASSERT_EQ(generation.prompts.size(), 1U);
  EXPECT_EQ(generation.prompts[0], api_tokenizer().encode("Once upon"));
  EXPECT_EQ(generation.settings.max_tokens, 16);
  EXPECT_EQ(generation.settings.sampling.temperature, 1.0F);
  EXPECT_EQ(generation.settings.sampling.seed, 77);
  EXPECT_EQ(generation.settings.num_logprobs, -1);
  EXPECT_FALSE(generation.stream);
  EXPECT_FALSE(call.echo);
}

TEST(CompletionRequestTest, TakesAllFormsOfPrompts) {
  const std::vector<TokenId> ids = {TokenId{5}, TokenId{6}};

  EXPECT_EQ(accept(R"({"prompt": [5, 6]})").generation.prompts,
            std::vector<std::vector<TokenId>>{ids});
  EXPECT_EQ(accept(R"({"prompt": [[5, 6], [5, 6]]})").generation.prompts,
            (std::vector<std::vector<TokenId>>{ids, ids}));
  EXPECT_EQ(accept(R"({"prompt": ["a", "b"], "n": 3})").generation.num_answers(), 6);
}

TEST(CompletionRequestTest, NullEqualsAbsent) {
  const CompletionCall call = accept(
      R"({"prompt": "a", "model": null, "max_tokens": null, "logprobs": null, "stop": null,
          "temperature": null, "n": null, "best_of": null, "stream": null, "stream_options": null,
          "logit_bias": null, "seed": null, "suffix": null, "response_format": null,
          "echo": null, "timeout": null, "user": null, "use_beam_search": null})");

  EXPECT_EQ(call.generation.settings.max_tokens, 16);
  EXPECT_EQ(call.generation.settings.num_choices, 1);
}

TEST(CompletionRequestTest, TakesWhatBenchmarksSend) {
  const CompletionCall call = accept(
      R"({"model": "/models/tiny", "prompt": "a", "best_of": 1, "ignore_eos": true, "unknown": {},
          "temperature": 0, "max_tokens": 20, "max_completion_tokens": 30, "stream": true,
          "stream_options": {"include_usage": true, "other": 1}, "stop": ["x", "yz"]})");

  EXPECT_EQ(call.generation.settings.max_tokens, 30) << "the new name wins";
  EXPECT_TRUE(call.generation.include_usage);
  EXPECT_TRUE(call.generation.settings.ignore_eos);
  EXPECT_EQ(call.generation.output.stop, (std::vector<std::string>{"x", "yz"}));
}

TEST(CompletionRequestTest, ClipsTheLimitToTheContextUnlessToldToRefuse) {
  ApiContext context = api_context();
  const std::string body = R"({"prompt": [1, 2, 3], "max_tokens": 524288})";

  EXPECT_EQ(accept(body, context).generation.request_of(0, 256).max_tokens, 253);

  context.rejects_overflow = true;
  EXPECT_EQ(refuse(body, context).code, "context_length_exceeded");
}

TEST(CompletionRequestTest, EchoWithLogprobsAsksForThoseOfThePrompt) {
  const CompletionCall call =
      accept(R"({"prompt": [1, 2], "echo": true, "logprobs": 1, "max_tokens": 0})");

  EXPECT_TRUE(call.is_prompt_only);
  EXPECT_EQ(call.generation.settings.max_tokens, 1) << "the engine draws at least one";
  EXPECT_EQ(call.generation.settings.num_prompt_logprobs, 1);
}

TEST(CompletionRequestTest, StrictServersRefuseUnknownFields) {
  ApiContext context = api_context();
  context.strict_fields = true;

  const ApiError error = refuse(R"({"prompt": "a", "temprature": 1})", context);

  EXPECT_EQ(error.code, "unsupported_parameter");
  EXPECT_EQ(error.param, "temprature");
  // What docs/openai_conformance.md calls ignored is known.
  EXPECT_EQ(accept(R"({"prompt": "a", "user": "u", "store": false, "prompt_cache_retention": "24h",
                       "add_special_tokens": true, "spaces_between_special_tokens": true,
                       "length_penalty": 1.0, "early_stopping": false, "use_beam_search": false,
                       "return_tokens_as_token_ids": false, "truncate_prompt_tokens": null})",
                   context)
                .generation.model,
            "tiny");
}

struct BadCase {
  std::string body;
  std::string code;
  std::string param;
  int status = 400;
};

class BadCompletionTest : public testing::TestWithParam<BadCase> {};

TEST_P(BadCompletionTest, IsRefusedWithItsField) {
  const ApiError error = refuse(GetParam().body);

  EXPECT_EQ(error.status, GetParam().status) << error.message;
  EXPECT_EQ(error.code, GetParam().code) << error.message;
  EXPECT_EQ(error.param, GetParam().param) << error.message;
  EXPECT_EQ(error.type, "invalid_request_error");
  EXPECT_FALSE(error.message.empty());
}

// A body with a prompt and one more member.
std::string with(const std::string& member) { return R"({"prompt": "a", )" + member + "}"; }

std::string repeated(const std::string& one, int count) {
  std::string out = one;
  for (int i = 1; i < count; ++i) {
    out += "," + one;
  }
  return out;
}

const BadCase kBadBodies[] = {
    {"", "invalid_json", ""},
    {"{", "invalid_json", ""},
    {"[]", "invalid_json", ""},
    {"\"prompt\"", "invalid_json", ""},
    {R"({"prompt": "a"} x)", "invalid_json", ""},
    {R"({"prompt": "a", "prompt": "b"})", "invalid_json", ""},
    {"{\"prompt\": \"\xff\"}", "invalid_json", ""},
    {R"({"prompt": "a", "temperature": 1e999})", "invalid_json", ""},
    {R"({"prompt": "a", "seed": 9223372036854775808})", "invalid_json", ""},
    {R"({"prompt": "a", "temperature": NaN})", "invalid_json", ""},
    {with("\"x\": " + std::string(80, '[') + std::string(80, ']')), "invalid_json", ""},
};

const BadCase kBadPrompts[] = {
    {"{}", "missing_field", "prompt"},
    {R"({"prompt": null})", "missing_field", "prompt"},
    {R"({"prompt": ""})", "invalid_value", "prompt"},
    {R"({"prompt": []})", "invalid_value", "prompt"},
    {R"({"prompt": ["a", ""]})", "invalid_value", "prompt[1]"},
    {R"({"prompt": [[]]})", "invalid_value", "prompt[0]"},
    {R"({"prompt": 5})", "invalid_type", "prompt"},
    {R"({"prompt": {"a": 1}})", "invalid_type", "prompt"},
    {R"({"prompt": [1, "a"]})", "invalid_type", "prompt[1]"},
    {R"({"prompt": ["a", [1]]})", "invalid_type", "prompt[1]"},
    {R"({"prompt": [1.5]})", "invalid_type", "prompt[0]"},
    {R"({"prompt": [4096]})", "invalid_value", "prompt[0]"},
    {R"({"prompt": [-1]})", "invalid_value", "prompt[0]"},
    {R"({"prompt": [[1], [2, 99999999999]]})", "invalid_value", "prompt[1][1]"},
    {"{\"prompt\": [" + repeated("1", 256) + "]}", "context_length_exceeded", "prompt"},
    {"{\"prompt\": [" + repeated("\"a\"", 257) + "]}", "invalid_value", "prompt"},
};

const BadCase kBadLimits[] = {
    {with(R"("model": "gpt-4o")"), "model_not_found", "model", 404},
    {with(R"("model": 5)"), "invalid_type", "model"},
    {with(R"("max_tokens": 0)"), "invalid_value", "max_tokens"},
    {with(R"("max_tokens": -1)"), "invalid_value", "max_tokens"},
    {with(R"("max_tokens": 1.5)"), "invalid_type", "max_tokens"},
    {with(R"("max_tokens": "5")"), "invalid_type", "max_tokens"},
    {with(R"("max_completion_tokens": 0)"), "invalid_value", "max_completion_tokens"},
    {with(R"("echo": true, "max_completion_tokens": 0)"), "invalid_value", "max_completion_tokens"},
    {with(R"("min_tokens": -1)"), "invalid_value", "min_tokens"},
    {with(R"("min_tokens": 17)"), "invalid_value", "min_tokens"},
    {with(R"("n": 0)"), "invalid_value", "n"},
    {with(R"("n": 17)"), "invalid_value", "n"},
    {with(R"("n": true)"), "invalid_type", "n"},
    {with(R"("best_of": 2)"), "invalid_value", "best_of"},
    {with(R"("logprobs": 21)"), "invalid_value", "logprobs"},
    {with(R"("logprobs": -1)"), "invalid_value", "logprobs"},
    {with(R"("logprobs": true)"), "invalid_type", "logprobs"},
    {with(R"("prompt_logprobs": 21)"), "invalid_value", "prompt_logprobs"},
    {with(R"("prompt_logprobs": 1, "stream": true)"), "invalid_value", "prompt_logprobs"},
    {with(R"("priority": 1001)"), "invalid_value", "priority"},
    {with(R"("timeout": 0)"), "invalid_value", "timeout"},
    {with(R"("timeout": 1800.5)"), "invalid_value", "timeout"},
    {with(R"("timeout": "1")"), "invalid_type", "timeout"},
    {with(R"("request_id": "")"), "invalid_value", "request_id"},
    {with(R"("request_id": "a\nb")"), "invalid_value", "request_id"},
    {with(R"("request_id": ")" + std::string(129, 'x') + "\""), "invalid_value", "request_id"},
    {with(R"("cache_salt": ")" + std::string(257, 'x') + "\""), "invalid_value", "cache_salt"},
};

const BadCase kBadSampling[] = {
    {with(R"("temperature": -0.1)"), "invalid_value", "temperature"},
    {with(R"("temperature": 2.1)"), "invalid_value", "temperature"},
    {with(R"("temperature": "hot")"), "invalid_type", "temperature"},
    {with(R"("temperature": false)"), "invalid_type", "temperature"},
    {with(R"("top_p": 0)"), "invalid_value", "top_p"},
    {with(R"("top_p": 1.01)"), "invalid_value", "top_p"},
    {with(R"("top_k": -2)"), "invalid_value", "top_k"},
    {with(R"("top_k": 4097)"), "invalid_value", "top_k"},
    {with(R"("top_k": 1.5)"), "invalid_type", "top_k"},
    {with(R"("min_p": -0.1)"), "invalid_value", "min_p"},
    {with(R"("presence_penalty": 2.5)"), "invalid_value", "presence_penalty"},
    {with(R"("frequency_penalty": -2.5)"), "invalid_value", "frequency_penalty"},
    {with(R"("repetition_penalty": 0)"), "invalid_value", "repetition_penalty"},
    {with(R"("seed": 1.5)"), "invalid_type", "seed"},
    {with(R"("logit_bias": [])"), "invalid_type", "logit_bias"},
    {with(R"("logit_bias": {"4096": 1})"), "invalid_value", "logit_bias.4096"},
    {with(R"("logit_bias": {"+5": 1})"), "invalid_value", "logit_bias.+5"},
    {with(R"("logit_bias": {"5": 101})"), "invalid_value", "logit_bias.5"},
    {with(R"("logit_bias": {"5": "x"})"), "invalid_type", "logit_bias.5"},
    {with(R"("logit_bias": {"5": 1, "05": 1})"), "invalid_value", "logit_bias.05"},
    {with(R"("allowed_token_ids": [])"), "invalid_value", "allowed_token_ids"},
    {with(R"("allowed_token_ids": [5000])"), "invalid_value", "allowed_token_ids[0]"},
    {with(R"("bad_words": "x")"), "invalid_type", "bad_words"},
    {with(R"("bad_words": ["x", 5])"), "invalid_type", "bad_words[1]"},
    {with(R"("bad_words": [""])"), "invalid_value", "bad_words[0]"},
    {with(R"("bad_words": [")" + std::string(257, 'a') + R"("])"), "invalid_value", "bad_words[0]"},
    {with(R"("bad_words": [)" + repeated("\"a\"", 1025) + "]"), "invalid_value", "bad_words"},
};

const BadCase kBadOutput[] = {
    {with(R"("stop": 5)"), "invalid_type", "stop"},
    {with(R"("stop": "")"), "invalid_value", "stop"},
    {with(R"("stop": ["a", 5])"), "invalid_type", "stop[1]"},
    {with(R"("stop": ["a", ""])"), "invalid_value", "stop[1]"},
    {with(R"("stop": [)" + repeated("\"a\"", 17) + "]"), "invalid_value", "stop"},
    {with(R"("stop": ")" + std::string(257, 'a') + "\""), "invalid_value", "stop"},
    {with(R"("stop_token_ids": [4096])"), "invalid_value", "stop_token_ids[0]"},
    {with(R"("stop_token_ids": ["a"])"), "invalid_type", "stop_token_ids[0]"},
    {with(R"("stop_token_ids": [)" + repeated("1", 65) + "]"), "invalid_value", "stop_token_ids"},
    {with(R"("stream": 1)"), "invalid_type", "stream"},
    {with(R"("stream_options": {})"), "invalid_value", "stream_options"},
    {with(R"("stream": true, "stream_options": [])"), "invalid_type", "stream_options"},
    {with(R"("stream": true, "stream_options": {"include_usage": "yes"})"), "invalid_type",
     "stream_options.include_usage"},
    {with(R"("ignore_eos": "no")"), "invalid_type", "ignore_eos"},
    {with(R"("echo": 1)"), "invalid_type", "echo"},
    {with(R"("return_token_ids": 1)"), "invalid_type", "return_token_ids"},
    {with(R"("suffix": "b")"), "unsupported_parameter", "suffix"},
    {with(R"("audio": {})"), "unsupported_parameter", "audio"},
    {with(R"("modalities": ["text", "audio"])"), "unsupported_parameter", "modalities[1]"},
    {with(R"("use_beam_search": true)"), "unsupported_parameter", "use_beam_search"},
    {with(R"("truncate_prompt_tokens": 5)"), "unsupported_parameter", "truncate_prompt_tokens"},
    {with(R"("logits_processors": ["a"])"), "unsupported_parameter", "logits_processors"},
    {with(R"("return_tokens_as_token_ids": true)"), "unsupported_parameter",
     "return_tokens_as_token_ids"},
    {with(R"("data_parallel_rank": 1)"), "invalid_value", "data_parallel_rank"},
    {with(R"("kv_transfer_params": {})"), "unsupported_parameter", "kv_transfer_params"},
};

INSTANTIATE_TEST_SUITE_P(Bodies, BadCompletionTest, testing::ValuesIn(kBadBodies));
INSTANTIATE_TEST_SUITE_P(Prompts, BadCompletionTest, testing::ValuesIn(kBadPrompts));
INSTANTIATE_TEST_SUITE_P(Limits, BadCompletionTest, testing::ValuesIn(kBadLimits));
INSTANTIATE_TEST_SUITE_P(Sampling, BadCompletionTest, testing::ValuesIn(kBadSampling));
INSTANTIATE_TEST_SUITE_P(Output, BadCompletionTest, testing::ValuesIn(kBadOutput));

}  // namespace
}  // namespace talon::server
