// Every fault of a request names its field, and what is allowed at the edge passes.
#include "engine/request_checks.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>

namespace talon {
namespace {

constexpr RequestLimits kLimits{.context_limit = 100, .vocab_size = 50, .max_queue_len = 4};

Request good() { return {.prompt = std::vector<TokenId>(10, TokenId{3}), .max_tokens = 20}; }

struct Case {
  const char* name;
  const char* field;  // of the fault; empty: none
  std::function<void(Request&)> change;
};

class RequestChecksTest : public testing::TestWithParam<Case> {};

TEST_P(RequestChecksTest, NamesTheField) {
  Request request = good();
  GetParam().change(request);

  const std::optional<Refusal> fault = find_fault(request, kLimits);

  EXPECT_EQ(fault.has_value() ? fault->field : "", std::string(GetParam().field));
  if (fault.has_value()) {
    EXPECT_FALSE(fault->message.empty());
  }
}

INSTANTIATE_TEST_SUITE_P(
    Fields,
    RequestChecksTest,
    testing::Values(
        Case{"Good", "", [](Request&) {}},
        Case{"NoPrompt", "prompt", [](Request& r) { r.prompt.clear(); }},
        Case{"LongPrompt", "prompt", [](Request& r) { r.prompt.resize(100); }},
        Case{"LongestPrompt", "", [](Request& r) { r.prompt.resize(99); }},
        Case{"NegativeId", "prompt", [](Request& r) { r.prompt[4] = TokenId{-1}; }},
        Case{"ForeignId", "prompt", [](Request& r) { r.prompt[4] = TokenId{50}; }},
        Case{"NoTokens", "max_tokens", [](Request& r) { r.max_tokens = 0; }},
        Case{"NegativeDrafts", "max_drafts", [](Request& r) { r.max_drafts = -1; }},
        Case{"StopId", "stop_token_ids", [](Request& r) { r.stop_token_ids = {TokenId{50}}; }},
        Case{"ManyStopIds", "stop_token_ids", [](Request& r) { r.stop_token_ids.resize(65); }},
        Case{"NoChoice", "n", [](Request& r) { r.num_choices = 0; }},
        Case{"ManyChoices", "n", [](Request& r) { r.num_choices = 17; }},
        Case{"MoreThanTheQueue", "n", [](Request& r) { r.num_choices = 5; }},
        Case{"ManyLogprobs", "logprobs", [](Request& r) { r.num_logprobs = 21; }},
        Case{"MostLogprobs", "", [](Request& r) { r.num_logprobs = 20; }},
        Case{"PromptLogprobs", "prompt_logprobs", [](Request& r) { r.num_prompt_logprobs = -2; }},
        Case{"Priority", "priority", [](Request& r) { r.priority = 1001; }},
        Case{"Salt", "cache_salt", [](Request& r) { r.cache_salt.assign(257, 'x'); }},
        Case{"Constraints", "constraints", [](Request& r) { r.constraints.resize(2); }},
        Case{"Prefill", "", [](Request& r) { r.handoff = HandoffRole::kPrefill; }},
        Case{"PrefillOfOneToken", "prompt",
             [](Request& r) {
               r.handoff = HandoffRole::kPrefill;
               r.prompt.resize(1);
             }},
        Case{"PrefillOfChoices", "n",
             [](Request& r) {
               r.handoff = HandoffRole::kPrefill;
               r.num_choices = 2;
             }},
        Case{"PrefillWithPromptLogprobs", "prompt_logprobs",
             [](Request& r) {
               r.handoff = HandoffRole::kPrefill;
               r.num_prompt_logprobs = 0;
             }},
        Case{"DecodeOfChoices", "",
             [](Request& r) {
               r.handoff = HandoffRole::kDecode;
               r.num_choices = 2;
             }},
        Case{"DecodeOfOneToken", "prompt",
             [](Request& r) {
               r.handoff = HandoffRole::kDecode;
               r.prompt.resize(1);
             }}),
    [](const auto& param_info) { return param_info.param.name; });

const float kNan = std::nanf("");

INSTANTIATE_TEST_SUITE_P(
    Sampling,
    RequestChecksTest,
    testing::Values(
        Case{"Hot", "temperature", [](Request& r) { r.sampling.temperature = 2.1F; }},
        Case{"Cold", "temperature", [](Request& r) { r.sampling.temperature = -0.1F; }},
        Case{"NanHeat", "temperature", [](Request& r) { r.sampling.temperature = kNan; }},
        Case{"NoMass", "top_p", [](Request& r) { r.sampling.top_p = 0.0F; }},
        Case{"AllMass", "", [](Request& r) { r.sampling.top_p = 1.0F; }},
        Case{"TopK", "top_k", [](Request& r) { r.sampling.top_k = -2; }},
        Case{"TopKOff", "", [](Request& r) { r.sampling.top_k = -1; }},
        Case{"TopKOverVocabulary", "", [](Request& r) { r.sampling.top_k = 1000; }},
        Case{"MinP", "min_p", [](Request& r) { r.sampling.min_p = 1.1F; }},
        Case{"Repetition", "repetition_penalty",
             [](Request& r) { r.sampling.repetition_penalty = 0.0F; }},
        Case{"Presence", "presence_penalty",
             [](Request& r) { r.sampling.presence_penalty = 2.5F; }},
        Case{"Frequency", "frequency_penalty",
             [](Request& r) { r.sampling.frequency_penalty = -2.5F; }},
        Case{"MinTokens", "min_tokens", [](Request& r) { r.sampling.min_tokens = 21; }},
        Case{"MinTokensAll", "", [](Request& r) { r.sampling.min_tokens = 20; }},
        Case{"BiasId", "logit_bias",
             [](Request& r) { r.sampling.logit_bias = {{TokenId{50}, 1.0F}}; }},
        Case{"BiasValue", "logit_bias",
             [](Request& r) { r.sampling.logit_bias = {{TokenId{5}, 101.0F}}; }},
        Case{"BiasNan", "logit_bias",
             [](Request& r) { r.sampling.logit_bias = {{TokenId{5}, kNan}}; }},
        Case{"BiasTwice", "logit_bias",
             [](Request& r) { r.sampling.logit_bias = {{TokenId{5}, 1.0F}, {TokenId{5}, 2.0F}}; }},
        Case{"AllowedId", "allowed_token_ids",
             [](Request& r) { r.sampling.allowed_token_ids = {TokenId{-3}}; }},
        Case{"BadId", "bad_token_ids",
             [](Request& r) { r.sampling.bad_token_ids = {TokenId{99}}; }},
        Case{"NothingLeft", "allowed_token_ids",
             [](Request& r) {
               r.sampling.allowed_token_ids = {TokenId{5}};
               r.sampling.bad_token_ids = {TokenId{5}};
             }}),
    [](const auto& param_info) { return param_info.param.name; });

}  // namespace
}  // namespace talon
