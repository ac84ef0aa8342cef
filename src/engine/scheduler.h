// Chooses what the next step does and takes in what it did. Host only: no clock, no device, no
// threads. Owned by the engine thread.
//
//   add         queues a request, one sequence a choice, or says why not
//   plan        the next step: verifies, prefill chunks, admissions; empty if nothing is to do
//   plan_ahead  a further step while the last one is unread, if membership cannot change
//   commit      takes the result of the oldest plan: cuts the new tokens one by one, in order, at
//               the first end-of-answer id, stop id or length; emits events; frees what ended
//   cancel      ends a sequence at once, waiting or running; unknown and ended ids are ignored
//   finish      the same on behalf of a reader that found a stop string, with its reason
//   release     returns the pages of a prompt that is held for a handoff; else ignored
//   kv_arrived  the KV of a sequence that awaits it is there, and nobody writes it any more
//   kv_failed   it will not come; its pages may still be written, as after a cancel
//   kv_quiesced no longer: they return. These three say whether they met what they are about
//
// Who is served: running sequences first, each at least one row and then its drafts; then prefill
// chunks; then sequences whose KV has come from another engine; then waiting sequences, oldest
// first, as far as slots, rows and pages last, those that expect KV without slots and rows. Short
// of pages a row first loses its drafts, then the sequence last in order is preempted: its pages
// return, and it waits for its place to compute all its tokens again.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "base/hash.h"
#include "base/ids.h"
#include "engine/engine_view.h"
#include "engine/handoff.h"
#include "engine/request.h"
#include "engine/request_checks.h"
#include "engine/sequence.h"
#include "engine/step_plan.h"
#include "kv/page_pool.h"
#include "kv/prefix_index.h"
#include "spec/policy.h"

namespace talon {

struct SchedulerConfig {
  int32_t num_pages = 0;      // of the KV store, the null page included
  int64_t context_limit = 0;  // tokens of a sequence, prompt and output
  int32_t vocab_size = 0;
  int32_t max_sequences = 1;   // slots
  int32_t max_rows = 0;        // rows of a step, >= max_sequences and > max_drafts
  int32_t max_logit_rows = 0;  // rows of a step with logits, >= max_sequences * (K + 1)
  int32_t max_chunk = 0;       // rows one prompt may take in a step; 0: no limit
  int32_t max_drafts = 0;      // K; 0 without a drafter
  bool has_drafter = false;    // its planes lie in the pages, even if K is 0
  bool prefix_caching = true;
  bool use_priorities = false;
  bool launch_ahead = false;             // reserve pages for two rounds; plan_ahead gives plans
  int32_t max_queue_len = 1;             // waiting sequences
  std::vector<TokenId> end_token_ids{};  // the model's end-of-answer ids
};

struct SchedulerStats {
  int64_t steps = 0;        // plans with rows
  int64_t ahead_steps = 0;  // of them made ahead
  int64_t preemptions = 0;
  int64_t prefix_queries = 0;  // prompt tokens looked up
  int64_t prefix_hits = 0;     // of them in matched pages
};

class Scheduler {
 public:
  // `policy` null: the fixed one.
  explicit Scheduler(const SchedulerConfig& config, std::unique_ptr<SpecPolicy> policy = nullptr);
  ~Scheduler();

  std::variant<std::vector<Submission>, Refusal> add(Request&& request);
  void cancel(SeqId id);
  void finish(SeqId id, FinishReason reason);
  void release(SeqId id);
  bool kv_arrived(SeqId id);
  bool kv_failed(SeqId id, OnKvFailure policy);
  bool kv_quiesced(SeqId id);

  StepPlan plan();
  std::optional<StepPlan> plan_ahead();
  void commit(StepResult result);

  void set_policy(std::unique_ptr<SpecPolicy> policy);
  // Called by `plan` with each sequence that gets a slot; again if it was preempted.
  void on_admission(std::function<void(SeqId)> callback) { on_admission_ = std::move(callback); }
  // New sequences start from the prior again: after rounds that say nothing of what is to come.
  void forget_acceptance() { pooled_survival_ = {}; }
  // Forgets all cached prefixes. Sequences in flight keep their pages.
  void clear_prefix_cache() { index_.clear(); }

  // Whether there are sequences that steps serve: all but those that are held or await KV.
  bool has_work() const { return sequences_.size() > held_.size() + awaiting_.size(); }
  int32_t num_waiting() const { return static_cast<int32_t>(waiting_.size()); }
  int32_t num_running() const { return static_cast<int32_t>(running_.size()); }
  int32_t num_prefilling() const;  // of those that run
  int32_t num_held() const { return static_cast<int32_t>(held_.size()); }
  int32_t num_ready() const { return static_cast<int32_t>(ready_.size()); }
  // Of a sequence with HandoffRole::kPrefill, waiting ones too; none once it ended or was released.
  std::optional<OfferedKv> offered_kv(SeqId id) const;
  // Those that got pages and await KV, in order of service, and the pages that each lacks; who is
  // admitted without awaiting any found all in the prefix cache.
  std::vector<SeqId> awaiting_kv() const;
  std::vector<WantedPage> wanted_kv(SeqId id) const;
  // Sequences, most of them ended, whose wanted pages nobody may have before `kv_quiesced`.
  std::vector<SeqId> quarantined() const;
  int64_t num_quarantined_pages() const;
  // All of them: those that run, are ready, wait, await KV and are held, each kind in order of
  // service, then those that drain.
  std::vector<SequenceView> sequences() const;
  WaitReason wait_reason() const { return wait_reason_; }  // in the last plan
  int32_t num_in_flight() const { return static_cast<int32_t>(in_flight_.size()); }
  StepBounds bounds() const;  // of its plans
  const PagePool& pool() const { return pool_; }
  const SchedulerStats& stats() const { return stats_; }

