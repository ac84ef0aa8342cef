// Counts of observations up to fixed bounds, as Prometheus keeps them. A value.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace talon::server {

class Histogram {
 public:
  static constexpr std::array<double, 18> kSeconds = {0.001, 0.002, 0.005, 0.01, 0.02, 0.03,
                                                      0.05,  0.075, 0.1,   0.2,  0.3,  0.5,
                                                      1.0,   2.0,   5.0,   10.0, 30.0, 120.0};
  // Rows and tokens.
  static constexpr std::array<double, 18> kCounts = {
      1.0,   2.0,    4.0,    8.0,    16.0,   32.0,    64.0,    128.0,    256.0,
      512.0, 1024.0, 2048.0, 4096.0, 8192.0, 16384.0, 65536.0, 262144.0, 1048576.0};

  // `bounds` ascend and live for ever.
  Histogram() : Histogram(kSeconds) {}
  explicit Histogram(std::span<const double, 18> bounds) : bounds_(bounds) {}

  void observe(double value);
  // The series of a metric: _bucket, _sum, _count. `labels` as in braces.
  void write(std::string_view name, std::string_view labels, std::string& out) const;

 private:
  std::span<const double, 18> bounds_;
  std::array<int64_t, 19> counts_{};
  double sum_ = 0.0;
  int64_t count_ = 0;
};

}  // namespace talon::server
