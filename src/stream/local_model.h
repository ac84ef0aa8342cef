// A model folder opened for use: its tokenizer and an engine on it. What the commands and the
// server start from.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "engine/config.h"
#include "engine/engine.h"
#include "text/tokenizer.h"

namespace talon {

struct LocalModel {
  std::unique_ptr<text::Tokenizer> tokenizer;
  std::unique_ptr<Engine> engine;
  std::vector<TokenId> end_token_ids;  // end an answer
  bool synthetic_acceptance = false;   // acceptance is forced: what it says means nothing
  bool synthetic_weights = false;      // they are random: likewise
};

// Throws Error naming file and field. End-of-answer ids come from generation_config.json, else
// from config.json; a model that states none gets a warning.
LocalModel open_local_model(const EngineConfig& config);

// Writes plans and results of all further steps as JSON lines, in place of any other observer.
// Throws Error if the file cannot be written.
void trace_steps(Engine& engine, const std::string& file);

}  // namespace talon
