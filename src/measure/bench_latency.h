// `talon bench latency`: one batch of requests, all of the same length in and out, from submission
// to the last token. End-of-answer ids are ignored and nothing is cached between iterations.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/config.h"
#include "engine/spec_stats.h"
#include "measure/gsm8k.h"
#include "measure/median.h"

namespace talon {

struct BenchLatencySettings {
  EngineConfig engine;
  std::vector<Gsm8kProblem>
      problems;  // their text, one after the other, is what prompts are cut of
  int32_t batch_size = 8;
  int32_t input_len = 256;   // tokens
  int32_t output_len = 128;  // tokens
  int32_t num_iterations = 5;
  int32_t num_warmups = 1;
};

// Of the rounds that only verify and follow another such, on the clock of the device.
struct RoundTimes {
  int64_t num_rounds = 0;
  int64_t num_ahead = 0;       // launched before the round in front was read
  double round_us_median = 0;  // from the first op to the last one
  double gap_us_median = 0;    // between the end of a round and the start of the next
  double gap_us_p99 = 0;
};

struct BenchLatencyResult {
  Spread batch_ms{};             // the whole batch, per iteration
  Spread first_token_ms{};       // per request
  Spread per_token_ms{};         // per request, after the first token
  Spread output_tokens_per_s{};  // of the batch, per iteration
  RoundTimes rounds{};
  SpecStats stats{};
  int32_t batch_size = 0;
  int32_t input_len = 0;
  int32_t output_len = 0;
  int32_t num_speculative_tokens = 0;
  bool synthetic_acceptance = false;
  bool synthetic_weights = false;
  std::string cpu_path;
  int32_t num_threads = 0;
};

BenchLatencyResult bench_latency(const BenchLatencySettings& settings);

std::string bench_latency_json(const BenchLatencyResult& result);
std::string bench_latency_text(const BenchLatencyResult& result);

}  // namespace talon
