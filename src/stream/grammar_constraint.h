// A grammar as the engine's constraint of one answer. Reasoning may stand before what the grammar
// describes: there everything but the end of the answer is allowed.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "engine/request.h"
#include "text/grammar.h"

namespace talon {

// Reasoning before the part of an answer that has a grammar.
struct ReasoningBefore {
  TokenId open{-1};
  TokenId close{-1};
  // The prompt ended with `open`. Else the model decides with its first token: `open` begins
  // reasoning, `close` alone says that there is none, and any other token is the grammar's first.
  bool is_open = true;

  friend bool operator==(const ReasoningBefore&, const ReasoningBefore&) = default;
};

class GrammarConstraint : public TokenConstraint {
 public:
  // Without `reasoning` the grammar begins at once. `end_ids` end an answer.
  GrammarConstraint(const text::Grammar& grammar,
                    std::optional<ReasoningBefore> reasoning,
                    std::span<const TokenId> end_ids)
      : matcher_(grammar), reasoning_(reasoning), end_ids_(end_ids.begin(), end_ids.end()) {
    settle_begin();
  }

  void fill_mask(std::span<uint32_t> mask) override;
  bool accept(TokenId token) override;
  void rollback(int32_t count) override;

 private:
  bool is_undecided() const { return begin_ == 0 && num_accepted_ == 0 && reasoning_.has_value(); }
  bool in_reasoning() const { return !begin_.has_value(); }
  void settle_begin();

  text::GrammarMatcher matcher_;
  std::optional<ReasoningBefore> reasoning_;
  std::vector<TokenId> end_ids_;
  int64_t num_accepted_ = 0;
  std::optional<int64_t> begin_;  // accepted tokens before the grammar's first; none: in reasoning
};

}  // namespace talon
