#include "oracle/speculation_oracle.h"

#include <algorithm>
#include <numeric>

namespace talon::oracle {
namespace {

using Taps = std::vector<std::vector<double>>;

// Extends the drafter over positions [cache.size(), tokens.size() - 1) with true taps and drafts
// from the last of them. Chain rows are dropped again: they are provisional.
std::vector<int32_t> extend_and_draft(const SpeculativeSetup& setup,
                                      Eagle3Cache& cache,
                                      const Taps& taps,
                                      std::span<const int32_t> tokens) {
  const int64_t first = cache.size();
  const int64_t kv_len = std::ssize(tokens) - 1;
  const Taps rows(taps.begin() + first, taps.begin() + kv_len);
  const auto hidden =
      setup.head.extend(cache, rows, tokens.subspan(static_cast<size_t>(first) + 1));
  const std::vector<int32_t> drafts =
      setup.head.chain(cache, hidden.back(), setup.num_drafts, setup.allowed);
  cache.truncate(kv_len);
  return drafts;
}

// The verdict on `drafts` when `choices[j]` is the target's token after verify row j.
SpeculativeRound judge(const std::vector<int32_t>& drafts, std::span<const int32_t> choices) {
  SpeculativeRound round;
  round.drafts = drafts;
  const auto differs = std::mismatch(drafts.begin(), drafts.end(), choices.begin());
  round.num_accepted = differs.first - drafts.begin();
  round.emitted.assign(choices.begin(), choices.begin() + round.num_accepted + 1);
  return round;
}

}  // namespace

SpeculativeTrace speculative_greedy(const SpeculativeSetup& setup,
                                    std::span<const int32_t> prompt,
                                    int64_t max_new_tokens) {
  SpeculativeTrace trace;
  trace.tokens.assign(prompt.begin(), prompt.end());
  std::vector<int32_t> drafts;
  const int64_t wanted = std::ssize(prompt) + max_new_tokens;
  for (bool prefill = true; prefill || std::ssize(trace.tokens) < wanted; prefill = false) {
    std::vector<int32_t> input = trace.tokens;
    input.insert(input.end(), drafts.begin(), drafts.end());
    std::vector<int64_t> rows(drafts.size() + 1);
    std::iota(rows.begin(), rows.end(), std::ssize(trace.tokens) - 1);
    const M3Output target = m3_forward(setup.target_config, setup.target_weights, input, rows);
    std::vector<int32_t> choices;
    for (int64_t i = 0; i < target.logits.rows; ++i) {
      choices.push_back(argmax(target.logits.row_span(i), setup.allowed));
    }

    SpeculativeRound round = judge(drafts, choices);
    trace.tokens.insert(trace.tokens.end(), round.emitted.begin(), round.emitted.end());
    drafts = extend_and_draft(setup, trace.cache, gather_taps(target, setup.head_config.tap_layers),
                              trace.tokens);
    round.kv_len = trace.cache.size();
    if (!prefill) {
      trace.rounds.push_back(std::move(round));
    }
  }
  trace.pending_drafts = drafts;
  return trace;
}

SpeculativeTrace replay(const SpeculativeSetup& setup,
                        const M3Output& target,
                        std::span<const int32_t> tokens,
                        int64_t prompt_length) {
  const Taps taps = gather_taps(target, setup.head_config.tap_layers);
  SpeculativeTrace trace;
  int64_t n = prompt_length + 1;
  std::vector<int32_t> drafts =
      extend_and_draft(setup, trace.cache, taps, tokens.first(static_cast<size_t>(n)));
  // The choice after position p of a greedy sequence is token p + 1.
  while (n + std::ssize(drafts) + 1 <= std::ssize(tokens)) {
    SpeculativeRound round = judge(drafts, tokens.subspan(static_cast<size_t>(n)));
    n += std::ssize(round.emitted);
    drafts = extend_and_draft(setup, trace.cache, taps, tokens.first(static_cast<size_t>(n)));
    round.kv_len = trace.cache.size();
    trace.rounds.push_back(std::move(round));
  }
  trace.tokens.assign(tokens.begin(), tokens.begin() + n);
  trace.pending_drafts = drafts;
  return trace;
}

std::vector<int32_t> greedy(const M3Config& config,
                            const Weights& weights,
                            std::span<const int32_t> prompt,
                            int64_t max_new_tokens,
                            const std::vector<bool>& allowed) {
  std::vector<int32_t> tokens(prompt.begin(), prompt.end());
  for (int64_t i = 0; i < max_new_tokens; ++i) {
    const M3Output out = m3_forward(config, weights, tokens, {std::ssize(tokens) - 1});
    tokens.push_back(argmax(out.logits.row_span(0), allowed));
  }
  return tokens;
}

}  // namespace talon::oracle
