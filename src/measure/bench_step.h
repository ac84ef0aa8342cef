// `talon bench step`: what one step costs by rows and context, split into its parts, and the cost
// table for the policy `auto`. Sampled choice is measured as what it adds to the greedy one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/config.h"
#include "measure/step_times.h"

namespace talon {

struct BenchStepSettings {
  EngineConfig engine;
  std::vector<int32_t> num_sequences;             // empty: powers of two that fit
  std::vector<int32_t> contexts{128, 512, 1024};  // of which those that fit are measured
  int32_t num_cycles = 6;                         // each times two steps a point
};

struct BenchStepPoint {
  StepTimes greedy;
  // Of the same shape with top-p sampling, less greedy; may be negative within the noise.
  double sampling_ms = 0.0;
};

struct BenchStepResult {
  std::vector<BenchStepPoint> points;
  CostTable cost_table;
  std::string cpu_path;
  int32_t num_threads = 0;
};

BenchStepResult bench_step(const BenchStepSettings& settings);

std::string bench_step_json(const BenchStepResult& result);
std::string bench_step_text(const BenchStepResult& result);

}  // namespace talon
