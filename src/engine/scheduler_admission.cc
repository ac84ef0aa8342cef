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
    Sequence& sequence = *it->second;
    const bool is_first = it == waiting_.begin();
    if (free_slots_.empty() || budget.rows <= 0 || budget.logit_rows <= 0) {
      wait_reason_ = !is_first             ? wait_reason_
                     : free_slots_.empty() ? WaitReason::kSlots
                                           : WaitReason::kRows;
      return;
    }
    if (waits_for_leader(sequence)) {
      wait_reason_ = is_first ? WaitReason::kPrompt : wait_reason_;
      ++it;
      continue;
    }
    if (!take_start(sequence, plan)) {
      wait_reason_ = is_first ? WaitReason::kPages : wait_reason_;
      return;  // nobody overtakes the first that does not fit
    }
    it = waiting_.erase(it);
    running_.emplace(sequence.order, &sequence);
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
  // At least the last token is computed, for its logits.
  const int64_t reusable = sequence.prefill_len - 1;
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
    TALON_CHECK(fits || !plan.empty() || num_draining() > 0,
                "{} pages for one sequence are too few", config_.num_pages);
    if (!fits) {
      return false;
    }
  }
  sequence.state = Sequence::State::kRunning;
  sequence.slot = free_slots_.back();
  free_slots_.pop_back();
  sequence.kv_len = start.kv_len;
  sequence.chain_key = start.chain_key;
  sequence.num_keyed_pages = start.num_keyed_pages;
  if (!sequence.has_event) {
    sequence.cached_tokens = static_cast<int32_t>(start.kv_len);
    stats_.prefix_queries += sequence.prompt_len;
    stats_.prefix_hits += start.num_matched_pages * kPageTokens;
  }
  add_slot_patch(sequence, plan);
  if (start.copied.has_value()) {
    plan.page_copies.push_back(
        {.from = *start.copied, .to = sequence.pages.pages()[start.shared.size()]});
  }
  if (on_admission_) {
    on_admission_(sequence.id);
  }
  return true;
}

bool Scheduler::take_pages(Sequence& sequence, const Start& start) {
  sequence.pages.share(start.shared);
  if (start.copied.has_value()) {
    pool_.add_reference(*start.copied);  // or it might be given away as the copy
  }
  const int64_t reach = kv_reach(sequence.prefill_len - 1, config_.max_drafts, 1);
  const bool fits = sequence.pages.reserve(std::min(reach, config_.context_limit));
  // Released, it may be evicted and written by a later row of this very step; copies come first.
  if (start.copied.has_value()) {
    pool_.release(*start.copied);
  }
  if (!fits) {
    sequence.pages.clear();
  }
  return fits;
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
