// Splits the output of a model that thinks into reasoning and answer, by the ids of its two tags.
//
// Total: every sequence of tokens has a result, and the pieces add up to the same however they are
// cut. Text that happens to look like a tag is text. No tag ever shows: a second opening tag begins
// reasoning again, and a closing one without reasoning is dropped. One sequence, one thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/ids.h"

namespace talon::text {

struct ReasoningTags {
  TokenId open{-1};
  TokenId close{-1};
  std::string open_text = "<mm:think>";
  std::string close_text = "</mm:think>";
};

class ReasoningParser {
 public:
  enum class Start {
    kReasoning,  // the prompt ended with the opening tag
    kAnswer,     // thinking is off, or the prompt ended with the closing tag
    kEither,     // the model decides: reasoning if its first token is the opening tag
  };

  struct Delta {
    std::string reasoning = {};
    std::string content = {};
  };

  ReasoningParser(ReasoningTags tags, Start start);

  // How an answer to this prompt begins, by the tag that ends it; blanks after that do not count.
  static Start start_after(std::string_view prompt, const ReasoningTags& tags);

  // A token, with the text that it adds to the output. For a tag that is the tag's text, after
  // what the detokenizer had held back.
  Delta push(TokenId id, std::string_view text);

  // What is held back, at the end: blank text before the first tag.
  Delta finish();

  bool in_reasoning() const { return state_ == State::kReasoning; }
  // Tokens of reasoning so far, tags not counted.
  int64_t num_reasoning_tokens() const { return num_reasoning_tokens_; }

 private:
  enum class State { kStart, kReasoning, kAnswer };

  void append(std::string_view text, Delta& delta);

  ReasoningTags tags_;
  State state_;
  std::string blank_;  // of kStart: belongs to the answer unless a tag follows
  int64_t num_reasoning_tokens_ = 0;
};

}  // namespace talon::text
