// A model that is a pure function: the token after a history depends on a hash of the history and
// on the choice's seed alone, so that a sequence's whole answer is known whatever batch, chunk,
// page or round it is computed in. Its drafter agrees with it as often as the sequence's quality
// says: always, never, or in between.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "engine/request.h"
#include "engine/step_plan.h"
#include "sim/sim_rng.h"

namespace talon::test {

// Tokens with the hash of each of their prefixes. The root stands for what may not be shared: two
// histories under different roots have no hash in common.
class History {
 public:
  explicit History(uint64_t root = 0) : hashes_{mix64(root ^ kRootTag)} {}

  void append(TokenId token) {
    tokens_.push_back(token);
    hashes_.push_back(extend(hashes_.back(), token));
  }

  static uint64_t extend(uint64_t hash, TokenId token) {
    return mix64(hash + 0x9E3779B97F4A7C15U * (static_cast<uint64_t>(token.value) + 1)) | 1;
  }

  int64_t size() const { return std::ssize(tokens_); }
  const std::vector<TokenId>& tokens() const { return tokens_; }
  TokenId at(int64_t index) const { return tokens_[static_cast<size_t>(index)]; }
  // Of the first `count` tokens; never 0 if count > 0.
  uint64_t hash(int64_t count) const { return hashes_[static_cast<size_t>(count)]; }
  uint64_t hash() const { return hashes_.back(); }

 private:
  static constexpr uint64_t kRootTag = 0x726F6F74;

  std::vector<TokenId> tokens_;
  std::vector<uint64_t> hashes_;
};

uint64_t salt_root(std::string_view salt);

// What the choice of one token depends on beside the history.
struct ChoiceRule {
  int64_t seed = 0;
  std::span<const TokenId> held_back;  // ids that may not be drawn
  std::span<const uint32_t> mask;      // bit i: id i may be drawn; empty: every id
};

TokenId choose_token(uint64_t history_hash, const ChoiceRule& rule, int32_t vocab_size);

// What a row is computed from, besides the pages.
struct RowInput {
  const PlanRow& row;
  const SlotPatch& patch;           // that brought the sequence into its slot
  const History& history;           // up to and with the row's last known token
  std::span<const TokenId> drafts;  // that the row verifies
};

struct RowOutcome {
  std::vector<TokenId> tokens;  // the accepted drafts and the token after them; empty: no sampling
  std::vector<TokenId> drafts;  // for the next round
};

// Stands in place of target and drafter: the fake model, or the record of a real run.
class RowSource {
 public:
  virtual ~RowSource() = default;
  virtual RowOutcome run(const RowInput& input) = 0;
};

class FakeModel final : public RowSource {
 public:
  FakeModel(int32_t vocab_size, uint64_t quality_seed)
      : vocab_size_(vocab_size), quality_seed_(quality_seed) {}

  RowOutcome run(const RowInput& input) override;

 private:
  TokenId draft(SeqId sequence, uint64_t hash, int64_t seed) const;

  int32_t vocab_size_;
  uint64_t quality_seed_;
};

// A grammar that has a say in every token, and in each differently. A value beside its interface,
// so that a test can follow the same grammar on its own.
class FakeConstraint final : public TokenConstraint {
 public:
  explicit FakeConstraint(int32_t vocab_size) : vocab_size_(vocab_size) {}

  void fill_mask(std::span<uint32_t> mask) override;
  bool accept(TokenId token) override;
  void rollback(int32_t count) override;

 private:
  bool allows(TokenId token) const { return (token.value + states_.back()) % 3 != 0; }

  int32_t vocab_size_;
  std::vector<int32_t> states_{0};
};

}  // namespace talon::test
