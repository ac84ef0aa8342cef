#include "stream/grammar_constraint.h"

#include <algorithm>

#include "base/check.h"

namespace talon {

void GrammarConstraint::fill_mask(std::span<uint32_t> mask) {
  if (!in_reasoning()) {
    matcher_.fill_mask(mask);
    return;
  }
  std::ranges::fill(mask, ~uint32_t{0});
  for (const TokenId id : end_ids_) {
    mask[static_cast<size_t>(id.value) / 32] &= ~(uint32_t{1} << (id.value % 32));
  }
}

bool GrammarConstraint::accept(TokenId token) {
  if (in_reasoning()) {
    if (std::ranges::find(end_ids_, token) != end_ids_.end()) {
      return false;
    }
    ++num_accepted_;
    if (token == *end_of_reasoning_) {
      begin_ = num_accepted_;
    }
    return true;
  }
  if (!matcher_.accept(token)) {
    return false;
  }
  ++num_accepted_;
  return true;
}

void GrammarConstraint::rollback(int32_t count) {
  TALON_CHECK(count >= 0 && count <= num_accepted_, "{} of {} tokens", count, num_accepted_);
  num_accepted_ -= count;
  if (!end_of_reasoning_.has_value()) {
    matcher_.rollback(count);
    return;
  }
  if (!begin_.has_value()) {
    return;
  }
  const int64_t in_grammar = num_accepted_ + count - *begin_;
  matcher_.rollback(static_cast<int32_t>(std::min<int64_t>(count, in_grammar)));
  if (count > in_grammar) {
    begin_.reset();
  }
}

}  // namespace talon
