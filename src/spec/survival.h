// The running acceptance of one request: how likely its next round accepts at least i drafts.
// Exponential averages of the conditional acceptance per position, started at a prior that one
// unlucky round cannot overturn. Host only, a value.
//
// A request is short and its own rounds teach little, so its estimate should start as a copy of one
// that was fed with the rounds of all requests at kPooledRate: with a head far from the prior every
// new request would else pay for the same lesson again.
#pragma once

#include <array>
#include <cstdint>

#include "base/ids.h"

namespace talon {

class Survival {
 public:
  static constexpr double kRequestRate = 0.05;  // about 20 rounds: text changes in an answer
  static constexpr double kPooledRate = 0.01;

  // `drafted` rows were verified, 0..7, and the first `accepted` of them stood. A position is seen
  // only if the ones before it were accepted. Positions that were not drafted move a little towards
  // the one before them, so that a policy which drafts few tries more when these are accepted.
  void observe(int32_t drafted, int32_t accepted, double rate = kRequestRate);

  // P(accepted >= position) for position in 1..7.
  double at(int32_t position) const;

 private:
  // P(draft i accepted | the ones before it were); the start is what a trained head gives
  // (spec/eagle3.md 12.3).
  std::array<double, kMaxDrafts> conditional_{0.8, 0.75, 0.7, 0.65, 0.6, 0.6, 0.6};
};

}  // namespace talon
