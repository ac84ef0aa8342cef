#include "stream/grammar_constraint.h"

#include <algorithm>

#include "base/check.h"

namespace talon {
namespace {

void set_bit(std::span<uint32_t> mask, TokenId id) {
  mask[static_cast<size_t>(id.value) / 32] |= uint32_t{1} << (id.value % 32);
}

void clear_bit(std::span<uint32_t> mask, TokenId id) {
  mask[static_cast<size_t>(id.value) / 32] &= ~(uint32_t{1} << (id.value % 32));
}

}  // namespace

// Where the grammar begins, as known before the first token.
void GrammarConstraint::settle_begin() {
  begin_.reset();
  if (!reasoning_.has_value() || !reasoning_->is_open) {
    begin_ = 0;
  }
}

void GrammarConstraint::fill_mask(std::span<uint32_t> mask) {
  if (in_reasoning()) {
    std::ranges::fill(mask, ~uint32_t{0});
    for (const TokenId id : end_ids_) {
      clear_bit(mask, id);
    }
    return;
  }
  matcher_.fill_mask(mask);
  if (is_undecided()) {
    set_bit(mask, reasoning_->open);
    set_bit(mask, reasoning_->close);
  }
}

bool GrammarConstraint::accept(TokenId token) {
  if (is_undecided() && (token == reasoning_->open || token == reasoning_->close)) {
    begin_.reset();
    if (token == reasoning_->close) {
      begin_ = 1;
    }
  } else if (in_reasoning()) {
    if (std::ranges::find(end_ids_, token) != end_ids_.end()) {
      return false;
    }
    if (token == reasoning_->close) {
      begin_ = num_accepted_ + 1;
    }
  } else if (!matcher_.accept(token)) {
    return false;
  }
  ++num_accepted_;
  return true;
}

void GrammarConstraint::rollback(int32_t count) {
  TALON_CHECK(count >= 0 && count <= num_accepted_, "{} of {} tokens", count, num_accepted_);
  const int64_t in_grammar = begin_.has_value() ? num_accepted_ - *begin_ : 0;
  matcher_.rollback(static_cast<int32_t>(std::min<int64_t>(count, in_grammar)));
  num_accepted_ -= count;
  if (num_accepted_ == 0) {
    settle_begin();
  } else if (begin_.has_value() && num_accepted_ < *begin_) {
    begin_.reset();
  }
}

}  // namespace talon
