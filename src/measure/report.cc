#include "measure/report.h"

#include <sys/resource.h>

#include <utility>
#include <vector>

#include "core/cpu_path.h"
#include "core/thread_pool.h"
#include "engine/choose_device.h"
#include "stream/spec_json.h"

namespace talon {
namespace {

Json logprob_json(const TokenLogprob& entry) {
  return {{"token_id", entry.token.value}, {"logprob", entry.logprob}};
}

Json logprobs_json(const std::vector<PositionLogprobs>& positions) {
  Json list = Json::array();
  for (const PositionLogprobs& position : positions) {
    Json entry = logprob_json(position.chosen);
    entry["top"] = Json::array();
    for (const TokenLogprob& top : position.top) {
      entry["top"].push_back(logprob_json(top));
    }
    list.push_back(std::move(entry));
  }
  return list;
}

}  // namespace

Json completion_json(const Completion& completion, int32_t num_speculative_tokens) {
  Json ids = Json::array();
  for (const TokenId token : completion.tokens) {
    ids.push_back(token.value);
  }
  Json json = {{"text", completion.text},
               {"token_ids", ids},
               {"finish_reason", finish_reason_name(completion.finish_reason)},
               {"prompt_tokens", completion.prompt_tokens},
               {"completion_tokens", completion.tokens.size()},
               {"spec", spec_json(completion.stats, num_speculative_tokens)},
               {"timings",
                {{"prefill_ms", completion.prefill_ms},
                 {"decode_ms", completion.decode_ms},
                 {"decode_tokens_per_s", completion.decode_tokens_per_s()}}}};
  if (!completion.logprobs.empty()) {
    json["logprobs"] = logprobs_json(completion.logprobs);
  }
  if (completion.synthetic_acceptance) {
    json["synthetic_acceptance"] = true;
  }
  if (completion.synthetic_weights) {
    json["synthetic_weights"] = true;
  }
  return json;
}

Json completions_json(std::span<const Completion> completions, int32_t num_speculative_tokens) {
  if (completions.size() == 1) {
    return completion_json(completions.front(), num_speculative_tokens);
  }
  Json choices = Json::array();
  for (const Completion& completion : completions) {
    Json choice = {{"index", completion.choice}};
    choice.update(completion_json(completion, num_speculative_tokens));
    choices.push_back(std::move(choice));
  }
  return {{"choices", std::move(choices)}};
}

std::string cpu_path_in_use(const EngineConfig& config) {
  if (choose_gpu(config.device).has_value()) {
    return "cuda";
  }
  return std::string(cpu_path_name(config.cpu_path.value_or(detect_cpu_path())));
}

int32_t threads_in_use(const EngineConfig& config) {
  if (choose_gpu(config.device).has_value()) {
    return 1;
  }
  return config.num_threads > 0 ? config.num_threads : num_usable_processors();
}

int64_t peak_memory_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return int64_t{usage.ru_maxrss} * 1024;
}

Json spread_json(const Spread& value) {
  return {{"median", value.median}, {"min", value.min}, {"max", value.max}};
}

}  // namespace talon
