#include "text/sorted_tokens.h"

#include <algorithm>
#include <cstdint>

namespace talon::text {

SortedTokens::SortedTokens(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {
  ids_.reserve(static_cast<size_t>(tokenizer.vocabulary_size()));
  for (int32_t id = 0; id < tokenizer.vocabulary_size(); ++id) {
    if (tokenizer.has_token(TokenId{id})) {
      ids_.emplace_back(id);
    }
  }
  std::ranges::stable_sort(ids_, {}, [&](TokenId id) { return tokenizer.token_bytes(id); });
}

std::span<const TokenId> SortedTokens::starting_with(std::string_view prefix) const {
  const auto [first, last] = std::ranges::equal_range(ids_, prefix, {}, [&](TokenId id) {
    return tokenizer_.token_bytes(id).substr(0, prefix.size());
  });
  return {first, last};
}

}  // namespace talon::text
