#include "stream/bad_words_constraint.h"

#include <algorithm>

namespace talon {

void BadWordsConstraint::fill_mask(std::span<uint32_t> mask) {
  if (inner_ != nullptr) {
    inner_->fill_mask(mask);
  } else {
    std::ranges::fill(mask, ~uint32_t{0});
  }
  matcher_.clear_forbidden(mask);
  const bool is_empty = std::ranges::all_of(mask, [](uint32_t word) { return word == 0; });
  if (inner_ == nullptr || is_empty) {
    for (const TokenId id : end_ids_) {
      mask[static_cast<size_t>(id.value) / 32] |= uint32_t{1} << (id.value % 32);
    }
  }
}

bool BadWordsConstraint::accept(TokenId token) {
  const bool is_end = std::ranges::find(end_ids_, token) != end_ids_.end();
  if (!is_end && !matcher_.allows(token)) {
    return false;
  }
  if (inner_ != nullptr && !inner_->accept(token)) {
    return false;
  }
  matcher_.push(token);
  return true;
}

void BadWordsConstraint::rollback(int32_t count) {
  matcher_.pop(count);
  if (inner_ != nullptr) {
    inner_->rollback(count);
  }
}

}  // namespace talon
