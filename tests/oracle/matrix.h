// A row-major matrix of doubles and the few plain loops that both oracles are written in.
//
// Part of the oracle: it uses the standard library only and shares no code with src/, so that a
// mistake there cannot be repeated here. Not fast, not blocked beyond what keeps the tests short.
// Values are owned; rows are handed out as pointers that live as long as the matrix is not resized.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace talon::oracle {

// Tensors by their checkpoint name, row-major, widened to double.
using Weights = std::map<std::string, std::vector<double>>;

struct Matrix {
  int64_t rows = 0;
  int64_t cols = 0;
  std::vector<double> data;

  Matrix() = default;
  Matrix(int64_t num_rows, int64_t num_cols);

  double* row(int64_t i) { return data.data() + i * cols; }
  const double* row(int64_t i) const { return data.data() + i * cols; }
  std::span<const double> row_span(int64_t i) const;
};

// Throws std::out_of_range naming the tensor if it is absent or does not hold `size` values.
const std::vector<double>& tensor(const Weights& weights, const std::string& name, int64_t size);

double dot(const double* a, const double* b, int64_t n);
void add_scaled(double* sum, double scale, const double* x, int64_t n);  // sum += scale * x

// y = x W^T for W [out, in] without bias; the vector form takes one row.
Matrix linear(const Matrix& x, const std::vector<double>& w, int64_t out);
std::vector<double> linear(const double* x, const double* w, int64_t in, int64_t out);

// x / sqrt(mean(x^2) + eps) * (gain_offset + gain): offset 1 is the Gemma form, 0 the plain one.
// `out` may be `x`.
void rms_norm(
    double* out, std::span<const double> x, const double* gain, double eps, double gain_offset);

// Rotates the first `rotary_dim` channels of one head as half-split pairs (i, i + rotary_dim / 2);
// the others are untouched.
void rope(double* head, int64_t position, int64_t rotary_dim, double theta);

// In place; subtracts the maximum first.
void softmax(std::vector<double>& scores);

double sigmoid(double x);

// The lowest index of the largest value among those allowed (empty: all). NaN counts as -inf.
int32_t argmax(std::span<const double> values, const std::vector<bool>& allowed = {});

}  // namespace talon::oracle
