// Keeps words out of an answer (text/bad_words.h), alone or over another constraint. Where the two
// leave no token at all, only the end of the answer is left.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/request.h"
#include "text/bad_words.h"

namespace talon {

class BadWordsConstraint : public TokenConstraint {
 public:
  // `inner` may be null. `end_ids` end an answer, and always may come where `inner` is null.
  BadWordsConstraint(std::shared_ptr<const text::BadWords> words,
                     std::shared_ptr<TokenConstraint> inner,
                     std::span<const TokenId> end_ids)
      : matcher_(std::move(words)),
        inner_(std::move(inner)),
        end_ids_(end_ids.begin(), end_ids.end()) {}

  void fill_mask(std::span<uint32_t> mask) override;
  bool accept(TokenId token) override;
  void rollback(int32_t count) override;

 private:
  text::BadWordsMatcher matcher_;
  std::shared_ptr<TokenConstraint> inner_;
  std::vector<TokenId> end_ids_;
};

}  // namespace talon
