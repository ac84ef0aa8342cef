// Chooses what the next step does and takes in what it did. Host only: no clock, no device, no
// threads. Owned by the engine thread.
//
//   add     queues a request, or says why not
//   plan    the next step: prefill chunks or a verify; empty if there is nothing to do
//   commit  takes the result of the oldest plan: cuts the new tokens one by one, in order, at the
//           first end-of-answer id, stop id or length; emits events; frees finished sequences
//   cancel  ends a request at once, waiting or running; unknown and finished ids are ignored
//   finish  the same on behalf of a reader that found a stop string, with its reason
//
// Admission is one sequence at a time, first come first served. Continuous batching replaces that
// policy and nothing else here.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <variant>
#include <vector>

#include "base/ids.h"
#include "engine/request.h"
#include "engine/sequence.h"
#include "engine/step_plan.h"
#include "kv/page_pool.h"

namespace talon {

struct SchedulerConfig {
  int32_t num_pages = 0;      // of the KV store, the null page included
  int64_t context_limit = 0;  // tokens of a sequence, prompt and output
  int32_t vocab_size = 0;
  int32_t max_drafts = 0;  // K; 0 without a drafter
  int32_t max_rows = 0;    // rows of a step
  int32_t max_queue_len = 1;
  std::vector<TokenId> end_token_ids;  // the model's end-of-answer ids
};

class Scheduler {
 public:
  explicit Scheduler(const SchedulerConfig& config);

  std::variant<Submission, Refusal> add(Request&& request);
  void cancel(SeqId id);
  void finish(SeqId id, FinishReason reason);

  StepPlan plan();
  void commit(const StepResult& result);

  bool has_work() const { return running_.has_value() || !waiting_.empty(); }
  int32_t num_waiting() const { return static_cast<int32_t>(waiting_.size()); }
  int32_t num_free_pages() const { return pool_.num_free(); }

  // Aborts unless the invariant of sequence.h and the page counts hold.
  void check_integrity() const;

 private:
  std::optional<Refusal> find_fault(const Request& request) const;
  void admit();
  PlanRow prefill_row(const Sequence& sequence) const;
  PlanRow verify_row(const Sequence& sequence) const;
  void reserve_pages(Sequence& sequence, StepPlan& plan);
  std::optional<FinishReason> append(Sequence& sequence, TokenId token) const;
  void end(FinishReason reason, TokenEvent&& last);

  SchedulerConfig config_;
  PagePool pool_;
  std::deque<Sequence> waiting_;
  std::optional<Sequence> running_;
  int64_t next_id_ = 1;
  int64_t next_round_ = 1;
  std::optional<StepPlan> in_flight_;  // planned, not yet committed
};

}  // namespace talon
