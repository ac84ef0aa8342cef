#include "server/invariants.h"

#include "server/engine_thread.h"

namespace talon::server {

std::array<bool, kInvariantNames.size()> broken_invariants(const EngineSnapshot& numbers,
                                                           const TurnFacts& turn) {
  const int32_t num_used = numbers.num_pages - numbers.num_free_pages - numbers.num_cached_pages;
  const bool is_wrong = numbers.num_free_pages < 0 || numbers.num_cached_pages < 0 || num_used < 0;
  return {is_wrong, !turn.has_work && num_used != 0,
          turn.could_step && turn.has_work && !turn.has_stepped && numbers.num_running == 0 &&
              numbers.num_waiting > 0};
}

}  // namespace talon::server
