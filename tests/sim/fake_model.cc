#include "sim/fake_model.h"

#include <algorithm>
#include <array>

#include "base/checked_int.h"
#include "base/hash.h"

namespace talon::test {

uint64_t salt_root(std::string_view salt) {
  return salt.empty() ? 0 : xxh3_128(std::as_bytes(std::span(salt))).low;
}

TokenId choose_token(uint64_t history_hash, const ChoiceRule& rule, int32_t vocab_size) {
  const uint64_t bits = mix64(history_hash + mix64(static_cast<uint64_t>(rule.seed)));
  auto id = static_cast<int32_t>(bits % static_cast<uint64_t>(vocab_size));
  for (int32_t i = 0; i < vocab_size; ++i) {
    const auto word = static_cast<size_t>(id / 32);
    const bool is_masked = !rule.mask.empty() && (rule.mask[word] >> (id % 32) & 1) == 0;
    const auto& held = rule.held_back;
    if (!is_masked && std::find(held.begin(), held.end(), TokenId{id}) == held.end()) {
      break;
    }
    id = (id + 1) % vocab_size;
  }
  return TokenId{id};
}

TokenId FakeModel::draft(SeqId sequence, uint64_t hash, int64_t seed) const {
  // Of 256 drafts so many agree.
  constexpr std::array<uint64_t, 4> kQualities{0, 128, 230, 256};
  const uint64_t kind = mix64(static_cast<uint64_t>(sequence.value) + quality_seed_) % 4;
  const TokenId right =
      choose_token(hash, {.seed = seed, .held_back = {}, .mask = {}}, vocab_size_);
  const bool agrees = mix64(hash ^ 0xD4AF7) % 256 < kQualities[kind];
  return agrees ? right : TokenId{(right.value + 1) % vocab_size_};
}

RowOutcome FakeModel::run(const RowInput& input) {
  RowOutcome out;
  if (!input.row.sample) {
    return out;
  }
  const int64_t seed = input.patch.sampling.seed;
  const auto words = static_cast<size_t>(ceil_div(vocab_size_, 32));
  const std::span<const uint32_t> masks(input.row.masks);
  uint64_t hash = input.history.hash();
  for (size_t j = 0; j <= input.drafts.size(); ++j) {
    const int64_t index = input.history.size() + static_cast<int64_t>(j);
    ChoiceRule rule{.seed = seed, .held_back = {}, .mask = {}};
    if (index < input.patch.min_end_index) {
      rule.held_back = input.patch.end_ids;
    }
    if (!masks.empty()) {
      rule.mask = masks.subspan(j * words, words);
    }
    const TokenId token = choose_token(hash, rule, vocab_size_);
    out.tokens.push_back(token);
    hash = History::extend(hash, token);
    if (j == input.drafts.size() || token != input.drafts[j]) {
      break;
    }
  }
  for (int32_t i = 0; i < input.row.drafts_to_make; ++i) {
    out.drafts.push_back(draft(input.row.sequence, hash, seed));
    hash = History::extend(hash, out.drafts.back());
  }
  return out;
}

void FakeConstraint::fill_mask(std::span<uint32_t> mask) {
  for (int32_t id = 0; id < vocab_size_; ++id) {
    if (allows(TokenId{id})) {
      mask[static_cast<size_t>(id / 32)] |= uint32_t{1} << (id % 32);
    }
  }
}

bool FakeConstraint::accept(TokenId token) {
  if (!allows(token)) {
    return false;
  }
  states_.push_back((states_.back() * 31 + token.value + 7) % 1009);
  return true;
}

void FakeConstraint::rollback(int32_t count) {
  states_.resize(states_.size() - static_cast<size_t>(count));
}

}  // namespace talon::test
