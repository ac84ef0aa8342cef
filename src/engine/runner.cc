#include "engine/runner.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/checked_int.h"
#include "core/copy.h"

namespace talon {
namespace {

// Launch-ahead enqueues one round behind the one that runs.
constexpr int64_t kMaxOutstanding = 2;
static_assert(kMaxOutstanding <= ops::kRingEntries);

// Numbers of sequences that rounds are captured for: powers of two up to 16, then steps of 16, so
// that padding stays below half and below 16 rows a draft.
std::vector<int32_t> graph_sizes(int32_t max_sequences) {
  std::vector<int32_t> sizes;
  for (int32_t size = 1; size < max_sequences; size += size < 16 ? size : 16) {
    sizes.push_back(size);
  }
  sizes.push_back(max_sequences);
  return sizes;
}

}  // namespace

KvLayout joint_layout(const RunnerParts& parts) {
  KvLayout layout = parts.model->kv_layout();
  if (parts.drafter != nullptr) {
    layout.append(parts.drafter->kv_layout());
  }
  return layout;
}

int64_t step_buffer_bytes(const RunnerParts& parts,
                          const StepSizes& sizes,
                          const VerifierOptions& options) {
  const int64_t vocab_size = parts.model->limits().vocab_size;
  const int64_t mask_bytes = 4 * ceil_div(vocab_size, 32);
  const int64_t choices = sizes.max_choices();
  const int64_t slots = sizes.max_sequences;
  const bool keeps_laws = options.draws == DraftDraws::kOwn;
  const int64_t laws = keeps_laws ? 4 * vocab_size * (choices + slots * sizes.max_drafts) : 0;
  const int64_t sampler =
      slots * (4 * vocab_size + mask_bytes +
               int64_t{8} * (SamplerState::kMaxBiases + SamplerState::kMaxEndIds));
  return Round::buffer_bytes(*parts.model, parts.drafter.get(), sizes) + choices * mask_bytes +
         laws + sampler;
}

Runner::Runner(RunnerParts parts,
               const StepSizes& sizes,
               int32_t num_pages,
               const VerifierOptions& options)
    : sizes_(sizes),
      parts_(std::move(parts)),
      stream_(parts_.executor->stream()),
      allowed_(std::ssize(parts_.allowed), stream_.device()),
      kv_(joint_layout(parts_), num_pages, stream_.device()),
      state_(sizes.max_sequences,
             sizes.max_drafts,
             static_cast<int32_t>(ceil_div(sizes.context_limit, kPageTokens)),
             stream_.device()),
      sampler_(sizes.max_sequences, parts_.model->limits().vocab_size, stream_.device()),
      ring_(sizes, stream_.device()),
      builder_(sizes, state_),
      round_({.model = *parts_.model,
              .drafter = parts_.drafter.get(),
              .allowed = allowed_.view(DType::kU8, Shape{std::ssize(parts_.allowed)}),
              .state = state_,
              .sampler = sampler_,
              .ring = ring_},
             sizes,
             options) {
  copy_bytes(stream_, allowed_.data(), parts_.allowed.data(), allowed_.num_bytes());
}

// Each size runs once before it is captured, on nothing but padding: what a library or a kernel
// does at its first call is then done.
int64_t Runner::capture(std::span<const int32_t> draft_counts) {
  TALON_CHECK(launched_.empty() && captured_.empty(), "captured in the middle of something");
  if (!parts_.executor->can_capture()) {
    return 0;
  }
  const auto run = [this] { run_round(StepPlan{}); };
  for (const int32_t num_sequences : graph_sizes(sizes_.max_sequences)) {
    for (const int32_t num_drafts : draft_counts) {
      const GraphKey key{.num_sequences = num_sequences, .num_drafts = num_drafts};
      if (int64_t{num_sequences} * (num_drafts + 1) > sizes_.max_rows) {
        continue;
      }
      builder_.fill(stream_, StepPlan{}, &key);
      run();
      ++num_launches_;
      synchronize(stream_);
      parts_.executor->capture(key, run);
      captured_.push_back({.key = key});
    }
  }
  return std::ssize(captured_);
}

void Runner::run_round(const StepPlan& plan) {
  round_.begin(stream_);
  round_.launch(stream_, plan, builder_.make(stream_), num_launches_, kv_);
}

// The smallest captured round that holds the step; null: there is none.
Runner::Captured* Runner::find_graph(const StepPlan& plan) {
  GraphKey need{.num_sequences = static_cast<int32_t>(plan.rows.size()), .num_drafts = 0};
  for (const PlanRow& row : plan.rows) {
    if (row.is_prefill() || row.num_logprobs >= 0 || !row.masks.empty()) {
      return nullptr;
    }
    need.num_drafts = std::max({need.num_drafts, row.num_drafts, row.drafts_to_make});
  }
  const auto fits = [&](const Captured& captured) {
    const GraphKey& key = captured.key;
    return key.num_sequences >= need.num_sequences && key.num_drafts >= need.num_drafts;
  };
  const auto found = std::find_if(captured_.begin(), captured_.end(), fits);
  return found == captured_.end() ? nullptr : &*found;
}

void Runner::launch(const StepPlan& plan) {
  TALON_CHECK(std::ssize(launched_) < kMaxOutstanding, "round {} was not read",
              launched_.front().round);
  TALON_CHECK(!plan.empty(), "an empty plan");
  for (const SlotPatch& patch : plan.slot_patches) {
    sampler_.apply(stream_, patch);
  }
  for (const PageCopy& copy : plan.page_copies) {
    kv_.copy_page(stream_, copy.from, copy.to);
  }
  builder_.patch_slots(stream_, plan);
  Captured* graph = find_graph(plan);
  builder_.fill(stream_, plan, graph == nullptr ? nullptr : &graph->key);
  if (graph != nullptr) {
    parts_.executor->replay(graph->key);
    ++graph->num_replays;
  } else {
    ++num_eager_launches_;
    run_round(plan);
  }
  parts_.executor->mark(num_launches_++);
  launched_.emplace_back(plan);
}

StepResult Runner::wait() {
  TALON_CHECK(!launched_.empty(), "nothing is in flight");
  const int64_t launch = num_launches_ - std::ssize(launched_);
  parts_.executor->wait(launch);
  StepResult result = ring_.read(launch, launched_.front());
  launched_.pop_front();
  return result;
}

}  // namespace talon
