// A regular expression of a tokenizer file, matched by PCRE2 with JIT.
//
// Tokenizer files are written for the Oniguruma engine. `compile` translates what the two engines
// read differently (\s, \w, \v, script names) and refuses constructs whose meaning would silently
// change, so a pattern that compiles splits text as Oniguruma does. The exception are characters
// added to Unicode after version 14, which PCRE2 10.42 takes for unassigned. Matching is
// bounded by limits, and running into one is a failure, never a crash or a hang. A Pattern is
// immutable and may be shared by threads; MatchScratch and PatternSplitter belong to one thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace talon::text {

// The longest pattern accepted; the longest known in a real file has 400 bytes.
inline constexpr size_t kMaxPatternBytes = 16384;

class Pattern {
 public:
  ~Pattern();
  Pattern(Pattern&&) noexcept;
  Pattern& operator=(Pattern&&) noexcept;

  // The message says what is wrong with the expression, without naming a field.
  static Result<Pattern> compile(std::string_view expression);

  // Exposed for tests: the PCRE2 form of an expression.
  static Result<std::string> translate(std::string_view expression);

  // True if the whole of `text`, valid UTF-8, is one match. Running into a limit counts as no.
  bool matches_whole(std::string_view text) const;

 private:
  friend class PatternSplitter;
  struct Code;
  explicit Pattern(std::unique_ptr<const Code> code);

  std::unique_ptr<const Code> code_;
};

// Working memory of matching, independent of the pattern; made once for many splits.
class MatchScratch {
 public:
  MatchScratch();
  ~MatchScratch();
  MatchScratch(const MatchScratch&) = delete;
  MatchScratch& operator=(const MatchScratch&) = delete;

 private:
  friend class Pattern;
  friend class PatternSplitter;
  struct Data;
  std::unique_ptr<Data> data_;
};

// Cuts a text into the matches of a pattern and the stretches between them, in order; together they
// are the text. This is the behaviour "Isolated" of a tokenizer file. Keeps views of all three
// arguments. `text` must be valid UTF-8.
class PatternSplitter {
 public:
  PatternSplitter(const Pattern& pattern, MatchScratch& scratch, std::string_view text);

  // The next non-empty piece; nothing at the end or after a failure.
  std::optional<std::string_view> next();

  // Empty unless a limit was hit.
  const std::string& failure() const { return failure_; }

 private:
  enum class Search { kFound, kEnd };
  Search search();
  std::string_view cut(size_t begin, size_t end);

  const Pattern& pattern_;
  MatchScratch& scratch_;
  std::string_view text_;
  std::string failure_;
  size_t search_from_ = 0;
  size_t emitted_ = 0;  // end of the last piece returned or dropped
  size_t match_begin_ = 0;
  size_t match_end_ = 0;
  std::optional<size_t> last_match_end_;
  bool match_pending_ = false;
  bool at_end_ = false;
};

}  // namespace talon::text
