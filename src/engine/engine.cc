#include "engine/engine.h"

namespace talon {

Engine::Engine(std::unique_ptr<Runner> runner, const SchedulerConfig& config)
    : runner_(std::move(runner)),
      scheduler_(config),
      context_limit_(config.context_limit),
      max_drafts_(config.max_drafts) {}

bool Engine::step() {
  const StepPlan plan = scheduler_.plan();
  if (plan.empty()) {
    return false;
  }
  runner_->launch(plan);
  const StepResult result = runner_->wait();
  if (observer_) {
    observer_(plan, result);
  }
  scheduler_.commit(result);
#ifndef NDEBUG
  scheduler_.check_integrity();
#endif
  return scheduler_.has_work();
}

}  // namespace talon
