// Random weights that need no file: a pure function of (seed, tensor name, element index), equal to
// tools/random_weights.py bit for bit. Values are uniform in a range that follows from the tensor's
// name and shape, rounded to bf16 (nearest even). tests/golden/README.md describes the function; a
// change here makes every golden wrong. Stateless and thread safe.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <string_view>
#include <vector>

namespace talon::test {

// The finaliser of splitmix64.
constexpr uint64_t mix64(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
  return z ^ (z >> 31);
}

constexpr uint64_t fnv1a64(std::string_view text) {
  uint64_t value = 0xCBF29CE484222325U;
  for (const char c : text) {
    value = (value ^ static_cast<unsigned char>(c)) * 0x100000001B3U;
  }
  return value;
}

// 24 random bits of one element.
constexpr uint32_t random_bits(uint64_t seed, std::string_view name, uint64_t index) {
  const uint64_t key = mix64(seed ^ fnv1a64(name));
  return static_cast<uint32_t>(mix64(key + index * 0x9E3779B97F4A7C15U) >> 40);
}

inline uint16_t to_bf16(float value) {
  const auto word = std::bit_cast<uint32_t>(value);
  return static_cast<uint16_t>((word + 0x7FFF + ((word >> 16) & 1)) >> 16);
}

inline float from_bf16(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

struct WeightRange {
  double centre = 0.0;
  double half_width = 1.0;
};

// Target norms are centred on 0 (their gain is 1 + w), the drafter's on 1.
inline WeightRange weight_range(std::string_view name, const std::vector<int64_t>& shape) {
  const bool is_target = name.starts_with("language_model.");
  const auto is_any = [&](auto... suffix) { return (name.ends_with(suffix) || ...); };
  if (is_any("bias")) {
    return {0.0, 0.2};
  }
  if (shape.size() == 1) {
    return {is_target ? 0.0 : 1.0, 0.5};
  }
  if (is_any("embed_tokens.weight")) {
    return {0.0, 1.75};
  }
  const double unit = std::sqrt(3.0 / static_cast<double>(shape.back()));
  if (is_any("lm_head.weight")) {
    return {0.0, 2.0 * unit};
  }
  // Wide enough that the clamps of the target's SwiGLU are reached.
  if (is_target && is_any("gate_proj.weight", "up_proj.weight", "w1.weight", "w3.weight")) {
    return {0.0, 3.0 * unit};
  }
  if (is_target && is_any("down_proj.weight", "w2.weight")) {
    return {0.0, 0.25 * unit};
  }
  return {0.0, unit};
}

// The tensor's bf16 bit patterns, row-major.
inline std::vector<uint16_t> random_bf16(uint64_t seed,
                                         std::string_view name,
                                         const std::vector<int64_t>& shape) {
  const WeightRange range = weight_range(name, shape);
  uint64_t count = 1;
  for (const int64_t extent : shape) {
    count *= static_cast<uint64_t>(extent);
  }
  std::vector<uint16_t> out(count);
  for (uint64_t i = 0; i < count; ++i) {
    const double unit = random_bits(seed, name, i) * 0x1.0p-23 - 1.0;  // [-1, 1), exact
    out[i] = to_bf16(static_cast<float>(range.centre + range.half_width * unit));
  }
  return out;
}

// Token ids, uniform over the vocabulary.
inline std::vector<int32_t> random_tokens(uint64_t seed, int64_t count, int64_t vocab_size) {
  std::vector<int32_t> out;
  for (int64_t i = 0; i < count; ++i) {
    const uint64_t bits = random_bits(seed, "tokens", static_cast<uint64_t>(i));
    out.push_back(static_cast<int32_t>((bits * static_cast<uint64_t>(vocab_size)) >> 24));
  }
  return out;
}

}  // namespace talon::test
