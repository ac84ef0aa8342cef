// How a waiting sequence starts: the cached pages it may share, a slot, and all pages it needs to
// compute its tokens and verify once.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "engine/scheduler.h"
#include "kv/reach.h"

namespace talon {

void Scheduler::plan_admissions(StepPlan& plan, Budget& budget) {
  for (auto it = waiting_.begin(); it != waiting_.end();) {
    const WaitReason reason = admit(*it->second, plan, budget);
    if (reason == WaitReason::kNone) {
      it = waiting_.erase(it);
      continue;
    }
    if (it == waiting_.begin()) {
      wait_reason_ = reason;
    }
    // Nobody overtakes the first that does not fit. Who waits for other sequences or engines takes
    // nothing that those behind it could use.
    if (reason != WaitReason::kPrompt && reason != WaitReason::kTransfers) {
      return;
    }
    ++it;
  }
}

// Lets a waiting sequence run, or await its KV; if not, the reason.
WaitReason Scheduler::admit(Sequence& sequence, StepPlan& plan, Budget& budget) {
  if (sequence.expects_kv) {
    const WaitReason reason = await_kv(sequence);
    if (sequence.expects_kv) {
      return reason;
    }
  }
  if (free_slots_.empty()) {
    return WaitReason::kSlots;
  }
  if (budget.rows <= 0 || budget.logit_rows <= 0) {
    return WaitReason::kRows;
  }
  if (waits_for_leader(sequence)) {
    return WaitReason::kPrompt;
  }
  if (!take_start(sequence, plan)) {
    return WaitReason::kPages;
  }
  add_chunk(sequence, plan, budget);
  return WaitReason::kNone;
}

// Those whose KV has come have been admitted before and have their pages: they lack a slot alone,
// and stand before all that wait, who may wait for their pages.
void Scheduler::plan_ready(StepPlan& plan, Budget& budget) {
  while (!ready_.empty() && !free_slots_.empty() && budget.rows > 0 && budget.logit_rows > 0) {
    Sequence& sequence = *ready_.begin()->second;
    leave(sequence);
    enter(sequence, plan);
    add_chunk(sequence, plan, budget);
  }
}

// Choices share the prompt of the first one as soon as it is computed.
bool Scheduler::waits_for_leader(const Sequence& sequence) const {
  if (sequence.leader.value == 0 || sequence.has_event) {
    return false;
  }
  const Sequence* leader = find(sequence.leader);
  return leader != nullptr && leader->kv_len < leader->prompt_len;
}

Scheduler::Start Scheduler::find_start(const Sequence& sequence) const {
  // At least the last token is computed, for its logits; for a handoff likewise, for simplicity.
  const int64_t reusable = sequence.prefill_end() - 1;
  Start start;
  start.chain_key = root_key(sequence.request.cache_salt);
  const Sequence* leader = sequence.has_event ? nullptr : find(sequence.leader);
  if (leader != nullptr && leader->kv_len > reusable) {
    const std::span<const PageId> pages = leader->pages.pages();
    const auto full = static_cast<size_t>(reusable / kPageTokens);
    start.shared.assign(pages.begin(), pages.begin() + static_cast<int64_t>(full));
    if (reusable % kPageTokens > 0) {
      start.copied = pages[full];
    }
    start.kv_len = reusable;
    return start;
  }
  if (!config_.prefix_caching || sequence.request.num_prompt_logprobs >= 0) {
    return start;
  }
  const std::span<const TokenId> tokens(sequence.tokens);
  PrefixIndex::Match match =
      index_.match(start.chain_key, tokens.first(static_cast<size_t>(reusable)),
                   tokens[static_cast<size_t>(reusable)]);
  start.num_matched_pages = std::ssize(match.pages);
  start.kv_len = start.num_matched_pages * kPageTokens;
  start.shared = std::move(match.pages);
  start.chain_key = match.key;
  if (config_.has_drafter && !start.shared.empty()) {
    // The drafter's entry at a page's last position depends on the token after the page, which the
    // key does not cover: a private copy, and that one row again. The copy is published if its
    // successor is new.
    start.copied = start.shared.back();
    start.shared.pop_back();
    start.chain_key = match.key_before;
    --start.kv_len;
  }
  start.num_keyed_pages = std::ssize(start.shared);
  return start;
}

// Gives the sequence slot and pages, or changes nothing.
bool Scheduler::take_start(Sequence& sequence, StepPlan& plan) {
  Start start = find_start(sequence);
  if (!take_pages(sequence, start)) {
    if (!running_.empty()) {
      return false;
    }
    // The page to copy may be the one that is missing. Alone, a sequence always fits without.
    start = {};
    start.chain_key = root_key(sequence.request.cache_salt);
    const bool fits = take_pages(sequence, start);
    TALON_CHECK(fits || !plan.empty() || num_draining() > 0 || has_pinned_pages(),
                "{} pages for one sequence are too few", config_.num_pages);
    if (!fits) {
      return false;
    }
  }
  sequence.kv_len = start.kv_len;
  sequence.chain_key = start.chain_key;
  sequence.num_keyed_pages = start.num_keyed_pages;
  count_start(sequence, start);
  enter(sequence, plan);
  if (start.copied.has_value()) {
    plan.page_copies.push_back(
        {.from = *start.copied, .to = sequence.pages.pages()[start.shared.size()]});
  }
  return true;
}

void Scheduler::count_start(Sequence& sequence, const Start& start) {
  if (!sequence.has_event) {
    sequence.cached_tokens = static_cast<int32_t>(start.kv_len);
    stats_.prefix_queries += sequence.prompt_len;
    stats_.prefix_hits += start.num_matched_pages * kPageTokens;
  }
}

// Takes a slot; kv_len says what its pages hold.
void Scheduler::enter(Sequence& sequence, StepPlan& plan) {
  sequence.state = Sequence::State::kRunning;
  sequence.slot = free_slots_.back();
  free_slots_.pop_back();
  running_.emplace(sequence.order, &sequence);
  add_slot_patch(sequence, plan);
  if (on_admission_) {
    on_admission_(sequence.id);
  }
}

bool Scheduler::take_pages(Sequence& sequence, const Start& start) {
  sequence.pages.share(start.shared);
  if (start.copied.has_value()) {
    pool_.add_reference(*start.copied);  // or it might be given away as the copy
  }
  const bool fits = sequence.pages.reserve(first_reach(sequence));
  // Released, it may be evicted and written by a later row of this very step; copies come first.
  if (start.copied.has_value()) {
    pool_.release(*start.copied);
  }
  if (!fits) {
    sequence.pages.clear();
  }
  return fits;
}

// Positions that a sequence has pages for when it is admitted: its tokens and one round.
int64_t Scheduler::first_reach(const Sequence& sequence) const {
  if (sequence.is_for_handoff()) {
    return sequence.prefill_end();
  }
  const int64_t reach = kv_reach(sequence.prefill_len - 1, config_.max_drafts, 1);
  return std::min(reach, config_.context_limit);
}

void Scheduler::add_slot_patch(const Sequence& sequence, StepPlan& plan) const {
  const Request& request = sequence.request;
  SlotPatch patch;
  patch.slot = sequence.slot;
  patch.kv_len = sequence.kv_len;
  patch.sampling = request.sampling;
  patch.prompt_len = sequence.prompt_len;
  if (request.sampling.min_tokens > 0) {
    patch.min_end_index = sequence.prompt_len + request.sampling.min_tokens;
    patch.end_ids = request.stop_token_ids;
    if (!request.ignore_eos) {
      patch.end_ids.insert(patch.end_ids.end(), config_.end_token_ids.begin(),
                           config_.end_token_ids.end());
    }
  }
  if (request.sampling.has_penalties()) {
    patch.tokens = sequence.tokens;
  }
  plan.slot_patches.push_back(std::move(patch));
}

}  // namespace talon
