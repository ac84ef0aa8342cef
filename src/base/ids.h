// Integers that must not be mixed up. Each is a distinct type around one int32 or int64, with the
// same layout, so an array of TokenId may be viewed as int32 data by an op.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace talon {

template <class Tag, class Rep>
struct StrongId {
  Rep value = 0;

  constexpr StrongId() = default;
  constexpr explicit StrongId(Rep v) : value(v) {}
  friend constexpr auto operator<=>(StrongId, StrongId) = default;
};

using TokenId = StrongId<struct TokenTag, int32_t>;     // id of the target's full vocabulary
using PageId = StrongId<struct PageTag, int32_t>;       // 0 is the null page, never allocated
using SeqId = StrongId<struct SeqTag, int64_t>;         // a sequence of the engine, never reused
using SlotIndex = StrongId<struct SlotTag, int32_t>;    // a row of the runner's RoundState
using LayerIndex = StrongId<struct LayerTag, int32_t>;  // a layer of its owner (target or drafter)

inline constexpr PageId kNullPage{0};

// Tokens of one KV page; equal to M3's sparse selection unit (spec: sparse_block_size).
inline constexpr int32_t kPageTokens = 128;

// The largest number of drafts per round; the largest verify is kMaxDrafts + 1 rows.
inline constexpr int32_t kMaxDrafts = 7;

}  // namespace talon

template <class Tag, class Rep>
struct std::hash<talon::StrongId<Tag, Rep>> {
  size_t operator()(talon::StrongId<Tag, Rep> id) const noexcept {
    return std::hash<Rep>{}(id.value);
  }
};
