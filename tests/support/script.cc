#include "support/script.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace talon::test {

Script::Script(const text::Tokenizer& tokenizer)
    : tokenizer_(tokenizer),
      user_head_(tokenizer.encode("]~b]user\n")),
      answer_head_(tokenizer.encode("]~b]ai\n")),
      end_(tokenizer.token_id("[e~[").value()) {}

void Script::add(const std::string& user, std::vector<TokenId> answer) {
  const std::scoped_lock lock(mutex_);
  answers_[user] = std::move(answer);
}

std::string Script::user_message(std::span<const TokenId> prompt) const {
  const auto head = std::ranges::find_end(prompt, user_head_);
  const auto end = std::find(head.end(), prompt.end(), end_);
  return tokenizer_.decode(std::vector<TokenId>(head.end(), end), /*skip_special=*/false);
}

TokenId Script::next(std::span<const TokenId> history) const {
  const auto head = std::ranges::find_end(history, answer_head_);
  if (head.empty()) {
    return end_;
  }
  const auto num_said = static_cast<size_t>(history.end() - head.end());
  const std::string user = user_message({history.begin(), head.begin()});
  const std::scoped_lock lock(mutex_);
  const auto found = answers_.find(user);
  if (found == answers_.end() || num_said >= found->second.size()) {
    return end_;
  }
  return found->second[num_said];
}

}  // namespace talon::test
