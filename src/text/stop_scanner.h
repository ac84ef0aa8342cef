// Finds stop strings in generated text and decides which text may be shown.
//
// The text comes in pieces of any size. The match that completes first wins; of several that
// complete with the same byte, the one that starts first, which is the longest. The result
// therefore does not depend on how the text was cut. Text that may still become part of a match is
// held back, and no byte more. One sequence, one thread; the cost is linear in the text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace talon::text {

struct StopMatch {
  size_t stop_index;  // which of the stop strings; the first of equal ones
  int64_t begin;      // byte offsets in the whole text
  int64_t end;
};

class StopScanner {
 public:
  // No stop string may be empty; there may be none at all. With `include_stop` the matched text is
  // part of what is shown.
  StopScanner(const std::vector<std::string>& stops, bool include_stop);

  // The text that is safe to show with this piece. With `may_stop` false (below min_tokens) no
  // match completes in the piece, but one that begins in it may complete in a later one. After a
  // match every piece is dropped.
  std::string push(std::string_view piece, bool may_stop = true);

  // The text held back, at the end of the sequence. Nothing after a match.
  std::string finish();

  // Bytes at the end of the text so far that wait for more.
  size_t num_held_bytes() const { return held_.size(); }

  const std::optional<StopMatch>& match() const { return match_; }

  // Where the shown text ends, after a match: its begin, or its end with `include_stop`.
  int64_t cut() const;

 private:
  // Aho-Corasick automaton; node 0 is the root.
  struct Node {
    std::vector<std::pair<char, int32_t>> children;
    int32_t fail = 0;
    int32_t depth = 0;
    // The longest stop string that ends here, or -1. It may be a suffix of the node's own string.
    int32_t stop = -1;
    // Length of the longest suffix that could still grow into a stop string.
    int32_t live_bytes = 0;
  };

  void insert(std::string_view stop, int32_t stop_index);
  void link();
  int32_t child(int32_t node, char byte) const;
  int32_t step(int32_t node, char byte) const;
  std::string cut_at_match();

  std::vector<Node> nodes_;
  std::vector<int64_t> stop_bytes_;
  bool include_stop_;
  int32_t state_ = 0;
  int64_t num_shown_ = 0;
  std::string held_;
  std::optional<StopMatch> match_;
};

}  // namespace talon::text
