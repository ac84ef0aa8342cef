// Noise of a draw among tokens: for each id one number that depends on a seed, the absolute index
// of the token being drawn, a purpose and the id alone. The largest of log p + Gumbel noise falls
// on each id with its probability, whichever other ids take part, so a draw depends neither on the
// batch nor on the rank that holds an id. A CUDA kernel calls all but `gumbel`, whose logarithms it
// takes itself.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>

#include "base/rng.h"

namespace talon::ops {

// What a word of the generator stands for. Uniform: in (0, 1), 32 bits.
constexpr double uniform_noise(uint32_t word) {
  return (static_cast<double>(word) + 0.5) * 0x1.0p-32;
}

inline double gumbel_noise(uint32_t word) { return -std::log(-std::log(uniform_noise(word))); }

// At least `gumbel_noise`, without its logarithms: -log(-log u) <= -log(1 - u), because -log u >= 1
// - u, and 1 - u = (~word + 0.5) 2^-32 >= 2^-(z + 1) if ~word has z leading zeros. The factor is
// above ln 2 by more than a logarithm's rounding.
constexpr double gumbel_noise_bound(uint32_t word) {
  return static_cast<double>(std::countl_zero(~word) + 1) * 0.6931472;
}

class TokenNoise {
 public:
  // `part` tells draws for the same index apart. The index takes 48 bits.
  constexpr TokenNoise(int64_t seed, int64_t index, RngPurpose purpose, int32_t part = 0)
      : key_{static_cast<uint32_t>(seed), static_cast<uint32_t>(static_cast<uint64_t>(seed) >> 32)},
        index_(static_cast<uint64_t>(index) | (static_cast<uint64_t>(part) << 48)),
        purpose_(purpose) {}

  constexpr double uniform(int32_t id) { return uniform_noise(word(id)); }
  double gumbel(int32_t id) { return gumbel_noise(word(id)); }
  constexpr double gumbel_bound(int32_t id) { return gumbel_noise_bound(word(id)); }

  // No bound is larger.
  static constexpr double kLargestGumbel = 33 * 0.6931472;

 private:
  // Four ids share the words of one call of the generator.
  constexpr uint32_t word(int32_t id) {
    const uint32_t lane = static_cast<uint32_t>(id) / 4;
    if (!has_words_ || lane != lane_) {
      words_ = philox4x32({static_cast<uint32_t>(index_), static_cast<uint32_t>(index_ >> 32),
                           static_cast<uint32_t>(purpose_), lane},
                          key_);
      lane_ = lane;
      has_words_ = true;
    }
    return words_[static_cast<uint32_t>(id) % 4];
  }

  std::array<uint32_t, 2> key_;
  uint64_t index_;
  RngPurpose purpose_;
  uint32_t lane_ = 0;
  bool has_words_ = false;
  std::array<uint32_t, 4> words_{};
};

}  // namespace talon::ops
