// Words that must not stand in an answer, and which tokens would complete one.
//
// A word counts wherever its bytes stand in the text of the answer, whatever tokens it is cut into:
// within a longer word too, and after a blank as well as without. So a token may not come if a word
// ends in it: one that lies within the token as a whole, or one whose beginning is the end of the
// text so far. Tokens that add no text (special ones that the reader leaves out) never complete a
// word. What stands in the prompt does not count.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "text/sorted_tokens.h"

namespace talon::text {

// Immutable; threads may share it.
class BadWords {
 public:
  // Words are not empty. `tokens` must outlive it.
  BadWords(const SortedTokens& tokens, std::vector<std::string> words, bool skip_special);

  // The text that a token adds.
  std::string_view text_of(TokenId id) const;
  // Clears the bits of the tokens that would complete a word after `text`.
  void clear_completing(std::string_view text, std::span<uint32_t> mask) const;
  bool completes(std::string_view text, TokenId id) const;

 private:
  void find_whole();

  const SortedTokens& tokens_;
  std::vector<std::string> words_;
  bool skip_special_;
  std::vector<TokenId> whole_;  // tokens that a word lies in
};

// The text of one answer so far. One thread at a time.
class BadWordsMatcher {
 public:
  explicit BadWordsMatcher(std::shared_ptr<const BadWords> words) : words_(std::move(words)) {}

  // Clears bit i (word i / 32, bit i % 32) of each token that may not come next.
  void clear_forbidden(std::span<uint32_t> mask) const { words_->clear_completing(text_, mask); }
  bool allows(TokenId id) const { return !words_->completes(text_, id); }
  void push(TokenId id);
  // Takes back the last `count` tokens; there must have been as many.
  void pop(int32_t count);

 private:
  std::shared_ptr<const BadWords> words_;
  std::string text_;
  std::vector<size_t> ends_;  // of each token's text
};

}  // namespace talon::text
