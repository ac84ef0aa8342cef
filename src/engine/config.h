// All settings of an engine, filled by the program from flags, checked once, then const.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "core/cpu_path.h"
#include "engine/sampling.h"
#include "model/model.h"
#include "model/online_quant.h"
#include "spec/cost_table.h"

namespace talon {

enum class SchedulingPolicy : uint8_t {
  kFcfs,      // in order of arrival; priorities have no effect
  kPriority,  // lower priority first, a step of waiting counting 1/256 of a priority
};

enum class DeviceChoice : uint8_t {
  kAuto,  // a GPU if this build has kernels for one and there is one, else the CPU
  kCpu,
  kCuda,
};

// What keys and values, or index keys, are cached as.
enum class CacheDtype : uint8_t {
  kAuto,  // the activation type
  kBf16,
  kF32,
  kFp8,  // e4m3: keys and values with a scale for each token and head, index keys without
};

// The flag's value for what such a cache holds; of kAuto what it stands for.
constexpr std::string_view cache_dtype_name(CacheDtype cache, ActivationType activations) {
  if (cache == CacheDtype::kFp8) {
    return "fp8";
  }
  if (cache == CacheDtype::kAuto) {
    return activations == ActivationType::kBf16 ? "bf16" : "float32";
  }
  return cache == CacheDtype::kBf16 ? "bf16" : "float32";
}

enum class SpecPolicyKind : uint8_t {
  kFixed,  // K drafts always
  kAuto,   // 0..K by cost and running acceptance
};

struct EngineConfig {
  std::filesystem::path model_dir;               // a Hugging Face checkpoint folder
  std::filesystem::path tokenizer_dir;           // tokenizer and template; empty: model_dir
  std::filesystem::path draft_model_dir;         // an EAGLE-3 head; empty: no drafter at all
  int32_t num_speculative_tokens = 3;            // K, 0..7; 0 with a drafter still extends it
  ActivationType dtype = ActivationType::kBf16;  // activations
  // Of target and drafter. Only fp8 may differ from the activations' type: half the memory of bf16,
  // another rounding (docs/numerics.md).
  CacheDtype kv_cache_dtype = CacheDtype::kAuto;
  CacheDtype index_cache_dtype = CacheDtype::kAuto;  // of the sparse layers' index keys
  OnlineQuantConfig online_quant;  // what bf16 weights of the target become while they are loaded
  std::string config_overrides;    // JSON: values instead of those of the target's config.json
  bool dummy_weights = false;      // random ones for both models: what they say means nothing
  DeviceChoice device = DeviceChoice::kAuto;
  bool enforce_eager = false;                // on a GPU: no captured rounds
  int32_t max_model_len = 0;                 // prompt + output; 0: the checkpoint's limit
  int32_t max_num_seqs = 64;                 // running sequences, 1..1024
  int32_t max_num_batched_tokens = 512;      // rows of a step, at least max_num_seqs and K + 1
  int32_t long_prefill_token_threshold = 0;  // rows one prompt may take per step; 0: no limit
  bool enable_prefix_caching = true;         // requests share full pages of equal prefixes
  SchedulingPolicy scheduling_policy = SchedulingPolicy::kFcfs;
  // Plan a step while the one before runs. On the CPU, where a step runs inside `launch`, this only
  // delays the results; none: on a GPU only.
  std::optional<bool> async_scheduling{};
  int32_t max_queue_len = 1024;  // waiting sequences; one more is refused
  // Cap of the KV pool, which takes what the context limit can use and no more. None: 2 GiB, on a
  // GPU all that `gpu_memory_utilization` leaves.
  std::optional<int64_t> kv_cache_bytes{};
  double gpu_memory_utilization = 0.9;  // share of a GPU's memory that may be in use, by anybody
  SpecPolicyKind spec_policy = SpecPolicyKind::kFixed;
  CostTable cost_table;            // of this device and model; for kAuto
  double acceptance_length = 0.0;  // forced acceptance: tokens per forward, 1..K+1; the text is
                                   //   meaningless then; 0: off
  DraftDraws draft_draws = DraftDraws::kGreedy;  // of requests that sample
  int32_t num_threads = 0;                       // of the CPU pool; 0: usable processors
  std::optional<CpuPath> cpu_path;               // none: the best this processor runs
  bool strict_config = false;                    // an unknown config key is an error, not a warning
  std::string trace_file;                        // plans and results as JSON lines; empty: none

  const std::filesystem::path& text_dir() const {
    return tokenizer_dir.empty() ? model_dir : tokenizer_dir;
  }
};

// How a valid configuration caches KV.
KvFormat kv_format(const EngineConfig& config);

// Every fault at once, each naming its field; empty if the settings are usable.
std::vector<std::string> validate(const EngineConfig& config);

}  // namespace talon
