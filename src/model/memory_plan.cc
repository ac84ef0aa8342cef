#include "model/memory_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <string_view>

#include "base/check.h"
#include "base/checked_int.h"
#include "base/ids.h"

namespace talon {
namespace {

constexpr int64_t kLeastContext = 2;  // a prompt of one token and an answer of one

// Pages that `bytes` hold, as a page id counts them.
int64_t pages_in(int64_t bytes, int64_t page_bytes) {
  return std::min<int64_t>(std::max<int64_t>(bytes, 0) / page_bytes,
                           std::numeric_limits<int32_t>::max());
}

}  // namespace

Result<MemoryPlan> plan_memory(const MemoryRequest& request) {
  TALON_CHECK(!request.kv_layout.planes.empty(), "a KV layout without planes");
  TALON_CHECK(request.model_limit >= 1, "a model of {} positions", request.model_limit);
  TALON_CHECK(request.num_sequences >= 1, "{} sequences", request.num_sequences);
  if (request.max_model_len > request.model_limit) {
    return Failure{fmt::format("max-model-len: {} is over the checkpoint's {}",
                               request.max_model_len, request.model_limit)};
  }
  MemoryPlan plan;
  plan.fixed_bytes = request.weight_bytes + request.step_buffer_bytes + request.arena_bytes;
  plan.page_bytes = request.kv_layout.bytes_per_page();
  int64_t budget = request.kv_cache_bytes;
  std::string_view setting = "kv-cache-bytes";
  if (request.memory_bytes && *request.memory_bytes - plan.fixed_bytes < budget) {
    budget = std::max<int64_t>(*request.memory_bytes - plan.fixed_bytes, 0);
    setting = "memory left by weights and buffers under gpu-memory-utilization";
  }
  // The null page holds no position.
  const int64_t pages = pages_in(budget, plan.page_bytes);
  const int64_t positions = std::max<int64_t>(pages - 1, 0) * kPageTokens;
  const int64_t least = request.max_model_len > 0 ? request.max_model_len : kLeastContext;
  if (positions < least) {
    return Failure{fmt::format("{}: {} bytes hold {} tokens in pages of {} bytes, {} are needed",
                               setting, budget, positions, plan.page_bytes, least)};
  }
  plan.context_limit =
      request.max_model_len > 0
          ? request.max_model_len
          : static_cast<int32_t>(std::min<int64_t>(request.model_limit, positions));
  // Positions past the context limit go to the null page, so a full sequence needs no more.
  const int64_t wanted = ceil_div(plan.context_limit, kPageTokens) * request.num_sequences + 1;
  plan.num_pages = static_cast<int32_t>(std::min(pages, wanted));
  plan.kv_bytes = plan.num_pages * plan.page_bytes;
  plan.total_bytes = plan.fixed_bytes + plan.kv_bytes;
  return plan;
}

}  // namespace talon
