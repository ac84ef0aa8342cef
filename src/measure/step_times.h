// What steps of a shape cost on the real engine: a number of sequences with about the same context,
// each verifying the same number of drafts and making as many. Requests go on with a sample text,
// each from another place; the steps are timed through Engine::observe, from the end of one step to
// the end of the next, planning and commit included.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/sampling.h"
#include "spec/cost_table.h"
#include "stream/local_model.h"

namespace talon {

struct StepGrid {
  std::vector<int32_t> num_sequences;  // ascending, at most the engine's
  std::vector<int32_t> contexts;       // ascending tokens
  int32_t num_cycles = 4;              // each times two steps a number of drafts; spread over
                                       //   passes through the grid, more where steps are short
  SamplingSettings sampling{};
};

// Medians over the steps of one shape, in milliseconds; each the median over the passes, so that
// what disturbs one pass disturbs nothing.
struct StepTimes {
  int32_t num_sequences = 0;
  int32_t context = 0;  // as asked for; the steps lie within some tens of tokens past it
  int32_t num_drafts = 0;
  double step_ms = 0.0;    // all of it
  double verify_ms = 0.0;  // target forward over num_sequences * (1 + num_drafts) rows, choice,
                           //   acceptance
  double extend_ms = 0.0;
  double draft_ms = 0.0;
  double host_ms = 0.0;  // the rest: plan, building the batch, commit
  // Of all of it the mean without a tenth at either end, for a cost table: beside other work a
  // short step is seldom disturbed and a long one always, so that medians of the two do not
  // compare.
  double mean_ms = 0.0;
};

// For each context, number of sequences and 0..K drafts, in this order. The engine must be idle; it
// is left idle, with an empty prefix cache, the policy `fixed` and no observer. Throws Error if the
// engine cannot run a point of the grid.
std::vector<StepTimes> measure_steps(LocalModel& model, const StepGrid& grid);

// Powers of `factor` up to the largest number of sequences, and that, as far as the engine's pages
// hold the first context; of the contexts those that they hold for all of these.
StepGrid fitting_grid(const Engine& engine, std::span<const int32_t> contexts, int32_t factor = 2);

// Neither a draft more nor a sequence more makes a step shorter: where the times say so, neighbours
// share their mean (isotonic regression).
CostTable cost_table_of(std::span<const StepTimes> times);

// A table good enough to choose drafts by, in a few seconds on a small model: few steps at one
// context. More cycles, up to 16, give steadier medians.
CostTable measure_cost_table(LocalModel& model, int32_t num_cycles = 4);

// Opens a model and, if its policy is `auto` and it has drafts to choose, gives it the policy with
// the table of the settings, or with one that is measured now.
LocalModel open_measured_model(const EngineConfig& config);

}  // namespace talon
