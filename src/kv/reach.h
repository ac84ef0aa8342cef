// How far a sequence may write before its next commit: the one reservation formula.
//
// A round with K drafts verifies positions kv_len .. kv_len + K; after a full acceptance the
// drafter's K - 1 further steps reach past the new pending token. With r rounds launched and
// unread (1 in the plain loop, 2 with launch-ahead) and kv_len as last committed, positions below
//
//   kv_reach = kv_len + r * (K + 1) + max(0, K - 1)
//
// must have pages. K is the largest the policy may pick, not the one picked.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/ids.h"

namespace talon {

constexpr int64_t kv_reach(int64_t kv_len, int32_t max_drafts, int32_t rounds) {
  return kv_len + int64_t{rounds} * (max_drafts + 1) + std::max(0, max_drafts - 1);
}

// Two rounds of the most drafts stay within one page beyond the one that holds kv_len.
static_assert(kv_reach(0, kMaxDrafts, 2) == 22 && kv_reach(0, kMaxDrafts, 2) <= kPageTokens);

}  // namespace talon
