// Finds a tokenizer's added tokens in text, as the tokenizers package does.
//
// At each place the longest token that starts there wins. single_word drops a match that touches a
// word character; lstrip and rstrip let a match take the white space beside it. Tokens marked
// normalized are searched in normalized text and the others, first, in the text as given: one
// AddedTokenFinder each. Immutable, shared by threads.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "text/pattern.h"

namespace talon::text {

struct AddedToken {
  std::string content;
  TokenId id;
  bool single_word = false;
  bool lstrip = false;
  bool rstrip = false;
  bool normalized = false;
  bool special = false;  // left out by decode(skip_special)
};

// A stretch of text: one added token, or text between them.
struct Segment {
  std::string_view text;
  std::optional<TokenId> token;
};

class AddedTokenFinder {
 public:
  // No content may be empty. Of two with the same content the first counts.
  explicit AddedTokenFinder(std::vector<AddedToken> tokens);

  // The segments of `text`, valid UTF-8, none empty. With `parse_special` false the special tokens
  // are not looked for: a match of one stays text.
  std::vector<Segment> split(std::string_view text, bool parse_special) const;

  bool empty() const { return tokens_.empty(); }

 private:
  // A trie over bytes; node 0 is the root.
  struct Node {
    int32_t token = -1;
    std::vector<std::pair<char, int32_t>> children;
  };

  struct Match {
    const AddedToken* token;
    size_t num_bytes;
  };

  void insert(int32_t token_index);
  int32_t child(int32_t node, char byte) const;
  std::optional<Match> match_at(std::string_view text, size_t begin) const;
  bool touches_word(std::string_view text, size_t begin, size_t end) const;

  std::vector<AddedToken> tokens_;
  std::vector<Node> nodes_;
  bool starts_token_[256] = {};
  std::optional<Pattern> word_;  // present if some token is single_word
};

}  // namespace talon::text
