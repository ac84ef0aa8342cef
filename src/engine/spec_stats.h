// Counters of speculation (spec/eagle3.md 12.1). Two countings: as verified, which is the seed's
// definition and counts drafts past a stop; and `kept`, what survived the cut, which feeds usage.
// Prefill is excluded from both. Fractions are 0..1.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "base/ids.h"
#include "engine/request.h"

namespace talon {

struct SpecStats {
  int64_t rounds = 0;  // sequence-steps that verified, with any number of drafts
  int64_t drafted = 0;
  int64_t accepted = 0;
  std::array<int64_t, kMaxDrafts + 1> accepted_histogram{};  // rounds by accepted drafts
  struct Kept {
    int64_t rounds = 0;    // with at least one token kept
    int64_t tokens = 0;    // without the prefill's
    int64_t accepted = 0;  // of them, from drafts
  } kept;

  double acceptance_rate() const;       // accepted / drafted; 0 without drafts
  double tokens_per_forward() const;    // 1 + accepted / rounds; 0 without rounds
  double survival(int position) const;  // P(a >= position), position in 1..7

  SpecStats& operator+=(const SpecStats& other);
};

// A step's record and how many of the tokens it emitted were kept after all cuts.
struct KeptRound {
  RoundRecord round;
  int64_t num_kept = 0;
};

SpecStats summarise(std::span<const KeptRound> rounds);

}  // namespace talon
