#include "engine/sampler_state.h"

#include <algorithm>
#include <limits>

#include "base/check.h"
#include "base/checked_int.h"
#include "ops/count_tokens.h"

namespace talon {
namespace {

int64_t state_bytes(int64_t num_slots, int64_t vocab_size) {
  const int64_t scalars = 9 * 4 + 8;
  const int64_t lists = int64_t{4} * (SamplerState::kMaxEndIds + 2 * SamplerState::kMaxBiases);
  const int64_t rows = 4 * (ceil_div(vocab_size, 32) + vocab_size);
  return num_slots * (scalars + lists + rows) + 15 * Arena::kArenaAlignment;
}

void set_bit(int32_t* words, TokenId token, bool value) {
  const uint32_t bit = 1U << (token.value % 32);
  const auto word = static_cast<uint32_t>(words[token.value / 32]);
  words[token.value / 32] = static_cast<int32_t>(value ? word | bit : word & ~bit);
}

}  // namespace

SamplerState::SamplerState(int32_t num_slots, int32_t vocab_size, Device device)
    : vocab_size_(vocab_size), arena_(state_bytes(num_slots, vocab_size), device) {
  const Shape slots{num_slots};
  flags_ = arena_.take(DType::kI32, slots);
  seed_ = arena_.take(DType::kI64, slots);
  temperature_ = arena_.take(DType::kF32, slots);
  top_k_ = arena_.take(DType::kI32, slots);
  top_p_ = arena_.take(DType::kF32, slots);
  min_p_ = arena_.take(DType::kF32, slots);
  repetition_ = arena_.take(DType::kF32, slots);
  presence_ = arena_.take(DType::kF32, slots);
  frequency_ = arena_.take(DType::kF32, slots);
  min_end_index_ = arena_.take(DType::kI32, slots);
  end_ids_ = arena_.take(DType::kI32, Shape{num_slots, kMaxEndIds});
  bias_ids_ = arena_.take(DType::kI32, Shape{num_slots, kMaxBiases});
  bias_values_ = arena_.take(DType::kF32, Shape{num_slots, kMaxBiases});
  masks_ = arena_.take(DType::kI32, Shape{num_slots, ceil_div(vocab_size, 32)});
  counts_ = arena_.take(DType::kI32, Shape{num_slots, vocab_size});
  SlotPatch plain;
  for (int32_t slot = 0; slot < num_slots; ++slot) {
    plain.slot = SlotIndex{slot};
    apply(plain);
  }
}

void SamplerState::apply(const SlotPatch& patch) {
  const SamplingSettings& sampling = patch.sampling;
  const int32_t slot = patch.slot.value;
  TALON_CHECK(slot >= 0 && slot < flags_.size(0), "slot {} of {}", slot, flags_.size(0));
  TALON_CHECK(patch.min_end_index <= std::numeric_limits<int32_t>::max(), "index {}",
              patch.min_end_index);
  const bool has_mask = !sampling.allowed_token_ids.empty() || !sampling.bad_token_ids.empty();
  flags_.as<int32_t>()[slot] = (patch.end_ids.empty() ? 0 : ops::kSlotHoldsEnds) |
                               (has_mask ? ops::kSlotMasks : 0) |
                               (sampling.logit_bias.empty() ? 0 : ops::kSlotBiases) |
                               (sampling.has_penalties() ? ops::kSlotPenalises : 0);
  seed_.as<int64_t>()[slot] = sampling.seed;
  temperature_.as<float>()[slot] = sampling.temperature;
  top_k_.as<int32_t>()[slot] = sampling.top_k;
  top_p_.as<float>()[slot] = sampling.top_p;
  min_p_.as<float>()[slot] = sampling.min_p;
  repetition_.as<float>()[slot] = sampling.repetition_penalty;
  presence_.as<float>()[slot] = sampling.presence_penalty;
  frequency_.as<float>()[slot] = sampling.frequency_penalty;
  min_end_index_.as<int32_t>()[slot] = static_cast<int32_t>(patch.min_end_index);
  apply_lists(patch);
  if (has_mask) {
    apply_mask(sampling, slot);
  }
  if (sampling.has_penalties()) {
    apply_counts(patch);
  }
}

void SamplerState::apply_lists(const SlotPatch& patch) {
  const auto& biases = patch.sampling.logit_bias;
  TALON_CHECK(patch.end_ids.size() <= size_t{kMaxEndIds}, "{} end ids", patch.end_ids.size());
  TALON_CHECK(biases.size() <= size_t{kMaxBiases}, "{} biases", biases.size());
  auto* ends = end_ids_.row<int32_t>(patch.slot.value);
  for (const TokenId token : patch.end_ids) {
    check_token(token);
    *ends++ = token.value;
  }
  if (patch.end_ids.size() < size_t{kMaxEndIds}) {
    *ends = -1;
  }
  auto* ids = bias_ids_.row<int32_t>(patch.slot.value);
  auto* values = bias_values_.row<float>(patch.slot.value);
  for (const LogitBias& bias : biases) {
    check_token(bias.token);
    *ids++ = bias.token.value;
    *values++ = bias.bias;
  }
  if (biases.size() < size_t{kMaxBiases}) {
    *ids = -1;
  }
}

void SamplerState::apply_mask(const SamplingSettings& sampling, int32_t slot) {
  auto* words = masks_.row<int32_t>(slot);
  std::fill_n(words, masks_.size(1), sampling.allowed_token_ids.empty() ? -1 : 0);
  for (const TokenId token : sampling.allowed_token_ids) {
    check_token(token);
    set_bit(words, token, true);
  }
  for (const TokenId token : sampling.bad_token_ids) {
    check_token(token);
    set_bit(words, token, false);
  }
}

void SamplerState::apply_counts(const SlotPatch& patch) {
  TALON_CHECK(patch.prompt_len >= 0 && patch.prompt_len <= std::ssize(patch.tokens),
              "{} of {} tokens are the prompt", patch.prompt_len, patch.tokens.size());
  auto* counts = counts_.row<int32_t>(patch.slot.value);
  std::fill_n(counts, vocab_size_, 0);
  for (size_t i = 0; i < patch.tokens.size(); ++i) {
    check_token(patch.tokens[i]);
    int32_t& count = counts[patch.tokens[i].value];
    count = static_cast<int64_t>(i) < patch.prompt_len ? count | 1 : count + 2;
  }
}

void SamplerState::check_token(TokenId token) const {
  TALON_CHECK(token.value >= 0 && token.value < vocab_size_, "token {} of {}", token.value,
              vocab_size_);
}

void SamplerState::count(Stream stream, ConstTensorView tokens, ConstTensorView slots) {
  ops::count_tokens(stream, {.counts = counts_, .flags = flags_, .tokens = tokens, .slots = slots});
}

ops::SlotSampling SamplerState::views() const {
  return {.flags = flags_,
          .seed = seed_,
          .temperature = temperature_,
          .top_k = top_k_,
          .top_p = top_p_,
          .min_p = min_p_,
          .repetition = repetition_,
          .presence = presence_,
          .frequency = frequency_,
          .min_end_index = min_end_index_,
          .end_ids = end_ids_,
          .masks = masks_,
          .bias_ids = bias_ids_,
          .bias_values = bias_values_,
          .counts = counts_};
}

bool SamplerState::is_plain_greedy(SlotIndex slot) const {
  return temperature_.as<float>()[slot.value] == 0.0F && flags_.as<int32_t>()[slot.value] == 0;
}

}  // namespace talon
