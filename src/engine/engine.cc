#include "engine/engine.h"

#include <optional>
#include <utility>

#include "base/log.h"

namespace talon {

Engine::Engine(std::unique_ptr<Runner> runner,
               const SchedulerConfig& config,
               std::unique_ptr<SpecPolicy> policy)
    : runner_(std::move(runner)),
      scheduler_(config, std::move(policy)),
      context_limit_(config.context_limit),
      max_drafts_(config.max_drafts),
      max_sequences_(config.max_sequences) {}

bool Engine::step() {
  if (launched_.empty()) {
    StepPlan plan = scheduler_.plan();
    if (plan.empty()) {
      return false;
    }
    launch(std::move(plan));
  }
  if (std::optional<StepPlan> ahead = scheduler_.plan_ahead()) {
    launch(std::move(*ahead));
  }
  commit_oldest();
  return scheduler_.has_work();
}

void Engine::launch(StepPlan&& plan) {
  runner_->launch(plan);
  launched_.push_back(std::move(plan));
}

void Engine::commit_oldest() {
  StepResult result = runner_->wait();
  if (observer_) {
    observer_(launched_.front(), result);
  }
  last_step_ = view_of(launched_.front());
  launched_.pop_front();
  if (watches_acceptance_) {
    watch_acceptance(result);
  }
  scheduler_.commit(std::move(result));
#ifndef NDEBUG
  scheduler_.check_integrity();
#endif
}

void Engine::watch_acceptance(const StepResult& result) {
  for (const RowResult& row : result.rows) {
    if (const std::optional<double> share = alarm_.observe(row.drafted, row.accepted)) {
      log(LogLevel::kWarn, "engine",
          "first_draft_accepted={:.3f} text=\"the drafter hardly ever agrees with its target: a "
          "head of another checkpoint, wrong taps, or prompts without their template\"",
          *share);
    }
  }
}

}  // namespace talon
