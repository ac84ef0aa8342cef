#include "engine/sampler_state.h"

#include <algorithm>
#include <limits>

#include "base/check.h"
#include "base/checked_int.h"
#include "core/copy.h"
#include "ops/count_tokens.h"

namespace talon {
namespace {

int64_t array_bytes(int64_t num_slots, int64_t vocab_size) {
  const int64_t scalars = 9 * 4 + 8;
  const int64_t lists = int64_t{4} * (SamplerState::kMaxEndIds + 2 * SamplerState::kMaxBiases);
  return num_slots * (scalars + lists + 4 * ceil_div(vocab_size, 32)) + 14 * Arena::kArenaAlignment;
}

int64_t count_bytes(int64_t num_slots, int64_t vocab_size) {
  return 4 * num_slots * vocab_size + Arena::kArenaAlignment;
}

int64_t view_bytes(const TensorView& view) {
  return view.shape().num_elements() * dtype_bytes(view.dtype());
}

void set_bit(int32_t* words, TokenId token, bool value) {
  const uint32_t bit = 1U << (token.value % 32);
  const auto word = static_cast<uint32_t>(words[token.value / 32]);
  words[token.value / 32] = static_cast<int32_t>(value ? word | bit : word & ~bit);
}

}  // namespace

SamplerState::SamplerState(int32_t num_slots, int32_t vocab_size, Device device)
    : vocab_size_(vocab_size),
      arena_(array_bytes(num_slots, vocab_size) + count_bytes(num_slots, vocab_size), device),
      device_(take_arrays(arena_, num_slots, vocab_size)),
      counts_(arena_.take(DType::kI32, Shape{num_slots, vocab_size})),
      host_arena_(device == kCpuDevice ? 0 : array_bytes(num_slots, vocab_size)),
      host_(device == kCpuDevice ? device_ : take_arrays(host_arena_, num_slots, vocab_size)),
      host_counts_(device == kCpuDevice ? 0 : static_cast<size_t>(vocab_size)) {
  SlotPatch plain;
  for (int32_t slot = 0; slot < num_slots; ++slot) {
    plain.slot = SlotIndex{slot};
    write(plain);
  }
}

SamplerState::Arrays SamplerState::take_arrays(Arena& arena,
                                               int32_t num_slots,
                                               int32_t vocab_size) {
  const Shape slots{num_slots};
  Arrays arrays;
  // `upload` copies from the first of these to the last scalar as one piece.
  arrays.flags = arena.take(DType::kI32, slots);
  arrays.seed = arena.take(DType::kI64, slots);
  arrays.temperature = arena.take(DType::kF32, slots);
  arrays.top_k = arena.take(DType::kI32, slots);
  arrays.top_p = arena.take(DType::kF32, slots);
  arrays.min_p = arena.take(DType::kF32, slots);
  arrays.repetition = arena.take(DType::kF32, slots);
  arrays.presence = arena.take(DType::kF32, slots);
  arrays.frequency = arena.take(DType::kF32, slots);
  arrays.min_end_index = arena.take(DType::kI32, slots);
  arrays.end_ids = arena.take(DType::kI32, Shape{num_slots, kMaxEndIds});
  arrays.bias_ids = arena.take(DType::kI32, Shape{num_slots, kMaxBiases});
  arrays.bias_values = arena.take(DType::kF32, Shape{num_slots, kMaxBiases});
  arrays.masks = arena.take(DType::kI32, Shape{num_slots, ceil_div(vocab_size, 32)});
  return arrays;
}

void SamplerState::apply(Stream stream, const SlotPatch& patch) {
  write(patch);
  if (is_mirrored()) {
    upload(stream, patch.slot.value);
  }
  if (patch.sampling.has_penalties()) {
    write_counts(stream, patch);
  }
}

// The scalars of all slots are few bytes; of the lists those that the slot has.
void SamplerState::upload(Stream stream, int32_t slot) const {
  const auto* begin = host_.flags.data();
  const auto* end = host_.min_end_index.data() + view_bytes(host_.min_end_index);
  copy_bytes(stream, device_.flags.data(), begin, end - begin);
  const auto copy_row = [&](const TensorView& to, const TensorView& from) {
    copy(stream, to.rows(slot, 1), from.rows(slot, 1));
  };
  const int32_t flags = host_.flags.as<int32_t>()[slot];
  if ((flags & ops::kSlotHoldsEnds) != 0) {
    copy_row(device_.end_ids, host_.end_ids);
  }
  if ((flags & ops::kSlotBiases) != 0) {
    copy_row(device_.bias_ids, host_.bias_ids);
    copy_row(device_.bias_values, host_.bias_values);
  }
  if ((flags & ops::kSlotMasks) != 0) {
    copy_row(device_.masks, host_.masks);
  }
}

void SamplerState::write(const SlotPatch& patch) {
  const SamplingSettings& sampling = patch.sampling;
  const int32_t slot = patch.slot.value;
  TALON_CHECK(slot >= 0 && slot < host_.flags.size(0), "slot {} of {}", slot, host_.flags.size(0));
  TALON_CHECK(patch.min_end_index <= std::numeric_limits<int32_t>::max(), "index {}",
              patch.min_end_index);
  const bool has_mask = !sampling.allowed_token_ids.empty() || !sampling.bad_token_ids.empty();
  host_.flags.as<int32_t>()[slot] = (patch.end_ids.empty() ? 0 : ops::kSlotHoldsEnds) |
                                    (has_mask ? ops::kSlotMasks : 0) |
                                    (sampling.logit_bias.empty() ? 0 : ops::kSlotBiases) |
                                    (sampling.has_penalties() ? ops::kSlotPenalises : 0);
  host_.seed.as<int64_t>()[slot] = sampling.seed;
  host_.temperature.as<float>()[slot] = sampling.temperature;
  host_.top_k.as<int32_t>()[slot] = sampling.top_k;
  host_.top_p.as<float>()[slot] = sampling.top_p;
  host_.min_p.as<float>()[slot] = sampling.min_p;
  host_.repetition.as<float>()[slot] = sampling.repetition_penalty;
  host_.presence.as<float>()[slot] = sampling.presence_penalty;
  host_.frequency.as<float>()[slot] = sampling.frequency_penalty;
  host_.min_end_index.as<int32_t>()[slot] = static_cast<int32_t>(patch.min_end_index);
  write_lists(patch);
  if (has_mask) {
    write_mask(sampling, slot);
  }
}

void SamplerState::write_lists(const SlotPatch& patch) {
  const auto& biases = patch.sampling.logit_bias;
  TALON_CHECK(patch.end_ids.size() <= size_t{kMaxEndIds}, "{} end ids", patch.end_ids.size());
  TALON_CHECK(biases.size() <= size_t{kMaxBiases}, "{} biases", biases.size());
  auto* ends = host_.end_ids.row<int32_t>(patch.slot.value);
  for (const TokenId token : patch.end_ids) {
    check_token(token);
    *ends++ = token.value;
  }
  if (patch.end_ids.size() < size_t{kMaxEndIds}) {
    *ends = -1;
  }
  auto* ids = host_.bias_ids.row<int32_t>(patch.slot.value);
  auto* values = host_.bias_values.row<float>(patch.slot.value);
  for (const LogitBias& bias : biases) {
    check_token(bias.token);
    *ids++ = bias.token.value;
    *values++ = bias.bias;
  }
  if (biases.size() < size_t{kMaxBiases}) {
    *ids = -1;
  }
}

void SamplerState::write_mask(const SamplingSettings& sampling, int32_t slot) {
  auto* words = host_.masks.row<int32_t>(slot);
  std::fill_n(words, host_.masks.size(1), sampling.allowed_token_ids.empty() ? -1 : 0);
  for (const TokenId token : sampling.allowed_token_ids) {
    check_token(token);
    set_bit(words, token, true);
  }
  for (const TokenId token : sampling.bad_token_ids) {
    check_token(token);
    set_bit(words, token, false);
  }
}

void SamplerState::write_counts(Stream stream, const SlotPatch& patch) {
  TALON_CHECK(patch.prompt_len >= 0 && patch.prompt_len <= std::ssize(patch.tokens),
              "{} of {} tokens are the prompt", patch.prompt_len, patch.tokens.size());
  auto* counts = is_mirrored() ? host_counts_.data() : counts_.row<int32_t>(patch.slot.value);
  std::fill_n(counts, vocab_size_, 0);
  for (size_t i = 0; i < patch.tokens.size(); ++i) {
    check_token(patch.tokens[i]);
    int32_t& count = counts[patch.tokens[i].value];
    count = static_cast<int64_t>(i) < patch.prompt_len ? count | 1 : count + 2;
  }
  if (is_mirrored()) {
    copy(stream, counts_.at(patch.slot.value),
         ConstTensorView(host_counts_.data(), Shape{vocab_size_}));
    synchronize(stream);  // the next patch writes there again
  }
}

void SamplerState::check_token(TokenId token) const {
  TALON_CHECK(token.value >= 0 && token.value < vocab_size_, "token {} of {}", token.value,
              vocab_size_);
}

void SamplerState::count(Stream stream, ConstTensorView tokens, ConstTensorView slots) {
  ops::count_tokens(stream,
                    {.counts = counts_, .flags = device_.flags, .tokens = tokens, .slots = slots});
}

ops::SlotSampling SamplerState::views() const {
  return {.flags = device_.flags,
          .seed = device_.seed,
          .temperature = device_.temperature,
          .top_k = device_.top_k,
          .top_p = device_.top_p,
          .min_p = device_.min_p,
          .repetition = device_.repetition,
          .presence = device_.presence,
          .frequency = device_.frequency,
          .min_end_index = device_.min_end_index,
          .end_ids = device_.end_ids,
          .masks = device_.masks,
          .bias_ids = device_.bias_ids,
          .bias_values = device_.bias_values,
          .counts = counts_};
}

bool SamplerState::is_plain_greedy(SlotIndex slot) const {
  return host_.temperature.as<float>()[slot.value] == 0.0F &&
         host_.flags.as<int32_t>()[slot.value] == 0;
}

}  // namespace talon
