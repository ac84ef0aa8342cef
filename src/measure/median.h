// Summaries of repeated measurements.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <numeric>
#include <vector>

namespace talon {

// The middle value, or the mean of the two in the middle; 0 of nothing.
inline double median(std::vector<double> values) {
  if (values.empty()) {
    return 0.0;
  }
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : 0.5 * (values[middle - 1] + values[middle]);
}

// The mean without the smallest and the largest tenth, rounded down; 0 of nothing.
inline double trimmed_mean(std::vector<double> values) {
  if (values.empty()) {
    return 0.0;
  }
  std::sort(values.begin(), values.end());
  const auto cut = static_cast<int64_t>(values.size() / 10);
  const double sum = std::accumulate(values.begin() + cut, values.end() - cut, 0.0);
  return sum / static_cast<double>(std::ssize(values) - 2 * cut);
}

// The smallest value that at least `share` of them do not exceed, share in (0, 1]; 0 of nothing.
inline double percentile(std::vector<double> values, double share) {
  if (values.empty()) {
    return 0.0;
  }
  std::sort(values.begin(), values.end());
  const auto rank = static_cast<int64_t>(std::ceil(share * static_cast<double>(values.size())));
  return values[static_cast<size_t>(std::clamp<int64_t>(rank, 1, std::ssize(values)) - 1)];
}

struct Spread {
  double median = 0.0;
  double min = 0.0;
  double max = 0.0;
};

// Of at least one value.
inline Spread spread(const std::vector<double>& values) {
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  return {.median = median(values), .min = *low, .max = *high};
}

}  // namespace talon
