// A small sequential generator for simulations (splitmix64): the same numbers on every machine, and
// cheap enough for millions of steps. A value; not for anything but tests.
#pragma once

#include <cstdint>
#include <vector>

#include "base/check.h"

namespace talon::test {

// A bijection of 64-bit numbers whose output bits all depend on all input bits.
constexpr uint64_t mix64(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
  return x ^ (x >> 31);
}

class SimRng {
 public:
  explicit SimRng(uint64_t seed) : state_(mix64(seed + 0x9E3779B97F4A7C15U)) {}

  uint64_t next() {
    state_ += 0x9E3779B97F4A7C15U;
    return mix64(state_);
  }

  // 0 .. count - 1, the remainder's bias being of no concern here.
  int64_t below(int64_t count) {
    TALON_CHECK(count > 0, "below {}", count);
    return static_cast<int64_t>(next() % static_cast<uint64_t>(count));
  }

  int64_t between(int64_t low, int64_t high) { return low + below(high - low + 1); }

  bool chance(double probability) {
    return static_cast<double>(next() >> 11) * 0x1.0p-53 < probability;
  }

  template <class T>
  T pick(const std::vector<T>& values) {
    return values[static_cast<size_t>(below(std::ssize(values)))];
  }

 private:
  uint64_t state_;
};

}  // namespace talon::test
