#include "stream/local_model.h"

#include <fmt/format.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "engine/step_trace.h"
#include "model/config_overrides.h"

namespace talon {
namespace {

constexpr int64_t kMaxTokenId = int64_t{1} << 30;

Json read_json(const std::filesystem::path& file, const std::string& overrides) {
  std::ifstream in(file, std::ios::binary);
  std::stringstream bytes;
  bytes << in.rdbuf();
  const Result<std::string> text = override_config(bytes.str(), overrides);
  if (!text.ok()) {
    throw Error(ErrorCode::kInvalidArgument, fmt::format("hf-overrides: {}", text.message()));
  }
  Result<Json> parsed = parse_json(text.value());
  if (!parsed.ok()) {
    throw Error(ErrorCode::kCorruptFile, fmt::format("{}: {}", file.string(), parsed.message()));
  }
  return std::move(parsed).value();
}

TokenId token_id(const Json& value, const std::filesystem::path& file) {
  if (!value.is_number_integer() || value.get<int64_t>() < 0 ||
      value.get<int64_t>() > kMaxTokenId) {
    throw Error(ErrorCode::kCorruptFile,
                fmt::format("{}: eos_token_id is no token id", file.string()));
  }
  return TokenId{static_cast<int32_t>(value.get<int64_t>())};
}

// `eos_token_id` of a JSON file: one id, a list of them, or absent. `overrides` as those of
// config.json.
std::vector<TokenId> end_token_ids(const std::filesystem::path& file,
                                   const std::string& overrides = "") {
  std::vector<TokenId> ids;
  if (!std::filesystem::exists(file)) {
    return ids;
  }
  const Json document = read_json(file, overrides);
  const auto it = document.is_object() ? document.find("eos_token_id") : document.end();
  if (it == document.end() || it->is_null()) {
    return ids;
  }
  if (it->is_array()) {
    for (const Json& value : *it) {
      ids.push_back(token_id(value, file));
    }
  } else {
    ids.push_back(token_id(*it, file));
  }
  return ids;
}

TokenFacts token_facts(const text::Tokenizer& tokenizer, const EngineConfig& config) {
  const std::filesystem::path& folder = config.model_dir;
  TokenFacts facts;
  for (int32_t id = 0; id < tokenizer.vocabulary_size(); ++id) {
    facts.allowed.push_back(tokenizer.has_token(TokenId{id}) ? 1 : 0);
  }
  facts.end_token_ids = end_token_ids(folder / "generation_config.json");
  if (facts.end_token_ids.empty()) {
    facts.end_token_ids = end_token_ids(folder / "config.json", config.config_overrides);
  }
  if (facts.end_token_ids.empty()) {
    log(LogLevel::kWarn, "stream",
        "model={} text=\"no eos_token_id is stated; answers end by length alone\"",
        folder.string());
  }
  return facts;
}

}  // namespace

void trace_steps(Engine& engine, const std::string& file) {
  auto out = std::make_shared<std::ofstream>(file);
  if (!*out) {
    throw Error(ErrorCode::kNotFound, fmt::format("{}: cannot be written", file));
  }
  *out << to_json_line(engine.scheduler().bounds()) << '\n';
  engine.observe([out](const StepPlan& plan, const StepResult& result) {
    *out << to_json_line(plan) << '\n' << to_json_line(result) << '\n';
  });
}

LocalModel open_local_model(const EngineConfig& config) {
  LocalModel model;
  model.tokenizer = std::make_unique<text::Tokenizer>(text::Tokenizer::load(config.text_dir()));
  const TokenFacts facts = token_facts(*model.tokenizer, config);
  model.engine = build_engine(config, facts);
  model.end_token_ids = facts.end_token_ids;
  model.synthetic_acceptance = config.acceptance_length > 0.0;
  model.synthetic_weights = config.dummy_weights;
  if (config.dummy_weights) {
    log(LogLevel::kWarn, "stream", "model={} text=\"the weights are random: answers mean nothing\"",
        config.model_dir.string());
  }
  if (!config.trace_file.empty()) {
    trace_steps(*model.engine, config.trace_file);
  }
  return model;
}

}  // namespace talon
