// The table of target models: the one place that knows their names.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/upload.h"
#include "model/model.h"
#include "model/online_quant.h"

namespace talon {

struct ModelOptions {
  ActivationType type = ActivationType::kBf16;
  KvFormat kv = {};
  bool strict_config = false;           // an unknown config key is an error, not a warning
  Uploader* uploader = nullptr;         // to the device that the model is for; null: the CPU
  OnlineQuantConfig online_quant = {};  // what bf16 weights become at load
  std::string config_overrides{};       // JSON: values instead of config.json's; empty: none
  bool dummy_weights = false;           // random ones; only config.json is read
};

// Loads the model in `folder`. Throws Error naming file and field or tensor if the architecture is
// unknown or the checkpoint is damaged.
std::unique_ptr<Model> load_model(const std::filesystem::path& folder, const ModelOptions& options);

// One warning for each key of a config file that the loader does not know, or, under strict, an
// Error naming the first.
void report_unknown_keys(const std::filesystem::path& file,
                         const std::vector<std::string>& keys,
                         bool strict);

}  // namespace talon
