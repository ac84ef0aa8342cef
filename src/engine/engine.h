// The engine: requests in, tokens out. It owns the scheduler and the runner and is driven by its
// caller, one `step` at a time, from one thread.
//
//   submit  queues a request and gives the event queue of each choice, or refuses it with the field
//           at fault
//   step    runs one step: plan, launch, wait, commit; with launch-ahead the next step is launched
//           before this one is read. False when there is nothing left to do, or all that is left
//           waits for other engines: for KV, or for pages that they keep
//   finish  a reader found a stop string: ends the sequence; harmless once it has ended
//   cancel  likewise, reason kCancelled
//   release returns the pages of a prompt that is held for another engine; kv_arrived, kv_failed
//           and kv_quiesced tell what became of one that another engine computes (scheduler.h)
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <utility>
#include <variant>
#include <vector>

#include "engine/config.h"
#include "engine/request.h"
#include "engine/runner.h"
#include "engine/scheduler.h"
#include "spec/acceptance_alarm.h"

namespace talon {

// Sees every step after it ran and before it is committed: traces, benchmarks.
using StepObserver = std::function<void(const StepPlan&, const StepResult&)>;

class Engine {
 public:
  Engine(std::unique_ptr<Runner> runner,
         const SchedulerConfig& config,
         std::unique_ptr<SpecPolicy> policy = nullptr);

  std::variant<std::vector<Submission>, Refusal> submit(Request&& request) {
    return scheduler_.add(std::move(request));
  }
  void finish(SeqId id) { scheduler_.finish(id, FinishReason::kStop); }
  void cancel(SeqId id) { scheduler_.cancel(id); }
  void release(SeqId id) { scheduler_.release(id); }
  bool kv_arrived(SeqId id) { return scheduler_.kv_arrived(id); }
  bool kv_failed(SeqId id, OnKvFailure policy) { return scheduler_.kv_failed(id, policy); }
  bool kv_quiesced(SeqId id) { return scheduler_.kv_quiesced(id); }
  bool step();
  void observe(StepObserver observer) { observer_ = std::move(observer); }
  // Called within `step` with each sequence that gets a slot, again if it was preempted: readers
  // that want to know how long a request waited.
  void observe_admissions(std::function<void(SeqId)> observer) {
    scheduler_.on_admission(std::move(observer));
  }

  // Null: the fixed policy.
  void set_spec_policy(std::unique_ptr<SpecPolicy> policy) {
    scheduler_.set_policy(std::move(policy));
  }
  // Neither estimates nor the alarm learn from the rounds so far, of a benchmark's random text.
  void forget_acceptance() {
    scheduler_.forget_acceptance();
    alarm_ = {};
  }
  // Forced acceptance says nothing of the drafter.
  void silence_alarm() { watches_acceptance_ = false; }
  void clear_prefix_cache() { scheduler_.clear_prefix_cache(); }

  const Scheduler& scheduler() const { return scheduler_; }
  const Runner& runner() const { return *runner_; }
  Runner& runner() { return *runner_; }
  const StepView& last_step() const { return last_step_; }  // committed; round 0: none was
  int64_t context_limit() const { return context_limit_; }
  int32_t max_drafts() const { return max_drafts_; }
  int32_t max_sequences() const { return max_sequences_; }

 private:
  void launch(StepPlan&& plan);
  void commit_oldest();
  void watch_acceptance(const StepResult& result);

  std::unique_ptr<Runner> runner_;
  Scheduler scheduler_;
  int64_t context_limit_;
  int32_t max_drafts_;
  int32_t max_sequences_;
  std::deque<StepPlan> launched_;  // unread, oldest first
  StepView last_step_;
  StepObserver observer_;
  AcceptanceAlarm alarm_;
  bool watches_acceptance_ = true;
};

// What the engine needs to know of the tokenizer.
struct TokenFacts {
  std::vector<uint8_t> allowed;        // 1: the id has a token; shorter than V: the rest has none
  std::vector<TokenId> end_token_ids;  // end-of-answer ids
};

// Loads model and drafter and sizes the KV pool. Throws Error with one line a fault.
std::unique_ptr<Engine> build_engine(const EngineConfig& config, const TokenFacts& tokens);

// The same on an executor, a model and a drafter that are there; of `parts`, `allowed` is filled
// here. Settings of loading do not matter.
std::unique_ptr<Engine> build_engine(const EngineConfig& config,
                                     const TokenFacts& tokens,
                                     RunnerParts parts);

}  // namespace talon
