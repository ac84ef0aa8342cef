// Everything that a simulation chooses at its start, as a pure function of its seed: the engine's
// sizes and settings, and what kind of requests come.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/ids.h"
#include "engine/request.h"
#include "engine/scheduler.h"
#include "sim/sim_rng.h"

namespace talon::test {

struct TrafficSetup {
  int32_t num_requests = 0;
  double arrival = 0.0;           // chance of an arrival at a moment, outside of bursts
  double burst = 0.0;             // chance that a moment starts a burst
  double cancel = 0.0;            // chance of a cancel or a finish at a moment
  double clear_cache = 0.0;       // chance at a moment that all prefixes are forgotten
  int32_t max_tail = 0;           // tokens of a prompt after its shared prefix
  int32_t max_answer = 0;         // max_tokens
  int32_t num_tail_heads = 0;     // a tail starts with one of so few tokens
  bool only_lengths_end = false;  // most requests ignore end ids and have no stop ids
  std::vector<std::vector<TokenId>> prefixes;  // system prompts
};

struct SimSetup {
  uint64_t seed = 0;
  SchedulerConfig scheduler;
  bool random_policy = false;  // else the fixed one
  double ahead = 0.0;          // chance that the loop asks for a plan made ahead
  TrafficSetup traffic;
};

SimSetup make_setup(uint64_t seed);
std::string to_string(const SimSetup& setup);

}  // namespace talon::test
