// Noise of a draw among tokens: for each id one number that depends on a seed, the absolute index
// of the token being drawn, a purpose and the id alone. The largest of log p + Gumbel noise falls
// on each id with its probability, whichever other ids take part, so a draw depends neither on the
// batch nor on the rank that holds an id.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "base/rng.h"

namespace talon::ops {

class TokenNoise {
 public:
  // `part` tells draws for the same index apart. The index takes 48 bits.
  TokenNoise(int64_t seed, int64_t index, RngPurpose purpose, int32_t part = 0)
      : key_{static_cast<uint32_t>(seed), static_cast<uint32_t>(static_cast<uint64_t>(seed) >> 32)},
        index_(static_cast<uint64_t>(index) | (static_cast<uint64_t>(part) << 48)),
        purpose_(purpose) {}

  // In (0, 1), 32 bits. Four ids share the words of one call of the generator.
  double uniform(int32_t id) {
    const uint32_t lane = static_cast<uint32_t>(id) / 4;
    if (!has_words_ || lane != lane_) {
      words_ = philox4x32({static_cast<uint32_t>(index_), static_cast<uint32_t>(index_ >> 32),
                           static_cast<uint32_t>(purpose_), lane},
                          key_);
      lane_ = lane;
      has_words_ = true;
    }
    const uint32_t word = words_[static_cast<size_t>(static_cast<uint32_t>(id) % 4)];
    return (static_cast<double>(word) + 0.5) * 0x1.0p-32;
  }

  double gumbel(int32_t id) { return -std::log(-std::log(uniform(id))); }

  // No noise is larger: u <= 1 - 2^-33, so -log(-log u) <= 33 ln 2 = 22.8739...
  static constexpr double kLargestGumbel = 22.875;

 private:
  std::array<uint32_t, 2> key_;
  uint64_t index_;
  RngPurpose purpose_;
  uint32_t lane_ = 0;
  bool has_words_ = false;
  std::array<uint32_t, 4> words_{};
};

}  // namespace talon::ops
