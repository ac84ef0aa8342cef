#include "engine/spec_stats.h"

#include <algorithm>
#include <numeric>

#include "base/check.h"

namespace talon {

double SpecStats::acceptance_rate() const {
  return drafted == 0 ? 0.0 : static_cast<double>(accepted) / static_cast<double>(drafted);
}

double SpecStats::tokens_per_forward() const {
  return rounds == 0 ? 0.0 : 1.0 + static_cast<double>(accepted) / static_cast<double>(rounds);
}

double SpecStats::survival(int position) const {
  TALON_CHECK(position >= 1 && position <= kMaxDrafts, "position {}", position);
  const auto first = accepted_histogram.begin() + position;
  const int64_t survivors = std::accumulate(first, accepted_histogram.end(), int64_t{0});
  return rounds == 0 ? 0.0 : static_cast<double>(survivors) / static_cast<double>(rounds);
}

SpecStats& SpecStats::operator+=(const SpecStats& other) {
  rounds += other.rounds;
  drafted += other.drafted;
  accepted += other.accepted;
  for (size_t i = 0; i < accepted_histogram.size(); ++i) {
    accepted_histogram[i] += other.accepted_histogram[i];
  }
  kept.rounds += other.kept.rounds;
  kept.tokens += other.kept.tokens;
  kept.accepted += other.kept.accepted;
  return *this;
}

SpecStats summarise(std::span<const KeptRound> rounds) {
  SpecStats stats;
  for (const KeptRound& entry : rounds) {
    if (entry.round.is_prefill) {
      continue;
    }
    ++stats.rounds;
    stats.drafted += entry.round.drafted;
    stats.accepted += entry.round.accepted;
    ++stats.accepted_histogram[static_cast<size_t>(entry.round.accepted)];
    stats.kept.rounds += entry.num_kept > 0 ? 1 : 0;
    stats.kept.tokens += entry.num_kept;
    stats.kept.accepted += std::min<int64_t>(entry.num_kept, entry.round.accepted);
  }
  return stats;
}

}  // namespace talon
