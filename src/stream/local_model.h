// A model folder opened for use: its tokenizer and an engine on it. What the commands and the
// server start from.
#pragma once

#include <filesystem>
#include <memory>

#include "engine/config.h"
#include "engine/engine.h"
#include "text/tokenizer.h"

namespace talon {

struct LocalModel {
  std::unique_ptr<text::Tokenizer> tokenizer;
  std::unique_ptr<Engine> engine;
};

// Throws Error naming file and field. End-of-answer ids come from generation_config.json, else
// from config.json; a model that states none gets a warning.
LocalModel open_local_model(const EngineConfig& config);

}  // namespace talon
