// The flags that choose a model and its settings, the same for every command that runs one.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "engine/config.h"

namespace talon {

struct ModelFlags {
  std::string model;
  std::string draft_model;
  std::string method;  // "eagle3", "none", or empty: eagle3 if there is a drafter
  int32_t num_speculative_tokens = 3;
  std::string dtype = "auto";
  std::string kv_cache_dtype = "auto";
  std::string index_cache_dtype = "auto";
  std::string online_quant;  // JSON
  std::string quantization;  // "fp8", or empty
  std::string load_format = "auto";
  std::string hf_overrides = "{}";
  std::string device = "auto";
  std::string cpu_path;
  std::string scheduling_policy = "fcfs";
  std::string spec_policy = "fixed";
  std::string draft_draws = "greedy";
  std::string cost_table;                 // a file
  std::optional<double> acceptance_rate;  // of drafts, forced
  EngineConfig engine;                    // the flags that need no translation
};

void add_model_flags(CLI::App& app, ModelFlags& flags);

// The settings these flags mean. Without --model: the embedded pair. Throws Error that lists every
// fault.
EngineConfig resolve(const ModelFlags& flags);

// The folder of the embedded models: beside the build (../models), beside the program (models) or
// where `make install` puts it (../share/talon/models). Throws Error naming the places.
std::filesystem::path embedded_models_dir();

}  // namespace talon
