// What rounds leave for the host: a ring of two entries in host memory at fixed addresses, which
// the device writes and the host reads when the round is over. So a round can be launched before
// the last one is read. Entry `launch % 2` belongs to the launch of that number, counted from 0.
// Owned by a runner.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "core/host_buffer.h"
#include "core/tensor_view.h"
#include "engine/batch_builder.h"
#include "engine/sampling.h"
#include "engine/step_plan.h"
#include "ops/round_slots.h"

namespace talon {

// What stays of a plan to read its result by.
struct LaunchedStep {
  struct Row {
    SeqId sequence;
    int64_t first_position = 0;
    int32_t num_rows = 0;
    int32_t num_drafts = 0;   // draft rows verified
    int32_t num_choices = 0;  // 0: a chunk that does not sample
    int32_t num_logprobs = -1;
    int32_t num_prompt_logprobs = -1;
    std::vector<TokenId> prompt_tokens;  // those whose log-probabilities are asked for
  };
  int64_t round = 0;
  bool ahead = false;
  std::vector<Row> rows;

  explicit LaunchedStep(const StepPlan& plan);
};

// Results of ops::token_logprobs, by entry.
struct LogprobViews {
  TensorView logprobs;      // [N] f32
  TensorView top_ids;       // [N, kMaxTopLogprobs] i32
  TensorView top_logprobs;  // [N, kMaxTopLogprobs] f32

  PositionLogprobs read(int64_t entry, TokenId token, int32_t num_top) const;
};

struct StepLogprobs {
  LogprobViews chosen;  // by choice
  LogprobViews prompt;  // by prompt entry (StepArrays)
};

class ResultRing {
 public:
  explicit ResultRing(const StepSizes& sizes, Device device = kCpuDevice);

  // For ops::finish_round: of the device that writes them.
  TensorView rows() const;
  TensorView headers() const;

  // Where the log-probabilities of a launch go.
  const StepLogprobs& logprobs(int64_t launch) const {
    return logprobs_[static_cast<size_t>(launch % ops::kRingEntries)];
  }

  // The result of a launch that is over, which must be one of the last two. Read in the order of
  // the launches, else a gap between two of them is not told.
  StepResult read(int64_t launch, const LaunchedStep& step);

 private:
  LogprobViews take(int64_t& offset, int64_t count) const;

  int32_t max_sequences_;
  int32_t max_drafts_;
  Device device_;
  HostBuffer rows_;
  HostBuffer headers_;
  HostBuffer logprob_bytes_;
  std::array<StepLogprobs, ops::kRingEntries> logprobs_;
  int64_t last_launch_ = -1;  // that was read
  int64_t last_end_ns_ = 0;
};

}  // namespace talon
