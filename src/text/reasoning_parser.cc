#include "text/reasoning_parser.h"

#include <utility>

#include "text/characters.h"

namespace talon::text {

ReasoningParser::Start ReasoningParser::start_after(std::string_view prompt,
                                                    const ReasoningTags& tags) {
  while (prompt.ends_with('\n') || prompt.ends_with(' ')) {
    prompt.remove_suffix(1);
  }
  if (prompt.ends_with(tags.open_text)) {
    return Start::kReasoning;
  }
  return prompt.ends_with(tags.close_text) ? Start::kAnswer : Start::kEither;
}

ReasoningParser::ReasoningParser(ReasoningTags tags, Start start)
    : tags_(std::move(tags)),
      state_(start == Start::kReasoning ? State::kReasoning
             : start == Start::kAnswer  ? State::kAnswer
                                        : State::kStart) {}

void ReasoningParser::append(std::string_view text, Delta& delta) {
  if (state_ == State::kReasoning) {
    delta.reasoning += text;
    return;
  }
  if (state_ == State::kStart) {
    blank_ += text;
    if (strip(blank_).empty()) {
      return;
    }
    state_ = State::kAnswer;
    text = {};
    delta.content += std::exchange(blank_, {});
  }
  delta.content += text;
}

ReasoningParser::Delta ReasoningParser::push(TokenId id, std::string_view text) {
  Delta delta;
  const bool opens = id == tags_.open;
  const bool closes = id == tags_.close;
  if (!opens && !closes) {
    num_reasoning_tokens_ += state_ == State::kReasoning ? 1 : 0;
    append(text, delta);
    return delta;
  }
  const std::string& tag = opens ? tags_.open_text : tags_.close_text;
  if (text.ends_with(tag)) {
    text.remove_suffix(tag.size());
  }
  append(text, delta);
  blank_.clear();
  state_ = opens ? State::kReasoning : State::kAnswer;
  return delta;
}

ReasoningParser::Delta ReasoningParser::finish() {
  Delta delta;
  delta.content = std::exchange(blank_, {});
  return delta;
}

}  // namespace talon::text
