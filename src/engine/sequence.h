// A request inside the engine. Owned by the scheduler, touched by the engine thread only.
//
// THE INVARIANT. Between rounds a running sequence has n tokens, and target and drafter KV are both
// valid for exactly positions [0, kv_len), with kv_len == n - 1. The last token is pending: known,
// but not in the cache. A sequence that still prefills has kv_len < n - 1, and both KVs are valid
// for [0, kv_len) all the same. Rollback of rejected drafts is assignment of kv_len and nothing
// else.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "engine/request.h"
#include "kv/page_pool.h"

namespace talon {

struct Sequence {
  Sequence(SeqId seq_id, Request&& req, int64_t limit, PagePool& pool)
      : id(seq_id),
        request(std::move(req)),
        tokens(request.prompt),
        prompt_len(std::ssize(request.prompt)),
        max_len(std::min(prompt_len + request.max_tokens, limit)),
        pages(pool) {}

  SeqId id;
  Request request;
  std::vector<TokenId> tokens;  // prompt and kept output: n of them
  int64_t prompt_len;
  int64_t max_len;  // n never passes it
  int64_t kv_len = 0;
  int32_t num_drafts = 0;  // drafts the runner holds for the next round
  SlotIndex slot;
  PageTable pages;
  std::shared_ptr<EventQueue> events;

  int64_t num_tokens() const { return std::ssize(tokens); }
  int64_t num_output_tokens() const { return num_tokens() - prompt_len; }

  // Whether prompt positions are still missing in the cache.
  bool is_prefilling() const { return num_tokens() == prompt_len && kv_len < prompt_len; }
};

}  // namespace talon
