// What must hold of an engine whatever its requests are (spec/serving.md 7.2, R9), looked at after
// each turn of its thread. One that is broken is a bug of ours: it is logged and counted, so that
// somebody hears of it before it is felt.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace talon::server {

struct EngineSnapshot;

enum class Invariant : size_t {
  kPageCounts,  // no count of pages is negative or beyond the pool
  kIdlePages,   // without a sequence every page is free or cached
  kStuckQueue,  // something waits, nothing runs, and yet the turn made no step
};

inline constexpr std::array<std::string_view, 3> kInvariantNames = {"page_counts", "idle_pages",
                                                                    "stuck_queue"};

// What happened in the turn, beside its numbers.
struct TurnFacts {
  bool has_work = false;     // afterwards: there are sequences
  bool has_stepped = false;  // a step was committed
  bool could_step = false;   // it was tried
};

// By Invariant: true if it is broken.
std::array<bool, kInvariantNames.size()> broken_invariants(const EngineSnapshot& numbers,
                                                           const TurnFacts& turn);

}  // namespace talon::server
