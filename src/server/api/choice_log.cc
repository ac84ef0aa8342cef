#include "server/api/choice_log.h"

#include <algorithm>

#include "base/check.h"

namespace talon::server {

void ChoiceLog::add(const ChoiceOutput& output) {
  for (const OutputToken& token : output.tokens) {
    if (token.token.value < 0) {
      continue;
    }
    if (tokens_.size() < output.logprobs.size()) {
      logprobs_.push_back(output.logprobs[tokens_.size()]);
    }
    tokens_.push_back(token.token);
    draft_positions_.push_back(token.draft_position);
  }
}

size_t ChoiceLog::send(size_t count) {
  const size_t first = num_sent_;
  TALON_CHECK(count <= tokens_.size() - first, "{} tokens of {} sent", first + count,
              tokens_.size());
  num_sent_ += count;
  return first;
}

Json ChoiceLog::ids(size_t first, size_t count) const {
  return ids_json(std::span(tokens_).subspan(first, count));
}

Json ChoiceLog::spec(size_t first, size_t count) const {
  Json positions = Json::array();
  for (const int32_t position : std::span(draft_positions_).subspan(first, count)) {
    positions.push_back(position);
  }
  return {{"token_ids", ids(first, count)}, {"draft_pos", std::move(positions)}};
}

std::span<const PositionLogprobs> ChoiceLog::logprobs(size_t first, size_t count) const {
  const size_t begin = std::min(first, logprobs_.size());
  return std::span(logprobs_).subspan(begin, std::min(count, logprobs_.size() - begin));
}

Json ids_json(std::span<const TokenId> ids) {
  Json list = Json::array();
  for (const TokenId id : ids) {
    list.push_back(id.value);
  }
  return list;
}

}  // namespace talon::server
