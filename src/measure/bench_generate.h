// Speed of generation with and without the drafter, side by side in one process: the same prompts
// alternate between an engine without a drafter (the baseline: it pays nothing for speculation) and
// one with it, so that a drift of the machine meets both alike.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "engine/config.h"
#include "engine/spec_stats.h"
#include "measure/median.h"

namespace talon {

struct BenchPrompt {
  std::string kind;    // "problem" or "dialogue": reported apart
  std::string prompt;  // raw text
};

// JSON lines with `kind` and `prompt`. Throws Error naming file, line and field.
std::vector<BenchPrompt> load_bench_prompts(const std::filesystem::path& file);

struct BenchGenerateSettings {
  EngineConfig engine;  // with a drafter
  std::vector<BenchPrompt> prompts;
  int32_t num_pairs = 10;  // runs over all prompts, each with and without the drafter
  int32_t max_tokens = 256;
};

// Figures of one kind of prompt.
struct BenchKind {
  std::string kind;
  int64_t num_prompts = 0;
  Spread speedup{};  // tokens/s with over without, per pair
  Spread none_tokens_per_s{};
  Spread eagle3_tokens_per_s{};
  SpecStats stats{};
  bool outputs_equal = true;  // token for token
};

struct BenchGenerateResult {
  std::vector<BenchKind> kinds;
  // Median time of the target's part of a step (forward, choice, acceptance) over all decode steps
  // with this many rows: 1 in the engine without a drafter, K + 1 in the other.
  double step_ms_one_row = 0.0;
  double step_ms_verify = 0.0;
  int64_t peak_memory_bytes = 0;
  std::string cpu_path;
  int32_t num_threads = 0;
  int32_t num_speculative_tokens = 0;
};

BenchGenerateResult bench_generate(const BenchGenerateSettings& settings);

std::string bench_generate_json(const BenchGenerateResult& result);
std::string bench_generate_text(const BenchGenerateResult& result);

}  // namespace talon