  // Aborts unless the invariant of sequence.h, the page counts and the slots add up.
  void check_integrity() const;

 private:
  struct FlightRow {
    Sequence* sequence;
    int64_t num_rows;
    int32_t num_drafts;
    int32_t drafts_to_make;
    bool is_prefill;
    bool sample;
    bool may_draft;  // there are pages for drafts of the next round
  };
  struct Flight {
    int64_t round = 0;
    std::vector<FlightRow> rows;
  };
  // A priority is worth so many steps of waiting.
  static constexpr int64_t kStepsPerPriority = 256;

  // What is left of a step while it is planned.
  struct Budget {
    int64_t rows;
    int64_t logit_rows;
  };
  // Where a sequence starts when it is admitted: pages to share, a page to copy, valid positions.
  struct Start {
    std::vector<PageId> shared;
    std::optional<PageId> copied;
    int64_t kv_len = 0;
    Hash128 chain_key;
    int64_t num_keyed_pages = 0;
    int64_t num_matched_pages = 0;  // found in the prefix index
  };
  // What there are pages for.
  enum class Room : uint8_t { kNone, kOneRow, kDrafts };

  using Order = std::map<ServiceOrder, Sequence*>;

  Submission add_choice(const Request& request, int32_t choice, SeqId first);

  void plan_verifies(StepPlan& plan, Budget& budget);
  void plan_prefills(StepPlan& plan, Budget& budget);
  void add_verify(Sequence& sequence, int32_t num_drafts, StepPlan& plan);
  void add_chunk(Sequence& sequence, StepPlan& plan, Budget& budget);
  void board(Sequence& sequence, const PlanRow& row, StepPlan& plan);  // the flight being planned
  void add_page_patch(Sequence& sequence, StepPlan& plan) const;
  void constrain(Sequence& sequence, PlanRow& row) const;
  bool reserve(Sequence& sequence, int32_t drafts, int32_t rounds);
  Room make_room(Sequence& sequence);
  void preempt(Sequence& sequence);
  void requeue(Sequence& sequence);
  void choose_drafts(StepPlan& plan);
  void take_off(StepPlan& plan);
  bool may_plan_ahead() const;

  void plan_admissions(StepPlan& plan, Budget& budget);
  void plan_ready(StepPlan& plan, Budget& budget);
  WaitReason admit(Sequence& sequence, StepPlan& plan, Budget& budget);
  WaitReason await_kv(Sequence& sequence);
  bool waits_for_leader(const Sequence& sequence) const;
  Start find_start(const Sequence& sequence) const;
  bool take_start(Sequence& sequence, StepPlan& plan);
  void count_start(Sequence& sequence, const Start& start);
  void enter(Sequence& sequence, StepPlan& plan);
  bool take_pages(Sequence& sequence, const Start& start);
  int64_t first_reach(const Sequence& sequence) const;
  void add_slot_patch(const Sequence& sequence, StepPlan& plan) const;

  void commit_row(Sequence& sequence, const FlightRow& planned, RowResult& row);
  bool is_end(const Sequence& sequence, TokenId token) const;
  std::optional<FinishReason> append(Sequence& sequence, TokenId token) const;
  void publish_pages(Sequence& sequence);
  void deliver(Sequence& sequence, TokenEvent&& event);
  void end(Sequence& sequence, FinishReason reason, TokenEvent&& last);
  void leave(Sequence& sequence);
  void remove(Sequence& sequence);
  Sequence* find(SeqId id) const;
  int64_t num_draining() const {
    return std::ssize(sequences_) - std::ssize(waiting_) - std::ssize(running_) -
           std::ssize(held_) - std::ssize(awaiting_) - std::ssize(ready_);
  }
  void hold(Sequence& sequence);
  void quarantine(Sequence& sequence);
  // Whether pages are kept that preemption cannot take, so that even one alone may find too few.
  bool has_pinned_pages() const {
    return !held_.empty() || !awaiting_.empty() || !ready_.empty() || !quarantine_.empty();
  }
  // Each that awaits KV may get a slot at the next turn.
  bool may_await_kv() const {
    return std::ssize(awaiting_) + std::ssize(ready_) < config_.max_sequences;
  }
  void check_sequence(const Sequence& sequence) const;
  void check_foreign(PageId page) const;  // that a peer may write

  SchedulerConfig config_;
  PagePool pool_;
  PrefixIndex index_;
  std::unique_ptr<SpecPolicy> policy_;
  Survival pooled_survival_;  // of all rounds: where a new sequence starts
  std::unordered_map<SeqId, std::unique_ptr<Sequence>> sequences_;
  Order waiting_;
  Order running_;
  Order held_;  // these three: without a slot, and with pages that nobody may take
  Order awaiting_;
  Order ready_;
  std::map<SeqId, PageTable> quarantine_;  // that a peer may write; whose they were
  std::vector<SlotIndex> free_slots_;
  std::deque<Flight> in_flight_;  // planned, not yet committed; oldest first
  Flight next_flight_;            // being planned
  int32_t max_drafts_now_ = 0;    // that the rows of the last full plan left room for
  int64_t next_id_ = 1;
  int64_t next_round_ = 1;
  int64_t step_ = 0;  // plans, empty ones too: what waiting is counted in
  SchedulerStats stats_;
  WaitReason wait_reason_ = WaitReason::kNone;
  std::function<void(SeqId)> on_admission_;
};

}  // namespace talon
