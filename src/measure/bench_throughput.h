// `talon bench throughput`: tokens a second at a number of concurrent requests, without a drafter,
// with a fixed number of drafts and under the policy `auto`, in one process and one run. The three
// engines take turns within every repetition, so that a drift of the machine meets all alike.
//
// A closed loop: exactly so many requests are in flight until enough of them have ended. Prompts
// are held-out problems, in order and from the start again; answers end by themselves. Tokens are
// counted as they come, a prompt's with the first token of its answer; what is cut off at the end
// of a run is counted as far as it went. The prefix cache is off.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/config.h"
#include "engine/spec_stats.h"
#include "measure/gsm8k.h"

namespace talon {

struct BenchThroughputSettings {
  EngineConfig engine;  // with a drafter; policy, prefix cache and room for requests are ours
  std::vector<Gsm8kProblem> problems;
  std::vector<int32_t> concurrency{1, 4, 8, 16, 32, 64};
  int32_t num_prompts = 0;  // that end in a run; 0: four a request in flight, at least 32
  int32_t num_repetitions = 5;
  int32_t max_tokens = 512;
};

inline constexpr std::array<std::string_view, 3> kThroughputEngines = {"none", "eagle3", "auto"};

// Medians over the repetitions.
struct EngineThroughput {
  double total_tokens_per_s = 0.0;  // prompts and answers
  double output_tokens_per_s = 0.0;
  SpecStats stats{};  // of the completions that ended
};

struct ThroughputRow {
  int32_t concurrency = 0;
  std::array<EngineThroughput, 3> engines{};  // as kThroughputEngines
  // Medians of ratios of total tokens a second within one repetition.
  double uplift = 0.0;        // eagle3 over none, less 1
  double uplift_auto = 0.0;   // auto over none, less 1
  double auto_of_best = 0.0;  // auto over the one of the others with the better median
};

struct BenchThroughputResult {
  std::vector<ThroughputRow> rows;
  int32_t num_speculative_tokens = 0;
  int32_t num_repetitions = 0;
  bool synthetic_acceptance = false;
  bool synthetic_weights = false;
  CostTable cost_table;       // of the policy `auto`
  double cost_table_s = 0.0;  // that the table took to measure; 0: it was given
  int64_t peak_memory_bytes = 0;
  std::string cpu_path;
  int32_t num_threads = 0;
};

// Called after each run with its number from 1 and how many there are.
using BenchProgress = std::function<void(int64_t done, int64_t total)>;

BenchThroughputResult bench_throughput(const BenchThroughputSettings& settings,
                                       const BenchProgress& progress);

std::string bench_throughput_json(const BenchThroughputResult& result);
std::string bench_throughput_text(const BenchThroughputResult& result);

}  // namespace talon
