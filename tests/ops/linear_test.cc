// The product on every path against the formula in double, and against its chain of operations in
// float32, which the order of sums (ops/tile_product.h) fixes to the bit.
#include "ops/linear.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "tests/ops/test_weight.h"

namespace talon::ops {
namespace {

struct LinearCase {
  int64_t num_out;
  int64_t num_in;
  int64_t rows;
};

constexpr LinearCase kCases[] = {
    {1, 1, 1},     {16, 32, 1},   {16, 2, 3},    {17, 3, 2},     {48, 33, 5},
    {100, 130, 4}, {448, 256, 7}, {256, 64, 33}, {64, 96, 70},   {5, 1024, 6},
    {33, 32, 0},   {80, 160, 16}, {24, 31, 17},  {4096, 256, 1},
};

// Relative to sum_i |x[i] w[i]|: half an ulp for each of `num_in` additions.
double bound_of(const LinearCase& c) { return static_cast<double>(c.num_in + 1) * 0x1p-24; }

struct Exact {
  std::vector<double> sums;
  double largest_terms = 0.0;  // the largest sum of magnitudes
};

Exact exact_product(const TestTensor& x, const std::vector<float>& weight, const LinearCase& c) {
  Exact exact;
  for (int64_t t = 0; t < c.rows; ++t) {
    for (int64_t o = 0; o < c.num_out; ++o) {
      double sum = 0.0;
      double terms = 0.0;
      for (int64_t i = 0; i < c.num_in; ++i) {
        const double term = x.value(t * c.num_in + i) *
                            static_cast<double>(weight[static_cast<size_t>(o * c.num_in + i)]);
        sum += term;
        terms += std::abs(term);
      }
      exact.sums.push_back(sum);
      exact.largest_terms = std::max(exact.largest_terms, terms);
    }
  }
  return exact;
}

std::string name_of(const LinearCase& c, WeightFormat format, DType x, DType out) {
  return std::string(weight_format_name(format)) + " [" + std::to_string(c.num_out) + ", " +
         std::to_string(c.num_in) + "], rows " + std::to_string(c.rows) + ", " +
         std::string(dtype_name(x)) + " to " + std::string(dtype_name(out));
}

// Calls body(case, format, x dtype, out dtype) for all that exist.
template <class Body>
void for_each_case(const Body& body) {
  for (const LinearCase& c : kCases) {
    for (const WeightFormat format : kAllFormats) {
      if (is_mx(format) && c.num_in % 32 != 0) {
        continue;
      }
      for (const auto& [x, out] : {std::pair{DType::kF32, DType::kF32},
                                   {DType::kBf16, DType::kBf16},
                                   {DType::kBf16, DType::kF32}}) {
        SCOPED_TRACE(name_of(c, format, x, out));
        body(c, format, x, out);
      }
    }
  }
}

TEST(LinearTest, EveryPathIsWithinTheBoundOfTheFormula) {
  TALON_TRACE_SEED();
  for_each_case([](const LinearCase& c, WeightFormat format, DType x_type, DType out_type) {
    const TestTensor x = TestTensor::random(x_type, {c.rows, c.num_in}, 1, 1.0F, /*padding=*/3);
    const TestWeight weight(format, c.num_out, c.num_in, 2);
    const PackedWeight packed = weight.packed();
    const Exact exact = exact_product(x, weight.dequantised(), c);
    for_each_run([&](Stream stream) {
      TestTensor out(out_type, {c.rows, c.num_out}, /*padding=*/5);

      linear(stream, {.out = out.view(), .x = x.cview(), .weight = packed.weight()});

      EXPECT_TRUE(is_near(out, exact.sums, {0.0, bound_of(c) * exact.largest_terms}));
    });
  });
}

// The chains of all outputs: fused on the vector paths, two roundings on the scalar one.
TestTensor chains(bool fused,
                  const LinearCase& c,
                  const TestTensor& x,
                  const std::vector<float>& weight,
                  DType out_type) {
  TestTensor out(out_type, {c.rows, c.num_out});
  for (int64_t t = 0; t < c.rows; ++t) {
    std::vector<float> row;
    for (int64_t i = 0; i < c.num_in; ++i) {
      row.push_back(static_cast<float>(x.value(t * c.num_in + i)));
    }
    for (int64_t o = 0; o < c.num_out; ++o) {
      const float* w = weight.data() + o * c.num_in;
      float sum = 0.0F;
      for (size_t i = 0; i < row.size(); ++i) {
        sum = fused ? std::fma(row[i], w[i], sum) : sum + row[i] * w[i];
      }
      out.set(t * c.num_out + o, sum);
    }
  }
  return out;
}

TEST(LinearTest, SumsAreOneChainInOrderOfTheInputs) {
  TALON_TRACE_SEED();
  for_each_case([](const LinearCase& c, WeightFormat format, DType x_type, DType out_type) {
    const TestTensor x = TestTensor::random(x_type, {c.rows, c.num_in}, 3);
    const TestWeight weight(format, c.num_out, c.num_in, 4);
    const PackedWeight packed = weight.packed();
    const TestTensor plain = chains(false, c, x, weight.dequantised(), out_type);
    const TestTensor fused = chains(true, c, x, weight.dequantised(), out_type);
    for_each_run([&](Stream stream) {
      const CpuPath path = stream.cpu().path();
      const bool pairs = path == CpuPath::kAvx512 || path == CpuPath::kAmx;
      if (pairs && x_type == DType::kBf16 && format == WeightFormat::kBf16) {
        return;  // these use the processor's own bf16 products
      }
      TestTensor out(out_type, {c.rows, c.num_out});

      linear(stream, {.out = out.view(), .x = x.cview(), .weight = packed.weight()});

      EXPECT_TRUE(same_bits(out, path == CpuPath::kScalar ? plain : fused));
    });
  });
}

TEST(LinearTest, NanAndInfinityStayInTheirRow) {
  const TestWeight weight(WeightFormat::kBf16, 40, 64, 5);
  const PackedWeight packed = weight.packed();
  for (const DType dtype : {DType::kF32, DType::kBf16}) {
    TestTensor x = TestTensor::random(dtype, {6, 64}, 6);
    x.set(2 * 64 + 17, std::numeric_limits<float>::quiet_NaN());
    x.set(4 * 64 + 63, std::numeric_limits<float>::infinity());
    for_each_run([&](Stream stream) {
      TestTensor out(DType::kF32, {6, 40});

      linear(stream, {.out = out.view(), .x = x.cview(), .weight = packed.weight()});

      for (int64_t i = 0; i < 6 * 40; ++i) {
        EXPECT_EQ(std::isnan(out.value(i)), i / 40 == 2) << i;
        EXPECT_EQ(std::isinf(out.value(i)), i / 40 == 4) << i;
      }
    });
  }
}

// Codes, scales and their products at the edges of float32, one weight an output.
TEST(LinearTest, QuantisedEdgesKeepSubnormalsAndOverflow) {
  for (const WeightFormat format : {WeightFormat::kMxfp8, WeightFormat::kMxfp4}) {
    for (const int scale : {0, 1, 127, 254, 255}) {
      SCOPED_TRACE(scale);
      const int64_t num_out = format == WeightFormat::kMxfp8 ? 256 : 16;
      TestWeight weight(format, num_out, 32, 7);
      for (int64_t i = 0; i < weight.values().num_elements(); ++i) {
        const auto code = static_cast<uint8_t>(i / weight.values().num_columns());
        if (format == WeightFormat::kMxfp8) {
          weight.values().at<e4m3>(i).bits = code;
        } else {
          weight.values().at<uint8_t>(i) = static_cast<uint8_t>(code | (code << 4));
        }
        weight.scales().at<uint8_t>(code) = static_cast<uint8_t>(scale);
      }
      const std::vector<float> values = weight.dequantised();
      const PackedWeight packed = weight.packed();
      TestTensor x(DType::kF32, {1, 32});
      x.fill(0.0F);
      x.set(5, 1.0F);
      std::vector<double> expected;
      for (int64_t o = 0; o < num_out; ++o) {
        const float value = values[static_cast<size_t>(o * 32)];
        expected.push_back(static_cast<double>(value));
        if (std::isinf(value)) {
          expected.back() = std::numeric_limits<double>::quiet_NaN();  // the others times zero
        }
      }
      for_each_run([&](Stream stream) {
        TestTensor out(DType::kF32, {1, num_out});

        linear(stream, {.out = out.view(), .x = x.cview(), .weight = packed.weight()});

        EXPECT_TRUE(is_near(out, expected, {0.0, 0.0}));
      });
    }
  }
}

TEST(LinearDeathTest, ForeignLayoutsAndShapesAreRefused) {
  CpuContext context(1);
  const Stream stream(context);
  const TestWeight weight(WeightFormat::kBf16, 16, 32, 8);
  const PackedWeight packed = weight.packed();
  const TestTensor x = TestTensor::random(DType::kF32, {2, 32}, 8);
  TestTensor out(DType::kF32, {2, 16});
  TestTensor narrow(DType::kF32, {2, 15});
  TestTensor rounded(DType::kBf16, {2, 16});

  EXPECT_DEATH(linear(stream, {.out = out.view(), .x = x.cview(), .weight = weight.weight()}),
               "needs a packed weight");
  EXPECT_DEATH(linear(stream, {.out = narrow.view(), .x = x.cview(), .weight = packed.weight()}),
               "out is \\[2, 15\\]");
  EXPECT_DEATH(linear(stream, {.out = rounded.view(), .x = x.cview(), .weight = packed.weight()}),
               "x is f32, out is bf16");
}

double seconds_of(Stream stream, const PackedWeight& packed, int64_t rows) {
  const TestTensor x = TestTensor::random(DType::kBf16, {rows, packed.weight().num_in}, 9);
  TestTensor out(DType::kBf16, {rows, packed.weight().num_out});
  double best = 1.0;
  for (int i = 0; i < 40; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    linear(stream, {.out = out.view(), .x = x.cview(), .weight = packed.weight()});
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - begin;
    best = std::min(best, time.count());
  }
  return best;
}

// Drafting pays because weights are read once for all rows of a round. The measured ratio is 2 to 5
// (docs/numerics.md names the machine); 8 would mean that nothing is shared.
TEST(LinearTest, EightRowsCostLessThanEightTimesOneRow) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "times under a sanitizer say nothing";
#endif
  if (detect_cpu_path() == CpuPath::kScalar) {
    GTEST_SKIP() << "the scalar path is not built for speed";
  }
  const TestWeight weight(WeightFormat::kBf16, 1024, 1024, 10);
  const PackedWeight packed = weight.packed();
  CpuContext context(1, detect_cpu_path(), /*pin=*/false);
  const Stream stream(context);

  const double one = seconds_of(stream, packed, 1);
  const double eight = seconds_of(stream, packed, 8);

  EXPECT_LT(eight, 8.0 * one) << "1 row " << one * 1e6 << " us, 8 rows " << eight * 1e6 << " us";
}

}  // namespace
}  // namespace talon::ops
