// The planning half of the scheduler: who gets which rows of a step, and the pages for them.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/checked_int.h"
#include "engine/scheduler.h"
#include "kv/reach.h"

namespace talon {
namespace {

// Of the rows that are not owed to running sequences, this share stays free of drafts while prompts
// wait, so that speculation never stops prefill.
constexpr int64_t kPrefillShare = 8;

}  // namespace

StepPlan Scheduler::plan() {
  TALON_CHECK(in_flight_.empty(), "round {} is not committed", in_flight_.front().round);
  ++step_;
  StepPlan plan;
  Budget budget{.rows = config_.max_rows, .logit_rows = config_.max_logit_rows};
  const int64_t preemptions = stats_.preemptions;
  plan_verifies(plan, budget);
  plan_prefills(plan, budget);
  plan_ready(plan, budget);
  wait_reason_ = WaitReason::kNone;
  // Else what was just preempted would come back; in place of an empty plan it may.
  if (stats_.preemptions == preemptions || plan.empty()) {
    plan_admissions(plan, budget);
  } else if (!waiting_.empty()) {
    wait_reason_ = WaitReason::kPreemption;
  }
  take_off(plan);
  return plan;
}

// The budget for drafts is what is left when every verify has its first row and prompts their
// share, evenly among the verifies if it is short.
void Scheduler::plan_verifies(StepPlan& plan, Budget& budget) {
  struct Ready {
    Sequence* sequence;
    bool may_draft;  // there are pages for it
  };
  std::vector<Ready> ready;
  ready.reserve(running_.size());
  plan.rows.reserve(running_.size());
  next_flight_.rows.reserve(running_.size());
  int64_t wanted = 0;
  bool has_prompts = !(waiting_.empty() && ready_.empty()) && !free_slots_.empty();
  // Preemption takes from the end of the order, so it never meets a sequence listed here, and if
  // it meets the sequence itself that was the last.
  for (auto it = running_.begin(); it != running_.end(); ++it) {
    Sequence& sequence = *it->second;
    if (sequence.is_prefilling()) {
      has_prompts = true;
      continue;
    }
    const Room room = make_room(sequence);
    if (room == Room::kNone) {
      break;
    }
    ready.push_back({.sequence = &sequence, .may_draft = room == Room::kDrafts});
    wanted += room == Room::kDrafts ? std::ssize(sequence.drafts) : 0;
  }
  const int64_t held_back =
      has_prompts ? std::max<int64_t>(1, config_.max_rows / kPrefillShare) : 0;
  const int64_t left = std::max<int64_t>(0, budget.rows - std::ssize(ready) - held_back);
  max_drafts_now_ = wanted <= left
                        ? config_.max_drafts
                        : static_cast<int32_t>(left / std::max<int64_t>(1, std::ssize(ready)));
  for (const auto [sequence, may_draft] : ready) {
    // The round emits one token more than the drafts it accepts; more drafts than that are waste.
    const int64_t room = sequence->max_len - sequence->num_tokens() - 1;
    const int64_t most = may_draft ? std::min<int64_t>(max_drafts_now_, room) : 0;
    const int64_t num_drafts = std::min<int64_t>(std::ssize(sequence->drafts), most);
    add_verify(*sequence, static_cast<int32_t>(num_drafts), plan);
    budget.rows -= plan.rows.back().num_rows();
    budget.logit_rows -= plan.rows.back().num_rows();
    next_flight_.rows.back().may_draft = may_draft;
  }
}

void Scheduler::add_verify(Sequence& sequence, int32_t num_drafts, StepPlan& plan) {
  PlanRow& row = plan.rows.emplace_back();
  row.sequence = sequence.id;
  row.slot = sequence.slot;
  row.first_position = sequence.kv_len;
  row.num_drafts = num_drafts;
  row.sample = true;
  row.num_logprobs = sequence.request.num_logprobs;
  if (sequence.constraint != nullptr) {
    constrain(sequence, row);
  }
  board(sequence, row, plan);
}

void Scheduler::board(Sequence& sequence, const PlanRow& row, StepPlan& plan) {
  add_page_patch(sequence, plan);
  next_flight_.rows.push_back({.sequence = &sequence,
                               .num_rows = row.num_rows(),
                               .num_drafts = row.num_drafts,
                               .drafts_to_make = 0,
                               .is_prefill = row.is_prefill(),
                               .sample = row.sample,
                               .may_draft = true});
}

// One mask a row; drafts end at the first that the constraint does not allow.
void Scheduler::constrain(Sequence& sequence, PlanRow& row) const {
  const auto words = static_cast<size_t>(ceil_div(config_.vocab_size, 32));
  int32_t accepted = 0;
  for (int32_t j = 0; j <= row.num_drafts; ++j) {
    row.masks.resize(row.masks.size() + words, 0);
    const std::span<uint32_t> mask = std::span(row.masks).last(words);
    sequence.constraint->fill_mask(mask);
    if (j == row.num_drafts) {
      break;
    }
    const TokenId draft = sequence.drafts[static_cast<size_t>(j)];
    // An end is left to the target: nothing may follow it, so no mask could be made.
    if (is_end(sequence, draft) || !sequence.constraint->accept(draft)) {
      row.num_drafts = j;
      break;
    }
    ++accepted;
  }
  sequence.constraint->rollback(accepted);
}

void Scheduler::plan_prefills(StepPlan& plan, Budget& budget) {
  for (const auto& [order, sequence] : running_) {
    if (sequence->is_prefilling() && budget.rows > 0 && budget.logit_rows > 0) {
      add_chunk(*sequence, plan, budget);
    }
  }
}

void Scheduler::add_chunk(Sequence& sequence, StepPlan& plan, Budget& budget) {
  const Request& request = sequence.request;
  const bool all_logits = request.num_prompt_logprobs >= 0 && !sequence.has_event;
  const int64_t left = sequence.prefill_end() - sequence.kv_len;
  int64_t count = std::min(left, budget.rows);
  if (config_.max_chunk > 0) {
    count = std::min<int64_t>(count, config_.max_chunk);
  }
  if (all_logits) {
    count = std::min(count, budget.logit_rows);
  }
  const auto first = sequence.tokens.begin() + sequence.kv_len;
  PlanRow& row = plan.rows.emplace_back();
  row.sequence = sequence.id;
  row.slot = sequence.slot;
  row.first_position = sequence.kv_len;
  row.tokens.assign(first, first + count);
  row.sample = count == left && !sequence.is_for_handoff();
  row.next_token = row.sample ? TokenId{} : *(first + count);
  row.num_prompt_logprobs = all_logits ? request.num_prompt_logprobs : -1;
  if (row.sample) {
    row.num_logprobs = request.num_logprobs;
    if (sequence.constraint != nullptr) {
      constrain(sequence, row);
    }
  }
  budget.rows -= count;
  budget.logit_rows -= all_logits ? count : (row.sample ? 1 : 0);
  board(sequence, row, plan);
}

bool Scheduler::reserve(Sequence& sequence, int32_t drafts, int32_t rounds) {
  // Positions at and past the context limit go to the null page.
  const int64_t reach = kv_reach(sequence.kv_len, drafts, rounds);
  return sequence.pages.reserve(std::min(reach, config_.context_limit));
}

// Pages for the next round of a running sequence: with drafts, else without, else by preempting
// from the end of the order; none if that met the sequence itself.
Scheduler::Room Scheduler::make_room(Sequence& sequence) {
  while (!reserve(sequence, config_.max_drafts, 1)) {
    if (reserve(sequence, 0, 1)) {
      return Room::kOneRow;
    }
    Sequence& last = *running_.rbegin()->second;
    TALON_CHECK(running_.size() > 1 || has_pinned_pages(), "{} pages for one sequence are too few",
                config_.num_pages);
    preempt(last);
    if (&last == &sequence) {
      return Room::kNone;
    }
  }
  return Room::kDrafts;
}

void Scheduler::preempt(Sequence& sequence) {
  TALON_CHECK(sequence.rounds_in_flight == 0, "sequence {} is in flight", sequence.id.value);
  ++stats_.preemptions;
  leave(sequence);
  free_slots_.push_back(sequence.slot);
  requeue(sequence);
}

// To its place among those that wait, with its tokens and nothing else.
void Scheduler::requeue(Sequence& sequence) {
  sequence.state = Sequence::State::kWaiting;
  sequence.pages.clear();
  sequence.kv_len = 0;
  sequence.drafts.clear();
  sequence.prefill_len = sequence.num_tokens();
  sequence.num_patched_pages = 0;
  sequence.num_keyed_pages = 0;
  sequence.prompt_logprobs.clear();
  waiting_.emplace(sequence.order, &sequence);
}

void Scheduler::add_page_patch(Sequence& sequence, StepPlan& plan) const {
  const std::span<const PageId> pages = sequence.pages.pages();
  const auto known = static_cast<size_t>(sequence.num_patched_pages);
  if (pages.size() > known) {
    const std::span<const PageId> fresh = pages.subspan(known);
    plan.page_patches.push_back({.slot = sequence.slot,
                                 .first_index = static_cast<int32_t>(known),
                                 .pages = {fresh.begin(), fresh.end()}});
    sequence.num_patched_pages = std::ssize(pages);
  }
}

// Drafts for the next round, which emits at least one token before it verifies them.
void Scheduler::choose_drafts(StepPlan& plan) {
  std::vector<SpecRow> rows;
  std::vector<size_t> places;
  rows.reserve(plan.rows.size());
  places.reserve(plan.rows.size());
  for (size_t i = 0; i < plan.rows.size(); ++i) {
    if (!plan.rows[i].sample || !next_flight_.rows[i].may_draft) {
      continue;
    }
    const Sequence& sequence = *next_flight_.rows[i].sequence;
    const int64_t room = sequence.max_len - sequence.num_tokens() - 2;
    const int64_t limit = std::min<int64_t>({sequence.request.max_drafts, max_drafts_now_, room});
    places.push_back(i);
    rows.push_back({.num_tokens = sequence.num_tokens(),
                    .max_drafts = static_cast<int32_t>(std::max<int64_t>(0, limit)),
                    .survival = &sequence.survival});
  }
  std::vector<int32_t> num_drafts(rows.size(), 0);
  policy_->choose(rows, num_drafts);
  for (size_t i = 0; i < places.size(); ++i) {
    TALON_CHECK(num_drafts[i] >= 0 && num_drafts[i] <= rows[i].max_drafts, "{} of {} drafts",
                num_drafts[i], rows[i].max_drafts);
    plan.rows[places[i]].drafts_to_make = num_drafts[i];
    next_flight_.rows[places[i]].drafts_to_make = num_drafts[i];
  }
}

// Makes the plan a round in flight, if it has rows.
void Scheduler::take_off(StepPlan& plan) {
  if (plan.empty()) {
    TALON_CHECK(plan.page_patches.empty() && plan.slot_patches.empty(), "patches without a row");
    return;
  }
  choose_drafts(plan);
  plan.round = next_round_++;
  next_flight_.round = plan.round;
  for (const FlightRow& row : next_flight_.rows) {
    ++row.sequence->rounds_in_flight;
  }
  in_flight_.push_back(std::exchange(next_flight_, {}));
  ++stats_.steps;
}

// Whether the round in flight will leave membership as it is, as far as the host knows: all its
// rows are verifies of sequences that still run, nobody else runs, and nobody could join or take
// pages to await KV, which needs no slot.
bool Scheduler::may_plan_ahead() const {
  if (!config_.launch_ahead || in_flight_.size() != 1) {
    return false;
  }
  const std::vector<FlightRow>& rows = in_flight_.front().rows;
  const bool has_slot = !free_slots_.empty();
  const bool could_await =
      !waiting_.empty() && waiting_.begin()->second->expects_kv && may_await_kv();
  const bool could_join = could_await || (has_slot && !(waiting_.empty() && ready_.empty()));
  if (rows.size() != running_.size() || could_join) {
    return false;
  }
  return std::all_of(rows.begin(), rows.end(), [](const FlightRow& row) {
    return !row.is_prefill && row.sequence->state == Sequence::State::kRunning &&
           row.sequence->constraint == nullptr;
  });
}

std::optional<StepPlan> Scheduler::plan_ahead() {
  if (!may_plan_ahead()) {
    return std::nullopt;
  }
  int64_t num_rows = 0;
  for (const FlightRow& row : in_flight_.front().rows) {
    // kv_len is as of the last commit: this round is the second that is unread.
    if (!reserve(*row.sequence, config_.max_drafts, 2)) {
      return std::nullopt;
    }
    num_rows += 1 + row.drafts_to_make;
  }
  if (num_rows > config_.max_rows) {
    return std::nullopt;
  }
  ++step_;
  StepPlan plan;
  plan.ahead = true;
  for (const FlightRow& row : in_flight_.front().rows) {
    add_verify(*row.sequence, row.drafts_to_make, plan);
  }
  take_off(plan);
  ++stats_.ahead_steps;
  return plan;
}

}  // namespace talon
