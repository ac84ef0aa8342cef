// Cuts text into pre-tokens, the pieces that byte-pair merging never crosses.
//
// A pre-tokenizer of a tokenizer file is a sequence of Split steps and one ByteLevel step at its
// end; a piece of one step is cut further by the next. Immutable, shared by threads. The pieces are
// bytes, not yet spelled in the byte alphabet.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/pattern.h"

namespace talon::text {

struct PretokenizerSpec {
  struct Split {
    std::string field;  // where the pattern stands in the file, for messages
    std::string expression;
  };
  std::vector<Split> splits = {};
  bool add_prefix_space = false;  // ByteLevel: a space before each piece that starts with none
  bool use_gpt2_pattern = false;  // ByteLevel: split by GPT-2's pattern
};

class Pretokenizer {
 public:
  // Fails if a pattern does not compile, or runs into the match limits on long runs of ordinary
  // characters: it would fail on users' texts.
  static Result<Pretokenizer> make(const PretokenizerSpec& spec);

  // Calls sink(piece) for each non-empty piece, in order; a piece lives until the call returns.
  // `text` must be valid UTF-8. A failure says that a pattern hit its limits.
  template <class Sink>
  [[nodiscard]] std::optional<Failure> run(std::string_view text,
                                           MatchScratch& scratch,
                                           Sink&& sink) const {
    return run_split(0, text, scratch, sink);
  }

 private:
  Pretokenizer() = default;

  template <class Sink>
  std::optional<Failure> run_split(size_t step,
                                   std::string_view text,
                                   MatchScratch& scratch,
                                   Sink& sink) const {
    if (step == splits_.size()) {
      return run_byte_level(text, scratch, sink);
    }
    PatternSplitter splitter(splits_[step], scratch, text);
    while (const std::optional<std::string_view> piece = splitter.next()) {
      if (std::optional<Failure> failure = run_split(step + 1, *piece, scratch, sink)) {
        return failure;
      }
    }
    return failure_of(splitter);
  }

  template <class Sink>
  std::optional<Failure> run_byte_level(std::string_view text,
                                        MatchScratch& scratch,
                                        Sink& sink) const {
    std::string prefixed;
    if (add_prefix_space_ && !text.empty() && text[0] != ' ') {
      prefixed.reserve(text.size() + 1);
      prefixed = ' ';
      prefixed += text;
      text = prefixed;
    }
    if (!gpt2_) {
      if (!text.empty()) {
        sink(text);
      }
      return std::nullopt;
    }
    PatternSplitter splitter(*gpt2_, scratch, text);
    while (const std::optional<std::string_view> piece = splitter.next()) {
      sink(*piece);
    }
    return failure_of(splitter);
  }

  static std::optional<Failure> failure_of(const PatternSplitter& splitter);

  std::vector<Pattern> splits_;
  std::optional<Pattern> gpt2_;
  bool add_prefix_space_ = false;
};

}  // namespace talon::text
