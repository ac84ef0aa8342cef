#include "oracle/matrix.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>

namespace talon::oracle {
namespace {

// Two doubles side by side: a compiler extension of g++ and clang, used inside this file only.
using Pair [[gnu::vector_size(16)]] = double;

inline Pair load(const double* x) {
  Pair pair;
  std::memcpy(&pair, x, sizeof(pair));
  return pair;
}

}  // namespace

Matrix::Matrix(int64_t num_rows, int64_t num_cols)
    : rows(num_rows), cols(num_cols), data(static_cast<size_t>(num_rows * num_cols), 0.0) {}

std::span<const double> Matrix::row_span(int64_t i) const {
  return {row(i), static_cast<size_t>(cols)};
}

const std::vector<double>& tensor(const Weights& weights, const std::string& name, int64_t size) {
  const auto found = weights.find(name);
  if (found == weights.end()) {
    throw std::out_of_range("oracle: no tensor " + name);
  }
  if (std::ssize(found->second) != size) {
    throw std::out_of_range("oracle: " + name + " has " + std::to_string(found->second.size()) +
                            " values instead of " + std::to_string(size));
  }
  return found->second;
}

// Eight partial sums, because one chain of additions would make the 3,000-token golden slow.
double dot(const double* a, const double* b, int64_t n) {
  Pair sum0{};
  Pair sum1{};
  Pair sum2{};
  Pair sum3{};
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    sum0 += load(a + i) * load(b + i);
    sum1 += load(a + i + 2) * load(b + i + 2);
    sum2 += load(a + i + 4) * load(b + i + 4);
    sum3 += load(a + i + 6) * load(b + i + 6);
  }
  double tail = 0.0;
  for (; i < n; ++i) {
    tail += a[i] * b[i];
  }
  const Pair sum = (sum0 + sum1) + (sum2 + sum3);
  return sum[0] + sum[1] + tail;
}

void add_scaled(double* sum, double scale, const double* x, int64_t n) {
  int64_t i = 0;
  for (; i + 4 <= n; i += 4) {
    const Pair low = load(sum + i) + scale * load(x + i);
    const Pair high = load(sum + i + 2) + scale * load(x + i + 2);
    std::memcpy(sum + i, &low, sizeof(low));
    std::memcpy(sum + i + 2, &high, sizeof(high));
  }
  for (; i < n; ++i) {
    sum[i] += scale * x[i];
  }
}

Matrix linear(const Matrix& x, const std::vector<double>& w, int64_t out) {
  Matrix y(x.rows, out);
  constexpr int64_t kTile = 32;  // rows that stay in cache while the weights pass once
  for (int64_t first = 0; first < x.rows; first += kTile) {
    const int64_t last = std::min(first + kTile, x.rows);
    for (int64_t o = 0; o < out; ++o) {
      for (int64_t t = first; t < last; ++t) {
        y.row(t)[o] = dot(x.row(t), w.data() + o * x.cols, x.cols);
      }
    }
  }
  return y;
}

std::vector<double> linear(const double* x, const double* w, int64_t in, int64_t out) {
  std::vector<double> y(static_cast<size_t>(out));
  for (int64_t o = 0; o < out; ++o) {
    y[static_cast<size_t>(o)] = dot(x, w + o * in, in);
  }
  return y;
}

void rms_norm(
    double* out, std::span<const double> x, const double* gain, double eps, double gain_offset) {
  const auto n = std::ssize(x);
  const double mean = dot(x.data(), x.data(), n) / static_cast<double>(n);
  const double scale = 1.0 / std::sqrt(mean + eps);
  for (size_t i = 0; i < x.size(); ++i) {
    out[i] = x[i] * scale * (gain_offset + gain[i]);
  }
}

void rope(double* head, int64_t position, int64_t rotary_dim, double theta) {
  const int64_t half = rotary_dim / 2;
  for (int64_t i = 0; i < half; ++i) {
    const double exponent = -2.0 * static_cast<double>(i) / static_cast<double>(rotary_dim);
    const double angle = static_cast<double>(position) * std::pow(theta, exponent);
    const double u = head[i];
    const double v = head[i + half];
    head[i] = u * std::cos(angle) - v * std::sin(angle);
    head[i + half] = v * std::cos(angle) + u * std::sin(angle);
  }
}

void softmax(std::vector<double>& scores) {
  const double top = *std::max_element(scores.begin(), scores.end());
  double sum = 0.0;
  for (double& s : scores) {
    s = std::exp(s - top);
    sum += s;
  }
  for (double& s : scores) {
    s /= sum;
  }
}

double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }

int32_t argmax(std::span<const double> values, const std::vector<bool>& allowed) {
  int32_t best = 0;
  double best_value = -std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < values.size(); ++i) {
    if ((allowed.empty() || allowed[i]) && values[i] > best_value) {
      best = static_cast<int32_t>(i);
      best_value = values[i];
    }
  }
  return best;
}

}  // namespace talon::oracle
