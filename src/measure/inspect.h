// What `talon inspect` knows of a checkpoint folder, without loading a weight: the architecture,
// the tensors its config promises and whether the shard headers keep the promise, formats, counts
// and KV bytes. With the index file alone it checks names, and shapes are derived from the config.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kv/kv_layout.h"
#include "model/memory_plan.h"
#include "model/tensor_table.h"

namespace talon {

struct InspectCount {
  int64_t num_tensors = 0;     // in the files, scales included
  int64_t num_parameters = 0;  // elements of weights; scales are none
  int64_t num_bytes = 0;       // in the files; 0 with the index alone
};

struct InspectedTensor {
  std::string name;    // as the loader asks for it
  std::string format;  // a weight format, or the dtype of another tensor; "" with the index alone
  std::vector<int64_t> shape;
  int64_t num_bytes = 0;
  std::string file_name;
};

struct InspectReport {
  std::filesystem::path folder;
  std::string architecture;
  std::string role;                                        // "target" or "drafter"
  std::vector<std::pair<std::string, std::string>> sizes;  // of the config: name, value
  std::string quant_method;                                // "" for none
  int64_t num_files = 0;
  bool has_headers = false;  // false: only the index was there

  std::vector<std::pair<ModelPart, InspectCount>> parts;      // those that occur
  std::vector<std::pair<std::string, InspectCount>> formats;  // of linear weights
  InspectCount loaded;                                        // what the loader takes
  InspectCount skipped;                                       // vision, multi-token prediction
  InspectCount all;                                           // both, and unknown tensors

  KvFormat kv;                        // what is counted as e4m3; the rest is bf16
  int64_t kv_bytes_per_token = 0;     // of all planes
  int64_t index_bytes_per_token = 0;  // of these, index keys
  int32_t max_positions = 0;
  std::optional<MemoryPlan> memory;  // weights as stored, pages for one sequence; none: over 2^62

  std::vector<std::string> unknown_keys;  // of config.json
  std::vector<std::string> problems;      // one line each: the checkpoint cannot be loaded
  std::vector<std::string> warnings;      // one line each: unknown keys and tensors, no taps
  std::vector<InspectedTensor> tensors;
};

// Throws Error where there is nothing to report on: no folder, an unreadable config.json, index or
// header, an architecture or config value that is not implemented.
InspectReport inspect_checkpoint(const std::filesystem::path& folder, KvFormat kv = {});

std::string inspect_text(const InspectReport& report, bool with_tensors);
std::string inspect_json(const InspectReport& report, bool with_tensors);

}  // namespace talon
