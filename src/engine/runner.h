// One rank: executes plans on its device. `launch` starts a step, `wait` gives the result of the
// oldest one; at most two launches may be unread. On the CPU a step runs inside `launch`; on a GPU
// `launch` queues it, as the replay of a captured round where it can. Owns all device state of the
// rank: weights, KV, step buffers. Used from one thread.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "core/buffer.h"
#include "core/stream.h"
#include "engine/batch_builder.h"
#include "engine/engine_view.h"
#include "engine/executor.h"
#include "engine/result_ring.h"
#include "engine/round.h"
#include "engine/round_state.h"
#include "engine/sampler_state.h"
#include "engine/step_plan.h"
#include "kv/kv_store.h"
#include "model/model.h"
#include "spec/drafter.h"

namespace talon {

struct RunnerParts {
  std::unique_ptr<Executor> executor;
  std::unique_ptr<Model> model;
  std::unique_ptr<Drafter> drafter;  // null: no speculation
  std::vector<uint8_t> allowed;      // [V] 1: the id has a token
};

// The planes of target and drafter: what one page holds.
KvLayout joint_layout(const RunnerParts& parts);

// What a runner takes beside weights and pages, but for arrays of a few bytes a row.
int64_t step_buffer_bytes(const RunnerParts& parts,
                          const StepSizes& sizes,
                          const VerifierOptions& options);

class Runner {
 public:
  Runner(RunnerParts parts,
         const StepSizes& sizes,
         int32_t num_pages,
         const VerifierOptions& options = {});

  // Captures rounds of padded sizes with each of these numbers of drafts, in ascending order, so
  // that steps of nothing but verifies are replays from now on. How many: none on the CPU.
  int64_t capture(std::span<const int32_t> draft_counts);

  void launch(const StepPlan& plan);
  StepResult wait();

  // In the order of their keys, and the launches that ran without one; for operators.
  std::vector<GraphView> graphs() const;
  int64_t num_eager_launches() const { return num_eager_launches_; }

  const Model& model() const { return *parts_.model; }
  const Drafter* drafter() const { return parts_.drafter.get(); }
  const KvStore& kv() const { return kv_; }
  KvStore& kv() { return kv_; }

 private:
  struct Captured {
    GraphKey key;
    int64_t num_replays = 0;
  };

  void run_round(const StepPlan& plan);
  Captured* find_graph(const StepPlan& plan);

  StepSizes sizes_;
  RunnerParts parts_;
  Stream stream_;
  Buffer allowed_;  // [V] u8
  KvStore kv_;
  RoundState state_;
  SamplerState sampler_;
  ResultRing ring_;
  BatchBuilder builder_;
  Round round_;
  std::vector<Captured> captured_;     // keys ascending
  std::deque<LaunchedStep> launched_;  // not yet read, oldest first
  int64_t num_launches_ = 0;
  int64_t num_eager_launches_ = 0;
};

}  // namespace talon
