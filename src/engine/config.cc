#include "engine/config.h"

#include <fmt/format.h>

#include <string_view>

#include "core/backend.h"

namespace talon {
namespace {

// A cache may hold the activations' own type or fp8: nothing converts between bf16 and float32.
bool fits(CacheDtype cache, ActivationType activations) {
  switch (cache) {
    case CacheDtype::kBf16:
      return activations == ActivationType::kBf16;
    case CacheDtype::kF32:
      return activations == ActivationType::kF32;
    case CacheDtype::kAuto:
    case CacheDtype::kFp8:
      break;
  }
  return true;
}

std::string misfit(std::string_view field, CacheDtype cache, ActivationType activations) {
  const std::string_view own = cache_dtype_name(CacheDtype::kAuto, activations);
  return fmt::format("{}: {} does not go with dtype {}, only {} and fp8 do", field,
                     cache_dtype_name(cache, activations), own, own);
}

}  // namespace

KvFormat kv_format(const EngineConfig& config) {
  return {.fp8_kv = config.kv_cache_dtype == CacheDtype::kFp8,
          .fp8_index = config.index_cache_dtype == CacheDtype::kFp8};
}

std::vector<std::string> validate(const EngineConfig& config) {
  std::vector<std::string> faults;
  const auto need = [&faults](bool fine, std::string fault) {
    if (!fine) {
      faults.push_back(std::move(fault));
    }
  };
  const int32_t drafts = config.num_speculative_tokens;
  need(!config.model_dir.empty(), "model: no folder given");
  need(drafts >= 0 && drafts <= kMaxDrafts,
       fmt::format("num-speculative-tokens: {} is not in 0..{}", drafts, kMaxDrafts));
  need(fits(config.kv_cache_dtype, config.dtype),
       misfit("kv-cache-dtype", config.kv_cache_dtype, config.dtype));
  need(fits(config.index_cache_dtype, config.dtype),
       misfit("index-cache-dtype", config.index_cache_dtype, config.dtype));
  need(config.max_model_len == 0 || config.max_model_len >= 2,
       fmt::format("max-model-len: {} leaves no room for a token", config.max_model_len));
  need(config.max_num_batched_tokens > drafts,
       fmt::format("max-num-batched-tokens: {} is below the {} rows of one verify",
                   config.max_num_batched_tokens, drafts + 1));
  need(config.max_num_seqs >= 1 && config.max_num_seqs <= 1024,
       fmt::format("max-num-seqs: {} is not in 1..1024", config.max_num_seqs));
  need(config.max_num_batched_tokens >= config.max_num_seqs,
       fmt::format("max-num-batched-tokens: {} rows for {} sequences",
                   config.max_num_batched_tokens, config.max_num_seqs));
  need(config.long_prefill_token_threshold >= 0,
       "long-prefill-token-threshold: must not be negative");
  need(config.acceptance_length == 0.0 ||
           (config.acceptance_length >= 1.0 && config.acceptance_length <= drafts + 1.0),
       fmt::format("spec-decode-acceptance-length: {} is not in 1..{}", config.acceptance_length,
                   drafts + 1));
  need(config.max_queue_len >= 1, "max-queue-len: must be at least 1");
  need(config.kv_cache_bytes.value_or(1) >= 1, "kv-cache-bytes: must be at least 1");
  need(config.gpu_memory_utilization > 0.0 && config.gpu_memory_utilization <= 1.0,
       fmt::format("gpu-memory-utilization: {} is not above 0 and at most 1",
                   config.gpu_memory_utilization));
  need(config.num_threads >= 0 && config.num_threads <= 1024,
       fmt::format("threads: {} is not in 0..1024", config.num_threads));
  need(kHasCuda || config.device != DeviceChoice::kCuda,
       "device: this program was built without CUDA");
  need(!config.cpu_path.has_value() || cpu_path_available(*config.cpu_path),
       "cpu-path: this processor does not run it");
  return faults;
}

}  // namespace talon
