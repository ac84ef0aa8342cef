// Noise of a draw among tokens: for each id one number that depends on a seed, the absolute index
// of the token being drawn, a purpose and the id alone. The largest of log p + Gumbel noise falls
// on each id with its probability, whichever other ids take part, so a draw depends neither on the
// batch nor on the rank that holds an id.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "base/rng.h"
#include "ops/philox_block.h"

namespace talon::ops {

class TokenNoise {
 public:
  // `part` tells draws for the same index apart. The index takes 48 bits. A kernel makes the words
  // of neighbouring ids together; null: four ids at a time. It changes no number.
  TokenNoise(int64_t seed,
             int64_t index,
             RngPurpose purpose,
             int32_t part = 0,
             cpu::PhiloxKernel kernel = nullptr)
      : key_{static_cast<uint32_t>(seed), static_cast<uint32_t>(static_cast<uint64_t>(seed) >> 32)},
        index_(static_cast<uint64_t>(index) | (static_cast<uint64_t>(part) << 48)),
        purpose_(purpose),
        kernel_(kernel) {}

  // In (0, 1), 32 bits.
  double uniform(int32_t id) { return (static_cast<double>(word(id)) + 0.5) * 0x1.0p-32; }

  double gumbel(int32_t id) { return -std::log(-std::log(uniform(id))); }

  // At least `gumbel`, without its logarithms: -log(-log u) <= -log(1 - u), because -log u >= 1 -
  // u, and 1 - u = (~word + 0.5) 2^-32 >= 2^-(z + 1) if ~word has z leading zeros. The factor is
  // above ln 2 by more than a logarithm's rounding.
  double gumbel_bound(int32_t id) {
    return static_cast<double>(std::countl_zero(~word(id)) + 1) * 0.6931472;
  }

  // No bound is larger.
  static constexpr double kLargestGumbel = 33 * 0.6931472;

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
