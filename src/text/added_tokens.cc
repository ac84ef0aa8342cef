#include "text/added_tokens.h"

#include <algorithm>

#include "base/check.h"
#include "base/result.h"
#include "base/utf8.h"
#include "text/pattern.h"

namespace talon::text {
namespace {

// \w of Rust's regex engine, which the tokenizers package uses here.
constexpr std::string_view kWordExpression = "[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\u200C\\u200D]";

size_t trailing_space_begin(std::string_view text) {
  while (!text.empty()) {
    const size_t last = last_character(text);
    if (!is_white_space(next_utf8(text.substr(last)).code_point)) {
      break;
    }
    text = text.substr(0, last);
  }
  return text.size();
}

size_t leading_space_end(std::string_view text) {
  size_t end = 0;
  while (end < text.size()) {
    const Utf8Unit unit = next_utf8(text.substr(end));
    if (!is_white_space(unit.code_point)) {
      break;
    }
    end += unit.num_bytes;
  }
  return end;
}

}  // namespace

AddedTokenFinder::AddedTokenFinder(std::vector<AddedToken> tokens)
    : tokens_(std::move(tokens)), nodes_(1) {
  bool any_single_word = false;
  for (size_t i = 0; i < tokens_.size(); ++i) {
    TALON_CHECK(!tokens_[i].content.empty(), "added token {} is empty", tokens_[i].id.value);
    insert(static_cast<int32_t>(i));
    starts_token_[static_cast<uint8_t>(tokens_[i].content[0])] = true;
    any_single_word = any_single_word || tokens_[i].single_word;
  }
  if (any_single_word) {
    Result<Pattern> word = Pattern::compile(kWordExpression);
    TALON_CHECK(word.ok(), "{}", word.message());
    word_ = std::move(word).value();
  }
}

void AddedTokenFinder::insert(int32_t token_index) {
  int32_t node = 0;
  for (const char byte : tokens_[static_cast<size_t>(token_index)].content) {
    int32_t next = child(node, byte);
    if (next < 0) {
      next = static_cast<int32_t>(nodes_.size());
      nodes_.emplace_back();
      auto& children = nodes_[static_cast<size_t>(node)].children;
      children.insert(std::lower_bound(children.begin(), children.end(), std::pair(byte, 0)),
                      {byte, next});
    }
    node = next;
  }
  int32_t& owner = nodes_[static_cast<size_t>(node)].token;
  if (owner < 0) {
    owner = token_index;
  }
}

int32_t AddedTokenFinder::child(int32_t node, char byte) const {
  const auto& children = nodes_[static_cast<size_t>(node)].children;
  const auto found = std::lower_bound(children.begin(), children.end(), std::pair(byte, 0));
  return found != children.end() && found->first == byte ? found->second : -1;
}

std::optional<AddedTokenFinder::Match> AddedTokenFinder::match_at(std::string_view text,
                                                                  size_t begin) const {
  std::optional<Match> longest;
  int32_t node = 0;
  for (size_t i = begin; i < text.size(); ++i) {
    node = child(node, text[i]);
    if (node < 0) {
      break;
    }
    const int32_t token = nodes_[static_cast<size_t>(node)].token;
    if (token >= 0) {
      longest = Match{&tokens_[static_cast<size_t>(token)], i + 1 - begin};
    }
  }
  return longest;
}

bool AddedTokenFinder::touches_word(std::string_view text, size_t begin, size_t end) const {
  if (begin > 0) {
    const std::string_view before = text.substr(0, begin);
    if (word_->matches_whole(before.substr(last_character(before)))) {
      return true;
    }
  }
  if (end < text.size()) {
    const std::string_view after = text.substr(end);
    return word_->matches_whole(after.substr(0, next_utf8(after).num_bytes));
  }
  return false;
}

std::vector<Segment> AddedTokenFinder::split(std::string_view text, bool parse_special) const {
  std::vector<Segment> segments;
  size_t done = 0;         // end of the last segment
  size_t search_from = 0;  // end of the last match, before rstrip; dropped matches count too
  while (search_from < text.size()) {
    size_t begin = search_from;
    if (!starts_token_[static_cast<uint8_t>(text[begin])]) {
      ++search_from;
      continue;
    }
    const std::optional<Match> match = match_at(text, begin);
    if (!match) {
      ++search_from;
      continue;
    }
    size_t end = begin + match->num_bytes;
    search_from = end;
    const AddedToken& token = *match->token;
    const bool hidden = token.special && !parse_special;
    if (hidden || (token.single_word && touches_word(text, begin, end))) {
      continue;
    }
    // The match before may have taken some of this space already.
    if (token.lstrip && begin > done) {
      begin = done + trailing_space_begin(text.substr(done, begin - done));
    }
    if (token.rstrip) {
      end += leading_space_end(text.substr(end));
    }
    if (done < begin) {
      segments.push_back({text.substr(done, begin - done), std::nullopt});
    }
    // A token that starts with white space may lie inside the space of an rstrip token before it.
    segments.push_back({text.substr(begin, end - begin), token.id});
    done = end;
  }
  if (done < text.size()) {
    segments.push_back({text.substr(done), std::nullopt});
  }
  return segments;
}

}  // namespace talon::text
