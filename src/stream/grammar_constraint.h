// A grammar as the engine's constraint of one answer. The grammar may begin after the reasoning of
// the answer: until the token that ends it, everything but the end of the answer is allowed.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "engine/request.h"
#include "text/grammar.h"

namespace talon {

class GrammarConstraint : public TokenConstraint {
 public:
  // Without `end_of_reasoning` the grammar begins at once. `end_ids` end an answer.
  GrammarConstraint(const text::Grammar& grammar,
                    std::optional<TokenId> end_of_reasoning,
                    std::span<const TokenId> end_ids)
      : matcher_(grammar),
        end_of_reasoning_(end_of_reasoning),
        end_ids_(end_ids.begin(), end_ids.end()) {}

  void fill_mask(std::span<uint32_t> mask) override;
  bool accept(TokenId token) override;
  void rollback(int32_t count) override;

 private:
  bool in_reasoning() const { return end_of_reasoning_.has_value() && !begin_.has_value(); }

  text::GrammarMatcher matcher_;
  std::optional<TokenId> end_of_reasoning_;
  std::vector<TokenId> end_ids_;
  int64_t num_accepted_ = 0;
  std::optional<int64_t> begin_;  // accepted tokens up to and with the end of the reasoning
};

}  // namespace talon
