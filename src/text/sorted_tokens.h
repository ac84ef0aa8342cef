// The tokens of a vocabulary in the order of their bytes: which of them begin with a text.
// Immutable after it is made; threads may share it. Views of token bytes are the tokenizer's, which
// must outlive it.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "text/tokenizer.h"

namespace talon::text {

class SortedTokens {
 public:
  explicit SortedTokens(const Tokenizer& tokenizer);

  const Tokenizer& tokenizer() const { return tokenizer_; }
  // Ids without a token are left out. Lives as long as this.
  std::span<const TokenId> all() const { return ids_; }
  std::span<const TokenId> starting_with(std::string_view prefix) const;

 private:
  const Tokenizer& tokenizer_;
  std::vector<TokenId> ids_;
};

}  // namespace talon::text
