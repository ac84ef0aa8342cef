#include "server/api/usage_json.h"

namespace talon::server {

Json usage_json(const UsageCounts& counts, const std::optional<UsageTimings>& timings) {
  Json usage = {{"prompt_tokens", counts.prompt_tokens},
                {"completion_tokens", counts.completion_tokens},
                {"total_tokens", counts.prompt_tokens + counts.completion_tokens},
                {"prompt_tokens_details", {{"cached_tokens", counts.cached_tokens}}}};
  if (counts.reasoning_tokens.has_value()) {
    usage["completion_tokens_details"] = {{"reasoning_tokens", *counts.reasoning_tokens}};
  }
  if (timings.has_value()) {
    usage["ttft_s"] = timings->ttft_s;
    usage["tpot_s"] = timings->tpot_s;
    usage["latency_s"] = timings->latency_s;
  }
  return usage;
}

}  // namespace talon::server
