// Logprobs in the forms of the two OpenAI routes. Pure; include from .cc files only.
//
// A token is shown as its text; one that is no whole character as "bytes:\xNN..", so that different
// tokens never look the same. What is less likely than -9999 is -9999: JSON has no infinity.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "engine/sampling.h"
#include "text/tokenizer.h"

namespace talon::server {

// {"content": [{token, logprob, bytes, top_logprobs}]}
Json chat_logprobs_json(const text::Tokenizer& tokenizer,
                        std::span<const PositionLogprobs> positions);

// What completions report, token by token: {tokens, token_logprobs, top_logprobs, text_offset}.
class CompletionLogprobs {
 public:
  explicit CompletionLogprobs(const text::Tokenizer& tokenizer) : tokenizer_(tokenizer) {}

  // `offset`: characters of the choice's text before the token.
  void add(const PositionLogprobs& position, size_t offset);
  // The first token of a prompt, which nothing predicts.
  void add_first(TokenId token, size_t offset);
  Json take();

 private:
  const text::Tokenizer& tokenizer_;
  Json tokens_ = Json::array();
  Json token_logprobs_ = Json::array();
  Json top_logprobs_ = Json::array();
  Json text_offset_ = Json::array();
};

// vLLM's field: null for the first token, then an object of {logprob, decoded_token} by id.
Json prompt_logprobs_json(const text::Tokenizer& tokenizer,
                          std::span<const PositionLogprobs> positions);

}  // namespace talon::server
