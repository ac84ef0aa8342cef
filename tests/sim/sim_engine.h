// The loop of an engine with a fake runner in place of the device: plan, launch, wait, commit, and
// a plan made ahead where the caller wants one. Each step checks the scheduler's integrity, the
// plan (fake_runner.h) and every event (answer_check.h); a fault throws Violation.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <span>
#include <variant>
#include <vector>

#include "engine/scheduler.h"
#include "sim/answer_check.h"
#include "sim/fake_model.h"
#include "sim/fake_runner.h"

namespace talon::test {

class SimEngine {
 public:
  // Writes plans and results to `trace` if there is one. A null policy is the fixed one.
  SimEngine(const SchedulerConfig& config,
            uint64_t model_seed,
            std::unique_ptr<SpecPolicy> policy = nullptr,
            std::ostream* trace = nullptr);

  // The ids of the choices. A grammar of a request must be a FakeConstraint. One that is prefilled
  // for a handoff must end by being held.
  std::variant<std::vector<SeqId>, Refusal> add(const Request& request);

  // Ends a living sequence on behalf of a caller: its last event must be there at once.
  AnswerCheck end(SeqId id, FinishReason reason);

  // KV of the first of a request's choices does not come. The answers that end: none, or of all of
  // them that live.
  std::vector<AnswerCheck> fail_kv(std::span<const SeqId> choices, OnKvFailure policy);

  // Plans and launches; none if there is nothing to do, respectively nothing to do ahead.
  std::optional<StepPlan> plan();
  std::optional<StepPlan> plan_ahead();
  // Reads and commits the oldest launch. The answers that ended with it.
  std::vector<AnswerCheck> commit();

  // Runs until nobody is left. The answers in the order of their ends.
  std::vector<AnswerCheck> run();

  // All has ended: nothing is counted, remembered or leaked. Empties the prefix cache.
  void check_idle();

  Scheduler& scheduler() { return scheduler_; }
  const Scheduler& scheduler() const { return scheduler_; }
  FakeRunner& runner() { return runner_; }
  size_t num_living() const { return answers_.size(); }
  bool lives(SeqId id) const { return answers_.contains(id); }
  std::vector<SeqId> living() const;
  const AnswerCheck& answer(SeqId id) const { return answers_.at(id); }

 private:
  void launch(const StepPlan& plan);

  SchedulerConfig config_;
  Scheduler scheduler_;
  FakeModel model_;
  FakeRunner runner_;
  std::map<SeqId, AnswerCheck> answers_;  // of those that live
  std::ostream* trace_;
  std::deque<StepPlan> launched_;  // unread; for the trace
};

}  // namespace talon::test
