// Counter-based random numbers: a pure function of (seed, index, purpose), so a result depends
// neither on the batch nor on the order of draws. Philox 4x32-10, Salmon et al., "Parallel random
// numbers: as easy as 1, 2, 3", SC 2011. Constant expressions, which CUDA kernels may call too.
#pragma once

#include <array>
#include <cstdint>

namespace talon {

enum class RngPurpose : uint32_t { kToken = 1, kAccept = 2, kSynthetic = 3, kTest = 4 };

constexpr std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter,
                                             std::array<uint32_t, 2> key) {
  constexpr uint32_t kMul0 = 0xD2511F53U;
  constexpr uint32_t kMul1 = 0xCD9E8D57U;
  constexpr uint32_t kWeyl0 = 0x9E3779B9U;
  constexpr uint32_t kWeyl1 = 0xBB67AE85U;
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{kMul0} * counter[0];
    const uint64_t p1 = uint64_t{kMul1} * counter[2];
    counter = {static_cast<uint32_t>(p1 >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(p1),
               static_cast<uint32_t>(p0 >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(p0)};
    key[0] += kWeyl0;
    key[1] += kWeyl1;
  }
  return counter;
}

// Uniform in [0, 1) with 24 bits; `lane` counts values drawn for the same (seed, index, purpose).
constexpr float uniform_float(uint64_t seed,
                              uint64_t index,
                              RngPurpose purpose,
                              uint32_t lane = 0) {
  const auto bits = philox4x32({static_cast<uint32_t>(index), static_cast<uint32_t>(index >> 32),
                                static_cast<uint32_t>(purpose), lane},
                               {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)});
  return static_cast<float>(bits[0] >> 8) * 0x1.0p-24F;
}

}  // namespace talon
