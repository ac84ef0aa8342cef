#include "measure/report.h"

namespace talon {

Json spec_json(const SpecStats& stats, int32_t num_speculative_tokens) {
  Json histogram = Json::array();
  Json rates = Json::array();
  for (int32_t i = 0; i <= num_speculative_tokens; ++i) {
    histogram.push_back(stats.accepted_histogram[static_cast<size_t>(i)]);
    if (i > 0) {
      rates.push_back(stats.survival(i));
    }
  }
  return {{"num_speculative_tokens", num_speculative_tokens},
          {"rounds", stats.rounds},
          {"drafted", stats.drafted},
          {"accepted", stats.accepted},
          {"acceptance_rate", stats.acceptance_rate()},
          {"tokens_per_forward", stats.tokens_per_forward()},
          {"accepted_histogram", histogram},
          {"per_position_rate", rates},
          {"kept",
           {{"accepted", stats.kept.accepted},
            {"tokens", stats.kept.tokens},
            {"rounds", stats.kept.rounds}}}};
}

Json completion_json(const Completion& completion, int32_t num_speculative_tokens) {
  Json ids = Json::array();
  for (const TokenId token : completion.tokens) {
    ids.push_back(token.value);
  }
  return {{"text", completion.text},
          {"token_ids", ids},
          {"finish_reason", finish_reason_name(completion.finish_reason)},
          {"prompt_tokens", completion.prompt_tokens},
          {"completion_tokens", completion.tokens.size()},
          {"spec", spec_json(completion.stats, num_speculative_tokens)},
          {"timings",
           {{"prefill_ms", completion.prefill_ms},
            {"decode_ms", completion.decode_ms},
            {"decode_tokens_per_s", completion.decode_tokens_per_s()}}}};
}

}  // namespace talon
