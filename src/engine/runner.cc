#include "engine/runner.h"

#include <utility>

#include "base/check.h"
#include "base/checked_int.h"

namespace talon {
KvLayout joint_layout(const RunnerParts& parts) {
  KvLayout layout = parts.model->kv_layout();
  if (parts.drafter != nullptr) {
    layout.append(parts.drafter->kv_layout());
  }
  return layout;
}

Runner::Runner(RunnerParts parts, const StepSizes& sizes, int32_t num_pages)
    : parts_(std::move(parts)),
      stream_(*parts_.cpu),
      kv_(joint_layout(parts_), num_pages),
      state_(sizes.max_sequences,
             sizes.max_drafts,
             static_cast<int32_t>(ceil_div(sizes.context_limit, kPageTokens)),
             kCpuDevice),
      builder_(sizes, state_),
      round_(*parts_.model,
             parts_.drafter.get(),
             ConstTensorView(parts_.allowed.data(), Shape{std::ssize(parts_.allowed)}),
             sizes,
             state_) {}

void Runner::launch(const StepPlan& plan) {
  TALON_CHECK(!finished_.has_value(), "round {} was not read", finished_->round);
  TALON_CHECK(!plan.empty(), "an empty plan");
  const StepArrays arrays = builder_.build(stream_, plan);
  finished_ = round_.run(stream_, plan, arrays, kv_);
}

StepResult Runner::wait() {
  TALON_CHECK(finished_.has_value(), "nothing is in flight");
  return *std::exchange(finished_, std::nullopt);
}

}  // namespace talon
