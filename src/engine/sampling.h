// How the tokens of a request are drawn (spec/serving.md 2.3): values only. The order of processing
// a row of logits is fixed, also for every verify row:
//
//   ids without a token -> mask of the request's constraint -> min_tokens -> allowed and bad ids ->
//   logit bias -> repetition, frequency, presence penalty -> temperature -> top_k -> top_p -> min_p
//   -> draw
//
// Random numbers are a pure function of (seed, absolute index of the token, token id), so what is
// drawn depends neither on the batch, nor on chunking, nor on the number of drafts.
#pragma once

#include <cstdint>
#include <vector>

#include "base/ids.h"

namespace talon {

struct LogitBias {
  TokenId token;
  float bias = 0.0F;  // -100..100, added to the raw logit
};

struct SamplingSettings {
  float temperature = 0.0F;                // 0..2; 0: the largest logit wins
  int32_t top_k = 0;                       // keep the k largest; 0 or -1: all
  float top_p = 1.0F;                      // (0, 1]: keep the fewest that hold this mass
  float min_p = 0.0F;                      // 0..1: drop what is below this share of the largest
  float repetition_penalty = 1.0F;         // (0, 2], over prompt and generated tokens
  float presence_penalty = 0.0F;           // -2..2, over generated tokens
  float frequency_penalty = 0.0F;          // -2..2, over generated tokens
  int32_t min_tokens = 0;                  // end and stop ids are not drawn before so many
  int64_t seed = 0;                        // choice j of a request draws with seed + j
  std::vector<LogitBias> logit_bias;       // at most 1024, each id once
  std::vector<TokenId> allowed_token_ids;  // empty: all
  std::vector<TokenId> bad_token_ids;      // never drawn

  bool has_penalties() const {
    return repetition_penalty != 1.0F || presence_penalty != 0.0F || frequency_penalty != 0.0F;
  }

  // Whether a draw is the largest raw logit among ids with a token, and nothing else.
  bool is_plain_greedy() const {
    return temperature == 0.0F && !has_penalties() && min_tokens == 0 && logit_bias.empty() &&
           allowed_token_ids.empty() && bad_token_ids.empty();
  }
};

// How the drafts of sequences that sample are made. Greedy sequences always have greedy drafts.
enum class DraftDraws : uint8_t {
  kGreedy,  // the drafter's likeliest
  kShared,  // drawn with the noise of the target's own draw: they agree more often, and tokens are
            //   those of kGreedy
  kOwn,     // drawn with noise of their own and verified as a block: the law is the same, the
            //   tokens of a seed are others, and laws of [N, V] and [S, K, V] f32 are held
};

// A token and how likely the target found it: log-softmax of the raw logits.
struct TokenLogprob {
  TokenId token;
  float logprob = 0.0F;
};

// The most that a position can report besides the token that stands there.
inline constexpr int32_t kMaxTopLogprobs = 20;

// What is reported of one position: the token that stands there and the likeliest ones, likeliest
// first (ties: lower id first).
struct PositionLogprobs {
  TokenLogprob chosen;
  std::vector<TokenLogprob> top;
};

}  // namespace talon
