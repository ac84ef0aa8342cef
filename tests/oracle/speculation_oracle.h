// Greedy generation with an EAGLE-3 drafter, round by round, from the two oracles: what the engine
// must draft, accept and hold in the drafter's cache after each round.
//
// Slow by design: `speculative_greedy` runs the whole target again in every round. Where the tokens
// are known already, `replay` needs one target pass, because a greedy round's drafts and verdicts
// depend only on the final sequence. No state is kept between calls.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "oracle/eagle3_oracle.h"
#include "oracle/m3_oracle.h"

namespace talon::oracle {

struct SpeculativeRound {
  std::vector<int32_t> drafts;   // verified in this round
  int64_t num_accepted = 0;      // leading drafts equal to the target's choice
  std::vector<int32_t> emitted;  // the accepted drafts, then the target's own token
  int64_t kv_len = 0;            // after the round
};

struct SpeculativeTrace {
  std::vector<int32_t> tokens;  // prompt and everything emitted, not cut at max_new_tokens
  std::vector<SpeculativeRound> rounds;
  std::vector<int32_t> pending_drafts;  // drafted after the last round
  Eagle3Cache cache;                    // of the drafter, positions [0, kv_len)
};

struct SpeculativeSetup {
  const M3Config& target_config;
  const Weights& target_weights;
  const Eagle3Head& head;
  const Eagle3Config& head_config;
  int64_t num_drafts = 3;
  std::vector<bool> allowed;  // by target id; empty allows all
};

// Prefill, then rounds until at least `max_new_tokens` tokens are emitted. The first token comes
// from the prefill and belongs to no round.
SpeculativeTrace speculative_greedy(const SpeculativeSetup& setup,
                                    std::span<const int32_t> prompt,
                                    int64_t max_new_tokens);

// The same trace for a sequence that greedy decoding is known to give: `tokens` is the prompt and
// at least the tokens of the rounds wanted; rounds that would reach past its end are left out.
// `target` is m3_forward over `tokens` with all rows.
SpeculativeTrace replay(const SpeculativeSetup& setup,
                        const M3Output& target,
                        std::span<const int32_t> tokens,
                        int64_t prompt_length);

// Plain greedy decoding, one target pass per token; returns prompt and new tokens.
std::vector<int32_t> greedy(const M3Config& config,
                            const Weights& weights,
                            std::span<const int32_t> prompt,
                            int64_t max_new_tokens,
                            const std::vector<bool>& allowed = {});

}  // namespace talon::oracle
