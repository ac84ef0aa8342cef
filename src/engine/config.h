// All settings of an engine, filled by the program from flags, checked once, then const.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "core/cpu_path.h"
#include "model/model.h"

namespace talon {

struct EngineConfig {
  std::filesystem::path model_dir;               // a Hugging Face checkpoint folder
  std::filesystem::path draft_model_dir;         // an EAGLE-3 head; empty: no drafter at all
  int32_t num_speculative_tokens = 3;            // K, 0..7; 0 with a drafter still extends it
  ActivationType dtype = ActivationType::kBf16;  // activations and KV
  int32_t max_model_len = 0;                     // prompt + output; 0: the checkpoint's limit
  int32_t max_num_batched_tokens = 512;          // rows of a step, at least K + 1
  int32_t max_queue_len = 1024;                  // waiting requests; one more is refused
  int64_t kv_cache_bytes = int64_t{2} << 30;  // cap of the KV pool; a pool takes what the context
                                              //   limit can use, and no more than this
  int32_t num_threads = 0;                    // of the CPU pool; 0: usable processors
  std::optional<CpuPath> cpu_path;            // none: the best this processor runs
  bool strict_config = false;                 // an unknown config key is an error, not a warning
  std::string trace_file;                     // plans and results as JSON lines; empty: none
};

// Every fault at once, each naming its field; empty if the settings are usable.
std::vector<std::string> validate(const EngineConfig& config);

}  // namespace talon
