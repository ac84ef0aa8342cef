// What a simulation of two engines chooses at its start, as a pure function of its seed: both
// engines' sizes, the requests, and how good the way between them is.
#pragma once

#include <cstdint>
#include <string>

#include "sim/sim_setup.h"

namespace talon::test {

// Chances for each transfer at each moment.
struct TransportSetup {
  double activity = 0.0;   // that anything happens at all: a request, a copy, an answer
  double landing = 0.0;    // that one of the copies under way lands
  double failure = 0.0;    // that it fails
  double expiry = 0.0;     // that the side that computes lets go, wanted or not; never 0
  double duplicate = 0.0;  // for each copy: that it is made again later
  double recompute = 0.0;  // for each failure: that the prompt is computed after all
};

struct HandoffSetup {
  uint64_t seed = 0;
  SchedulerConfig prefill;
  SimSetup decode;             // with the traffic of both
  double handoff = 0.0;        // chance that a request is handed off
  double local_prefill = 0.0;  // of the others: chance that the prefill engine answers it itself
  double early = 0.0;          // chance that both sides are asked at once
  TransportSetup transport;
};

HandoffSetup make_handoff_setup(uint64_t seed);
std::string to_string(const HandoffSetup& setup);

}  // namespace talon::test
