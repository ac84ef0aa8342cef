// The tokens of one choice, as reported beside its text. Include from .cc files only. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/json.h"
#include "server/api/answer.h"

namespace talon::server {

class ChoiceLog {
 public:
  // Takes the new tokens, with their logprobs if there are any. A token without id is none.
  void add(const ChoiceOutput& output);

  size_t num_tokens() const { return tokens_.size(); }
  size_t num_sent() const { return num_sent_; }

  // The next `count` tokens count as sent; gives the index of the first.
  size_t send(size_t count);

  // Of `count` tokens from `first`. Logprobs are empty if none were asked for.
  Json ids(size_t first, size_t count) const;
  Json spec(size_t first, size_t count) const;  // {token_ids, draft_pos}
  std::span<const PositionLogprobs> logprobs(size_t first, size_t count) const;

 private:
  std::vector<TokenId> tokens_;
  std::vector<int32_t> draft_positions_;
  std::vector<PositionLogprobs> logprobs_;
  size_t num_sent_ = 0;
};

Json ids_json(std::span<const TokenId> ids);

}  // namespace talon::server
