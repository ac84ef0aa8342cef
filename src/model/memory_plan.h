// How much memory an engine takes and what is left for KV pages: pure arithmetic, and the only
// place where such sizes are decided. What can only be measured (weights after re-layout, the arena
// at its worst shape) is an input. Order: weights, step buffers, arena; the rest is pages.
#pragma once

#include <cstdint>
#include <optional>

#include "base/result.h"
#include "kv/kv_layout.h"

namespace talon {

struct MemoryRequest {
  int64_t weight_bytes = 0;       // target and drafter as packed
  int64_t step_buffer_bytes = 0;  // batches, logits, taps of the padded batch
  int64_t arena_bytes = 0;
  KvLayout kv_layout;                        // planes of target and drafter
  int32_t model_limit = 0;                   // positions that the checkpoint allows
  int32_t max_model_len = 0;                 // asked for; 0: as many as fit
  int32_t num_sequences = 1;                 // that the pool should hold at full length
  int64_t kv_cache_bytes = 0;                // cap of the pool
  std::optional<int64_t> memory_bytes = {};  // of the device; none: no limit but the cap
};

struct MemoryPlan {
  int32_t context_limit = 0;  // positions of one sequence
  int64_t fixed_bytes = 0;    // all but pages
  int64_t page_bytes = 0;
  int32_t num_pages = 0;  // with the null page
  int64_t kv_bytes = 0;   // of num_pages
  int64_t total_bytes = 0;
};

// Fails, naming the setting, if max_model_len is over the model's limit, or if the pages for one
// sequence of that length (of 2 positions where none is asked for) do not fit.
Result<MemoryPlan> plan_memory(const MemoryRequest& request);

}  // namespace talon
