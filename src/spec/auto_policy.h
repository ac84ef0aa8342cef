// The policy `auto`: as many drafts as pay, by measured cost and running acceptance.
//
// Of k in 0..K a step takes the one with the most tokens a millisecond,
//
//   rate(k) = sum over sequences of (1 + S_1 + .. + S_min(k, limit)) / T(sequences, context, k),
//
// S_i the survival of a sequence, T the cost table at the mean context. Then each sequence keeps
// the drafts that are worth their rows: the l <= k with the largest sum over j <= l of
// S_j - rate(k) * c_j, where c_j is what position j of one sequence adds to T, less a margin
// (Dinkelbach's form of the same maximum). A sequence alone keeps k: that was chosen for it.
//
// k begins at K, and changes at once for a clear gain and after some steps for a small one, so that
// it neither flickers nor stays where it is worse. A gain that a table's own errors could make up
// is none. Every `probe_period` steps one step drafts one position more than k, if a perfect
// position there could pay, and trims no sequence to nothing: what is not drafted is not observed,
// and an estimate that nothing corrects would hold k down for ever.
//
// Neither clock nor chance: equal calls give equal answers.
#pragma once

#include <cstdint>
#include <memory>

#include "spec/cost_table.h"
#include "spec/policy.h"

namespace talon {

struct AutoPolicySettings {
  double clear_gain = 0.04;   // share of the rate at which k changes at once
  double small_gain = 0.01;   // and the one at which it changes after
  int32_t patience = 16;      //   so many steps in a row
  int32_t probe_period = 64;  // steps without a change of k from one probe to the next
  double trim_margin = 0.1;   // share of what a row costs that may be an error of the table: a
                              //   draft is kept unless it is not worth the rest
};

// `table` is not empty. K is the smaller of the table's and the largest limit of the rows.
std::unique_ptr<SpecPolicy> make_auto_policy(CostTable table,
                                             const AutoPolicySettings& settings = {});

}  // namespace talon
