// The table of drafters: the one place that knows their names.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

#include "core/upload.h"
#include "model/model.h"
#include "spec/drafter.h"

namespace talon {

struct DrafterOptions {
  ActivationType type = ActivationType::kBf16;
  KvFormat kv = {};
  std::span<const uint8_t> allowed;  // [V] 1: the target id may be drafted
  bool strict_config = false;        // an unknown config key is an error, not a warning
  Uploader* uploader = nullptr;      // to the target's device; null: the CPU
  bool dummy_weights = false;        // random ones; only config.json is read
};

// Loads the head in `folder` for `target`, which must outlive it. Throws Error naming file and
// field if the architecture is unknown or the head does not fit.
std::unique_ptr<Drafter> load_drafter(const std::filesystem::path& folder,
                                      const Model& target,
                                      const DrafterOptions& options);

}  // namespace talon
