// Sequences whose prompt one engine computes and another one answers (spec/serving.md 6): what is
// held for others and may be read of it; who awaits what, and pages in quarantine.
#include <algorithm>
#include <span>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/checked_int.h"
#include "engine/scheduler.h"

namespace talon {
namespace {

// Pages of a prompt that the other engine computes: those of all positions but the last one. The
// page of that one alone is not among them.
int64_t num_prompt_pages(const Sequence& sequence) {
  return ceil_div(sequence.prompt_len - 1, kPageTokens);
}

}  // namespace

// All its positions are computed: the slot returns, the pages stay.
void Scheduler::hold(Sequence& sequence) {
  TALON_CHECK(sequence.rounds_in_flight == 0, "sequence {} is in flight", sequence.id.value);
  TokenEvent event;
  event.round.is_prefill = true;
  event.finish = FinishReason::kPrefilled;
  deliver(sequence, std::move(event));
  running_.erase(sequence.order);
  free_slots_.push_back(sequence.slot);
  sequence.state = Sequence::State::kHeld;
  held_.emplace(sequence.order, &sequence);
}

void Scheduler::release(SeqId id) {
  Sequence* sequence = find(id);
  if (sequence != nullptr && sequence->state == Sequence::State::kHeld) {
    leave(*sequence);
    remove(*sequence);
  }
}

// What lies below kv_len is final, at the end of a chunk too: the drafter's entry there was made
// from the prompt's own next token, and no later row writes it.
std::optional<OfferedKv> Scheduler::offered_kv(SeqId id) const {
  const Sequence* sequence = find(id);
  if (sequence == nullptr || !sequence->is_for_handoff() ||
      sequence->state == Sequence::State::kDraining) {
    return std::nullopt;
  }
  OfferedKv offered;
  offered.is_complete = sequence->state == Sequence::State::kHeld;
  const int64_t num_pages = offered.is_complete ? ceil_div(sequence->kv_len, kPageTokens)
                                                : sequence->kv_len / kPageTokens;
  offered.num_positions = std::min(sequence->kv_len, num_pages * kPageTokens);
  for (const PageId page : sequence->pages.pages().first(static_cast<size_t>(num_pages))) {
    offered.pages.push_back(pool_.ref(page));
  }
  return offered;
}

// Gives a sequence pages for its prompt and one round, those of its prefix out of the cache. With a
// drafter the last page that matched is not taken: its last entry is of another token, and it comes
// whole with the others. If nothing is missing the sequence expects no KV from here on.
WaitReason Scheduler::await_kv(Sequence& sequence) {
  if (!may_await_kv()) {
    return WaitReason::kTransfers;
  }
  Start start = find_start(sequence);
  start.copied.reset();
  start.num_matched_pages = std::ssize(start.shared);
  start.kv_len = start.num_matched_pages * kPageTokens;
  if (start.num_matched_pages >= num_prompt_pages(sequence)) {
    sequence.expects_kv = false;
    return WaitReason::kNone;
  }
  if (!take_pages(sequence, start)) {
    return WaitReason::kPages;
  }
  count_start(sequence, start);
  sequence.chain_key = start.chain_key;
  sequence.num_keyed_pages = start.num_matched_pages;
  sequence.state = Sequence::State::kAwaitingKv;
  awaiting_.emplace(sequence.order, &sequence);
  return WaitReason::kNone;
}

std::vector<SeqId> Scheduler::awaiting_kv() const {
  std::vector<SeqId> ids;
  ids.reserve(awaiting_.size());
  for (const auto& [order, sequence] : awaiting_) {
    ids.push_back(sequence->id);
  }
  return ids;
}

std::vector<WantedPage> Scheduler::wanted_kv(SeqId id) const {
  std::vector<WantedPage> wanted;
  const Sequence* sequence = find(id);
  if (sequence == nullptr || sequence->state != Sequence::State::kAwaitingKv) {
    return wanted;
  }
  const std::span<const PageId> pages = sequence->pages.pages();
  for (int64_t i = sequence->num_keyed_pages; i < num_prompt_pages(*sequence); ++i) {
    wanted.push_back({.ordinal = i, .ref = pool_.ref(pages[static_cast<size_t>(i)])});
  }
  return wanted;
}

bool Scheduler::kv_arrived(SeqId id) {
  Sequence* sequence = find(id);
  if (sequence == nullptr || sequence->state != Sequence::State::kAwaitingKv) {
    return false;
  }
  awaiting_.erase(sequence->order);
  sequence->expects_kv = false;
  sequence->kv_len = sequence->prompt_len - 1;
  sequence->state = Sequence::State::kReady;
  ready_.emplace(sequence->order, sequence);
  publish_pages(*sequence);
  return true;
}

bool Scheduler::kv_failed(SeqId id, OnKvFailure policy) {
  Sequence* sequence = find(id);
  if (sequence == nullptr || sequence->state != Sequence::State::kAwaitingKv) {
    return false;
  }
  if (policy == OnKvFailure::kRecompute) {
    leave(*sequence);
    sequence->expects_kv = false;
    requeue(*sequence);
    return true;
  }
  std::vector<Sequence*> choices{sequence};
  for (const auto& [order, other] : waiting_) {
    if (other->leader == id) {
      choices.push_back(other);
    }
  }
  for (Sequence* choice : choices) {
    end(*choice, FinishReason::kHandoffFailed, {});
  }
  return true;
}

// The pages that a peer was asked for leave the sequence and stay in use, by nobody: they are
// neither given away nor found in the prefix cache. The others return with the sequence's table.
void Scheduler::quarantine(Sequence& sequence) {
  const PageTable spare = sequence.pages.split(num_prompt_pages(sequence));
  const bool is_new =
      quarantine_.emplace(sequence.id, sequence.pages.split(sequence.num_keyed_pages)).second;
  TALON_CHECK(is_new, "sequence {} is in quarantine twice", sequence.id.value);
}

bool Scheduler::kv_quiesced(SeqId id) { return quarantine_.erase(id) > 0; }

std::vector<SeqId> Scheduler::quarantined() const {
  std::vector<SeqId> ids;
  ids.reserve(quarantine_.size());
  for (const auto& [id, pages] : quarantine_) {
    ids.push_back(id);
  }
  return ids;
}

int64_t Scheduler::num_quarantined_pages() const {
  int64_t count = 0;
  for (const auto& [id, pages] : quarantine_) {
    count += std::ssize(pages.pages());
  }
  return count;
}

void Scheduler::check_foreign(PageId page) const {
  TALON_CHECK(pool_.num_references(page) == 1, "page {} of a peer: {} references", page.value,
              pool_.num_references(page));
  TALON_CHECK(!pool_.is_cacheable(page), "page {} of a peer is published", page.value);
}

}  // namespace talon
