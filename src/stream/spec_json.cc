#include "stream/spec_json.h"

#include <cstddef>

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

}  // namespace talon
