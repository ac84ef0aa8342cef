#include "text/bad_words.h"

#include <algorithm>
#include <set>
#include <unordered_set>
#include <utility>

#include "base/check.h"

namespace talon::text {
namespace {

void clear_bit(std::span<uint32_t> mask, TokenId id) {
  mask[static_cast<size_t>(id.value) / 32] &= ~(uint32_t{1} << (id.value % 32));
}

// Calls visit(rest) for each beginning of the word, short of all of it, that ends the text.
template <class Visit>
void visit_begun(std::string_view word, std::string_view text, Visit&& visit) {
  const size_t longest = std::min(word.size() - 1, text.size());
  for (size_t length = 1; length <= longest; ++length) {
    if (word[length - 1] == text.back() && text.ends_with(word.substr(0, length))) {
      visit(word.substr(length));
    }
  }
}

}  // namespace

BadWords::BadWords(const SortedTokens& tokens, std::vector<std::string> words, bool skip_special)
    : tokens_(tokens), words_(std::move(words)), skip_special_(skip_special) {
  for (const std::string& word : words_) {
    TALON_CHECK(!word.empty(), "an empty word of {}", words_.size());
  }
  find_whole();
}

// A token is looked through once for all words: at each of its bytes, for each length a word has.
void BadWords::find_whole() {
  const std::unordered_set<std::string_view> words(words_.begin(), words_.end());
  std::set<size_t> lengths;
  for (const std::string& word : words_) {
    lengths.insert(word.size());
  }
  const auto has_word = [&](std::string_view text) {
    for (; !text.empty(); text.remove_prefix(1)) {
      for (const size_t length : lengths) {
        if (length > text.size()) {
          break;
        }
        if (words.contains(text.substr(0, length))) {
          return true;
        }
      }
    }
    return false;
  };
  std::ranges::copy_if(tokens_.all(), std::back_inserter(whole_),
                       [&](TokenId id) { return has_word(text_of(id)); });
}

std::string_view BadWords::text_of(TokenId id) const {
  const bool is_silent = skip_special_ && tokens_.tokenizer().is_special(id);
  return is_silent ? std::string_view() : tokens_.tokenizer().token_bytes(id);
}

void BadWords::clear_completing(std::string_view text, std::span<uint32_t> mask) const {
  for (const TokenId id : whole_) {
    clear_bit(mask, id);
  }
  for (const std::string& word : words_) {
    visit_begun(word, text, [&](std::string_view rest) {
      for (const TokenId id : tokens_.starting_with(rest)) {
        if (!text_of(id).empty()) {
          clear_bit(mask, id);
        }
      }
    });
  }
}

bool BadWords::completes(std::string_view text, TokenId id) const {
  const std::string_view added = text_of(id);
  if (added.empty()) {
    return false;
  }
  return std::ranges::any_of(words_, [&](std::string_view word) {
    bool is_completed = added.find(word) != std::string_view::npos;
    visit_begun(word, text,
                [&](std::string_view rest) { is_completed |= added.starts_with(rest); });
    return is_completed;
  });
}

void BadWordsMatcher::push(TokenId id) {
  text_ += words_->text_of(id);
  ends_.push_back(text_.size());
}

void BadWordsMatcher::pop(int32_t count) {
  TALON_CHECK(count >= 0 && count <= std::ssize(ends_), "{} of {} tokens", count, ends_.size());
  ends_.resize(ends_.size() - static_cast<size_t>(count));
  text_.resize(ends_.empty() ? 0 : ends_.back());
}

}  // namespace talon::text
