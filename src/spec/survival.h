// The running acceptance of one request: how likely its next round accepts at least i drafts.
// Exponential averages of the conditional acceptance per position, started at a prior that one
// unlucky round cannot overturn. Host only, a value: a request may start as a copy of an average
// over all requests, which knows the head better than the prior does.
#pragma once

#include <array>
#include <cstdint>

#include "base/ids.h"

namespace talon {

class Survival {
 public:
  static constexpr double kRequestRate = 0.1;   // about ten rounds: text changes within an answer
  static constexpr double kPooledRate = 0.005;  // an average over the rounds of all requests

  // `drafted` rows were verified, 0..7, and the first `accepted` of them stood. A position is seen
  // only if the ones before it were accepted; others keep their average.
  void observe(int32_t drafted, int32_t accepted, double rate = kRequestRate);

  // P(accepted >= position) for position in 1..7.
  double at(int32_t position) const;

 private:
  // P(draft i accepted | the ones before it were); the start is what a trained head gives
  // (spec/eagle3.md 12.3).
  std::array<double, kMaxDrafts> conditional_{0.8, 0.75, 0.7, 0.65, 0.6, 0.6, 0.6};
};

}  // namespace talon
