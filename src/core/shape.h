// Sizes of up to four dimensions, outermost first. A value; zero sizes are legal.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>

#include "base/check.h"

namespace talon {

inline constexpr int kMaxRank = 4;

class Shape {
 public:
  constexpr Shape() = default;
  Shape(std::initializer_list<int64_t> sizes) {
    TALON_CHECK(sizes.size() <= kMaxRank, "rank {} is over {}", sizes.size(), kMaxRank);
    for (const int64_t size : sizes) {
      TALON_CHECK(size >= 0, "a size of {}", size);
      sizes_[static_cast<size_t>(rank_++)] = size;
    }
  }

  int rank() const { return rank_; }
  int64_t operator[](int i) const {
    TALON_DCHECK(i >= 0 && i < rank_, "dimension {} of rank {}", i, rank_);
    return sizes_[static_cast<size_t>(i)];
  }
  int64_t num_elements() const {
    int64_t count = 1;
    for (int i = 0; i < rank_; ++i) {
      count *= sizes_[static_cast<size_t>(i)];
    }
    return count;
  }
  friend bool operator==(const Shape& a, const Shape& b) {
    return a.rank_ == b.rank_ && a.sizes_ == b.sizes_;
  }

 private:
  std::array<int64_t, kMaxRank> sizes_{};
  int rank_ = 0;
};

// "[4, 128]", for messages.
std::string to_string(const Shape& shape);

}  // namespace talon
