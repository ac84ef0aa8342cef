#include "engine/runner.h"

#include <utility>

#include "base/check.h"
#include "base/checked_int.h"

namespace talon {
namespace {

// Launch-ahead enqueues one round behind the one that runs.
constexpr int64_t kMaxOutstanding = 2;
static_assert(kMaxOutstanding <= ops::kRingEntries);

}  // namespace

KvLayout joint_layout(const RunnerParts& parts) {
  KvLayout layout = parts.model->kv_layout();
  if (parts.drafter != nullptr) {
    layout.append(parts.drafter->kv_layout());
  }
  return layout;
}

Runner::Runner(RunnerParts parts,
               const StepSizes& sizes,
               int32_t num_pages,
               const VerifierOptions& options)
    : parts_(std::move(parts)),
      stream_(*parts_.cpu),
      kv_(joint_layout(parts_), num_pages),
      state_(sizes.max_sequences,
             sizes.max_drafts,
             static_cast<int32_t>(ceil_div(sizes.context_limit, kPageTokens)),
             kCpuDevice),
      sampler_(sizes.max_sequences, parts_.model->limits().vocab_size),
      ring_(sizes),
      builder_(sizes, state_),
      round_({.model = *parts_.model,
              .drafter = parts_.drafter.get(),
              .allowed = ConstTensorView(parts_.allowed.data(), Shape{std::ssize(parts_.allowed)}),
              .state = state_,
              .sampler = sampler_,
              .ring = ring_},
             sizes,
             options) {}

void Runner::launch(const StepPlan& plan) {
  TALON_CHECK(std::ssize(launched_) < kMaxOutstanding, "round {} was not read",
              launched_.front().round);
  TALON_CHECK(!plan.empty(), "an empty plan");
  for (const SlotPatch& patch : plan.slot_patches) {
    sampler_.apply(patch);
  }
  for (const PageCopy& copy : plan.page_copies) {
    kv_.copy_page(copy.from, copy.to);
  }
  const StepArrays arrays = builder_.build(stream_, plan);
  round_.launch(stream_, plan, arrays, kv_);
  launched_.emplace_back(plan);
}

StepResult Runner::wait() {
  TALON_CHECK(!launched_.empty(), "nothing is in flight");
  const int64_t launch = round_.num_launches() - std::ssize(launched_);
  StepResult result = ring_.read(launch, launched_.front());
  launched_.pop_front();
  return result;
}

}  // namespace talon
