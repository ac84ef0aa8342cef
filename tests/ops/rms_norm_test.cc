// rms_norm, add_rms_norm and add against double precision, on every path; all paths agree in bits.
#include "ops/rms_norm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "core/cpu_context.h"
#include "core/cpu_path.h"
#include "core/dtype.h"
#include "core/stream.h"
#include "tests/ops/op_test_util.h"

namespace talon::ops {
namespace {

constexpr double kEps = 1e-6;

// docs/numerics.md: the bound in float32; one bf16 rounding comes on top in is_near.
constexpr Bound kNormBound = {.relative = 5e-7, .absolute = 1e-37};
constexpr Bound kAddBound = {.relative = 0x1p-24, .absolute = 0x1p-150};

struct NormCase {
  DType dtype;
  DType gain_dtype;
  int64_t rows;
  int64_t size;
  GainForm form;
  int64_t padding = 0;
  float amplitude = 1.0F;
  bool float_stream = false;  // bf16 results of a float32 residual stream

  DType stream_dtype() const { return float_stream ? DType::kF32 : dtype; }
};

std::vector<NormCase> norm_cases() {
  std::vector<NormCase> cases;
  const GainForm centred = GainForm::kZeroCentred;
  for (const DType dtype : {DType::kF32, DType::kBf16}) {
    for (const DType gain : {DType::kF32, DType::kBf16}) {
      for (const int64_t size : {1, 7, 8, 15, 31, 32, 33, 100, 256, 6144}) {
        cases.push_back({dtype, gain, 3, size, size % 2 == 0 ? GainForm::kPlain : centred});
      }
      cases.push_back({dtype, gain, 0, 64, centred});
      cases.push_back({dtype, gain, 1, 64, GainForm::kPlain});
      cases.push_back({dtype, gain, 5, 40, centred, /*padding=*/24});
      cases.push_back({dtype, gain, 2, 96, centred, 0, /*amplitude=*/1e15F});
      cases.push_back({dtype, gain, 2, 96, GainForm::kPlain, 0, /*amplitude=*/1e-25F});
      cases.push_back({dtype, gain, 9, 6144, centred});  // enough for two threads
    }
  }
  for (const DType gain : {DType::kF32, DType::kBf16}) {
    for (const int64_t size : {1, 15, 33, 256, 6144}) {
      cases.push_back({DType::kBf16, gain, 9, size, centred, /*padding=*/3, 1.0F, true});
    }
  }
  return cases;
}

std::vector<double> exact_norm(const std::vector<double>& x,
                               const TestTensor& gain,
                               GainForm form) {
  const auto size = static_cast<size_t>(gain.num_elements());
  std::vector<double> out(x.size());
  for (size_t begin = 0; begin < x.size(); begin += size) {
    double sum = 0.0;
    for (size_t c = 0; c < size; ++c) {
      sum += x[begin + c] * x[begin + c];
    }
    const double scale = 1.0 / std::sqrt(sum / static_cast<double>(size) + kEps);
    for (size_t c = 0; c < size; ++c) {
      const double offset = form == GainForm::kZeroCentred ? 1.0 : 0.0;
      out[begin + c] = x[begin + c] * scale * (offset + gain.value(static_cast<int64_t>(c)));
    }
  }
  return out;
}

TestTensor run_norm(Stream stream, const NormCase& c, const TestTensor& x, const TestTensor& gain) {
  TestTensor out(c.dtype, {c.rows, c.size}, c.padding);
  rms_norm(stream, {.out = out.view(),
                    .x = x.cview(),
                    .gain = gain.cview(),
                    .eps = static_cast<float>(kEps),
                    .form = c.form});
  return out;
}

TEST(RmsNormTest, MatchesDoublePrecision) {
  TALON_TRACE_SEED();
  for (const NormCase& c : norm_cases()) {
    SCOPED_TRACE(testing::Message() << dtype_name(c.dtype) << " " << c.rows << " x " << c.size);
    const auto x =
        TestTensor::random(c.stream_dtype(), {c.rows, c.size}, 10, c.amplitude, c.padding);
    const auto gain = TestTensor::random(c.gain_dtype, {c.size}, 11);
    CpuContext scalar(1, CpuPath::kScalar, false);
    const TestTensor reference = run_norm(Stream(scalar), c, x, gain);

    for_each_run([&](Stream stream) {
      const TestTensor out = run_norm(stream, c, x, gain);

      ASSERT_TRUE(is_near(out, exact_norm(x.values(), gain, c.form), kNormBound));
      ASSERT_TRUE(same_bits(out, reference));
    });
  }
}

TEST(RmsNormTest, InPlaceGivesTheSameBits) {
  const NormCase c = {DType::kBf16, DType::kBf16, 3, 77, GainForm::kPlain};
  const auto x = TestTensor::random(c.dtype, {c.rows, c.size}, 12);
  const auto gain = TestTensor::random(c.gain_dtype, {c.size}, 13);
  for_each_run([&](Stream stream) {
    const TestTensor expected = run_norm(stream, c, x, gain);
    TestTensor both = x;

    rms_norm(stream, {.out = both.view(),
                      .x = both.cview(),
                      .gain = gain.cview(),
                      .eps = static_cast<float>(kEps),
                      .form = c.form});

    EXPECT_TRUE(same_bits(both, expected));
  });
}

TEST(RmsNormTest, NanAndInfinityStayInTheirRow) {
  for (const DType dtype : {DType::kF32, DType::kBf16}) {
    const NormCase c = {dtype, DType::kF32, 3, 37, GainForm::kZeroCentred};
    auto x = TestTensor::random(dtype, {c.rows, c.size}, 14);
    x.set(5, std::numeric_limits<float>::quiet_NaN());
    x.set(2 * c.size + 36, std::numeric_limits<float>::infinity());
    const auto gain = TestTensor::random(DType::kF32, {c.size}, 15);

    for_each_run([&](Stream stream) {
      const TestTensor out = run_norm(stream, c, x, gain);

      EXPECT_TRUE(is_near(out, exact_norm(x.values(), gain, c.form), kNormBound));
      EXPECT_TRUE(std::isnan(out.value(0)));
      EXPECT_TRUE(std::isfinite(out.value(c.size)));
      EXPECT_TRUE(std::isnan(out.value(2 * c.size + 36)));
      EXPECT_EQ(out.value(2 * c.size), 0.0);
    });
  }
}

TEST(AddRmsNormTest, RoundsTheResidualAndNormalisesTheRoundedValue) {
  TALON_TRACE_SEED();
  for (const NormCase& c : norm_cases()) {
    SCOPED_TRACE(testing::Message() << dtype_name(c.dtype) << " " << c.rows << " x " << c.size);
    const auto before =
        TestTensor::random(c.stream_dtype(), {c.rows, c.size}, 16, c.amplitude, c.padding);
    const auto delta = TestTensor::random(c.dtype, {c.rows, c.size}, 17, c.amplitude);
    const auto gain = TestTensor::random(c.gain_dtype, {c.size}, 18);
    std::vector<double> sum = before.values();
    for (size_t i = 0; i < sum.size(); ++i) {
      sum[i] += delta.value(static_cast<int64_t>(i));
    }

    for_each_run([&](Stream stream) {
      TestTensor residual = before;
      TestTensor out(c.dtype, {c.rows, c.size}, c.padding);
      add_rms_norm(stream, {.out = out.view(),
                            .residual = residual.view(),
                            .delta = delta.cview(),
                            .gain = gain.cview(),
                            .eps = static_cast<float>(kEps),
                            .form = c.form});

      ASSERT_TRUE(is_near(residual, sum, kAddBound));
      ASSERT_TRUE(same_bits(out, run_norm(stream, c, residual, gain)));
    });
  }
}

TEST(AddTest, RoundsOnceAndMayBeInPlace) {
  TALON_TRACE_SEED();
  for (const NormCase& c : norm_cases()) {
    const auto x = TestTensor::random(c.dtype, {c.rows, c.size}, 19, c.amplitude, c.padding);
    const auto y = TestTensor::random(c.dtype, {c.rows, c.size}, 20, c.amplitude);
    std::vector<double> sum = x.values();
    for (size_t i = 0; i < sum.size(); ++i) {
      sum[i] += y.value(static_cast<int64_t>(i));
    }

    for_each_run([&](Stream stream) {
      TestTensor out(c.dtype, {c.rows, c.size}, c.padding);
      add(stream, {.out = out.view(), .x = x.cview(), .y = y.cview()});
      ASSERT_TRUE(is_near(out, sum, kAddBound));

      TestTensor onto_x = x;
      add(stream, {.out = onto_x.view(), .x = onto_x.cview(), .y = y.cview()});
      ASSERT_TRUE(same_bits(onto_x, out));
      TestTensor onto_y = y;
      add(stream, {.out = onto_y.view(), .x = x.cview(), .y = onto_y.cview()});
      ASSERT_TRUE(same_bits(onto_y, out));
    });
  }
}

}  // namespace
}  // namespace talon::ops
