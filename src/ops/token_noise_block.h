// The noise of TokenNoise, number for number, for a CPU that looks at many ids in order: a kernel
// makes the words of neighbouring ids together.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "base/rng.h"
#include "ops/philox_block.h"
#include "ops/token_noise.h"

namespace talon::ops {

class BlockTokenNoise {
 public:
  // As of TokenNoise; without a kernel, four ids at a time.
  BlockTokenNoise(
      int64_t seed, int64_t index, RngPurpose purpose, int32_t part, cpu::PhiloxKernel kernel)
      : key_{static_cast<uint32_t>(seed), static_cast<uint32_t>(static_cast<uint64_t>(seed) >> 32)},
        index_(static_cast<uint64_t>(index) | (static_cast<uint64_t>(part) << 48)),
        purpose_(purpose),
        kernel_(kernel) {}

  double gumbel(int32_t id) { return gumbel_noise(word(id)); }
  double gumbel_bound(int32_t id) { return gumbel_noise_bound(word(id)); }

 private:
  // Four ids share the words of one lane of the generator.
  uint32_t word(int32_t id) {
    const uint32_t lane = static_cast<uint32_t>(id) / 4;
    const uint32_t first = kernel_ == nullptr ? lane : lane / cpu::kPhiloxLanes * cpu::kPhiloxLanes;
    if (!has_words_ || first != first_lane_) {
      make_words(first);
    }
    return words_[static_cast<uint32_t>(id) - 4 * first];
  }

  void make_words(uint32_t first) {
    first_lane_ = first;
    has_words_ = true;
    const auto low = static_cast<uint32_t>(index_);
    const auto high = static_cast<uint32_t>(index_ >> 32);
    const auto purpose = static_cast<uint32_t>(purpose_);
    if (kernel_ != nullptr) {
      kernel_(words_.data(), {low, high, purpose, first, {key_[0], key_[1]}});
      return;
    }
    const auto words = philox4x32({low, high, purpose, first}, key_);
    std::copy(words.begin(), words.end(), words_.begin());
  }

  std::array<uint32_t, 2> key_;
  uint64_t index_;
  RngPurpose purpose_;
  cpu::PhiloxKernel kernel_;
  uint32_t first_lane_ = 0;
  bool has_words_ = false;
  std::array<uint32_t, size_t{4} * cpu::kPhiloxLanes> words_{};  // of the lanes from the first on
};

}  // namespace talon::ops
