// What the engine tells of itself (engine_view.h).
#include "engine/engine_view.h"

#include <vector>

#include "engine/runner.h"
#include "engine/scheduler.h"
#include "engine/step_plan.h"

namespace talon {
namespace {

std::string_view state_name(const Sequence& sequence) {
  switch (sequence.state) {
    case Sequence::State::kWaiting:
      return "waiting";
    case Sequence::State::kRunning:
      return sequence.is_prefilling() ? "prefilling" : "running";
    case Sequence::State::kDraining:
      return "draining";
    case Sequence::State::kHeld:
      return "held";
    case Sequence::State::kAwaitingKv:
      return "awaiting_kv";
    case Sequence::State::kReady:
      return "ready";
  }
  return "?";
}

}  // namespace

std::string_view wait_reason_name(WaitReason reason) {
  switch (reason) {
    case WaitReason::kNone:
      return "none";
    case WaitReason::kSlots:
      return "slots";
    case WaitReason::kRows:
      return "rows";
    case WaitReason::kPages:
      return "pages";
    case WaitReason::kPrompt:
      return "prompt";
    case WaitReason::kPreemption:
      return "preemption";
    case WaitReason::kTransfers:
      return "transfers";
  }
  return "?";
}

std::vector<SequenceView> Scheduler::sequences() const {
  std::vector<SequenceView> views;
  views.reserve(sequences_.size());
  const auto add = [&](const Sequence& sequence) {
    views.push_back({.id = sequence.id,
                     .state = state_name(sequence),
                     .prompt_len = sequence.prompt_len,
                     .num_tokens = sequence.num_tokens(),
                     .kv_len = sequence.kv_len,
                     .num_pages = static_cast<int32_t>(sequence.pages.pages().size())});
  };
  for (const Order* kind : {&running_, &ready_, &waiting_, &awaiting_, &held_}) {
    for (const auto& [order, sequence] : *kind) {
      add(*sequence);
    }
  }
  for (const auto& [id, sequence] : sequences_) {
    if (sequence->state == Sequence::State::kDraining) {
      add(*sequence);
    }
  }
  return views;
}

int32_t Scheduler::num_prefilling() const {
  int32_t count = 0;
  for (const auto& [order, sequence] : running_) {
    count += sequence->is_prefilling() ? 1 : 0;
  }
  return count;
}

StepView view_of(const StepPlan& plan) {
  StepView view{
      .round = plan.round, .num_sequences = std::ssize(plan.rows), .is_ahead = plan.ahead};
  for (const PlanRow& row : plan.rows) {
    view.num_rows += row.num_rows();
    view.num_prefill_rows += row.is_prefill() ? row.num_rows() : 0;
    view.num_draft_rows += row.num_drafts;
  }
  return view;
}

std::vector<GraphView> Runner::graphs() const {
  std::vector<GraphView> views;
  views.reserve(captured_.size());
  for (const Captured& captured : captured_) {
    views.push_back({.num_sequences = captured.key.num_sequences,
                     .num_drafts = captured.key.num_drafts,
                     .num_replays = captured.num_replays});
  }
  return views;
}

}  // namespace talon
