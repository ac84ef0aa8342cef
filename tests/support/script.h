// What a model says in a test, written down: for each thing that a user may say, the tokens of the
// answer, turn marks and tags of reasoning and tools among them. `next` reads the whole history of
// a sequence in the turn format of the embedded model and gives the token that the script has at
// its end, so it plays in batches, over cached prefixes and after a rollback just the same.
//
// An answer begins where the assistant's turn does: if the prompt ends with a tag of reasoning, the
// script's first token is that tag. Scripts may be added while others play.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "text/tokenizer.h"

namespace talon::test {

class Script {
 public:
  // The tokenizer must outlive the script.
  explicit Script(const text::Tokenizer& tokenizer);

  // The answer to a prompt whose last user message is `user`.
  void add(const std::string& user, std::vector<TokenId> answer);
  void add(const std::string& user, std::string_view answer) {
    add(user, tokenizer_.encode(answer));
  }

  // After the end of an answer, and in a prompt that nothing answers: the end of the turn. What the
  // model said so far does not count, only how many tokens it was.
  TokenId next(std::span<const TokenId> history) const;

  TokenId end() const { return end_; }
  int32_t vocabulary_size() const { return 4096; }  // columns of the embedded model's logits

 private:
  std::string user_message(std::span<const TokenId> prompt) const;

  const text::Tokenizer& tokenizer_;
  std::vector<TokenId> user_head_;
  std::vector<TokenId> answer_head_;
  TokenId end_;
  mutable std::mutex mutex_;  // tests add, the engine's thread reads
  std::map<std::string, std::vector<TokenId>> answers_;
};

}  // namespace talon::test
