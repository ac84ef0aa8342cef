// The fused norms at the drafter's input: within one bf16 ulp of double precision, and the bits of
// the plain ops they stand for.
#include "ops/draft_input.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "core/dtype.h"
#include "core/shape.h"
#include "core/stream.h"
#include "ops/embedding.h"
#include "ops/rms_norm.h"
#include "tests/ops/op_test_util.h"

namespace talon::ops {
namespace {

constexpr float kEps = 1e-6F;
// As rms_norm: with the half ulp that is_near grants a bf16 result, well within one bf16 ulp.
constexpr Bound kBound = {.relative = 5e-7, .absolute = 1e-37};

struct Case {
  DType dtype;
  DType gain_dtype;
  int64_t rows;
  int64_t hidden;
  float amplitude = 1.0F;
};

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const DType dtype : {DType::kF32, DType::kBf16}) {
    for (const DType gain : {DType::kF32, DType::kBf16}) {
      for (const int64_t hidden : {1, 13, 32, 100, 6144}) {
        all.push_back({dtype, gain, 3, hidden});
      }
      all.push_back({dtype, gain, 0, 32});
      all.push_back({dtype, gain, 2, 64, 1e14F});
      all.push_back({dtype, gain, 2, 64, 1e-20F});
    }
  }
  return all;
}

void append_norm(std::vector<double>& out,
                 const std::vector<double>& x,
                 const std::vector<double>& gain) {
  double sum = 0.0;
  for (const double v : x) {
    sum += v * v;
  }
  const double mean = sum / static_cast<double>(x.size());
  for (size_t c = 0; c < x.size(); ++c) {
    out.push_back(x[c] / std::sqrt(mean + static_cast<double>(kEps)) * gain[c]);
  }
}

std::vector<double> part(const TestTensor& tensor, int64_t first, int64_t count) {
  std::vector<double> values;
  for (int64_t i = first; i < first + count; ++i) {
    values.push_back(tensor.value(i));
  }
  return values;
}

TEST(GroupNormTest, EqualsOneNormPerTap) {
  TALON_TRACE_SEED();
  for (const Case& c : cases()) {
    for (const int64_t num_taps : {1, 3}) {
      SCOPED_TRACE(testing::Message() << dtype_name(c.dtype) << " " << c.hidden);
      const Shape shape = {c.rows, num_taps * c.hidden};
      const auto taps = TestTensor::random(c.dtype, shape, 1, c.amplitude, /*padding=*/5);
      const auto gains = TestTensor::random(c.gain_dtype, {num_taps, c.hidden}, 2);
      std::vector<double> exact;
      for (int64_t i = 0; i < c.rows * num_taps; ++i) {
        append_norm(exact, part(taps, i * c.hidden, c.hidden),
                    part(gains, (i % num_taps) * c.hidden, c.hidden));
      }

      for_each_run([&](Stream stream) {
        TestTensor out(c.dtype, shape, 3);
        group_norm(stream,
                   {.out = out.view(), .taps = taps.cview(), .gains = gains.cview(), .eps = kEps});

        TestTensor plain(c.dtype, shape, 3);
        for (int64_t a = 0; a < num_taps; ++a) {
          rms_norm(stream, {.out = plain.view().columns(a * c.hidden, c.hidden),
                            .x = taps.cview().columns(a * c.hidden, c.hidden),
                            .gain = gains.cview().at(a),
                            .eps = kEps,
                            .form = GainForm::kPlain});
        }
        ASSERT_TRUE(is_near(out, exact, kBound));
        ASSERT_TRUE(same_bits(out, plain));
      });
    }
  }
}

struct ConcatInputs {
  std::vector<int32_t> ids;
  TestTensor id_array;
  TestTensor table;
  TestTensor hidden;
  TestTensor embed_gain;
  TestTensor hidden_gain;

  explicit ConcatInputs(const Case& c)
      : ids({4, -1, 9, 0, 10}),
        id_array(DType::kI32, {c.rows}),
        table(TestTensor::random(DType::kBf16, {10, c.hidden}, 3, c.amplitude)),
        hidden(TestTensor::random(c.dtype, {c.rows, c.hidden}, 4, c.amplitude, /*padding=*/7)),
        embed_gain(TestTensor::random(c.gain_dtype, {c.hidden}, 5)),
        hidden_gain(TestTensor::random(c.gain_dtype, {c.hidden}, 6)) {
    ids.resize(static_cast<size_t>(c.rows));
    for (int64_t t = 0; t < c.rows; ++t) {
      id_array.at<int32_t>(t) = ids[static_cast<size_t>(t)];
    }
  }
};

TestTensor two_norms(Stream stream, const Case& c, const ConcatInputs& in) {
  TestTensor embedded(c.dtype, {c.rows, c.hidden});
  embedding(stream,
            {.out = embedded.view(), .ids = in.id_array.cview(), .table = in.table.cview()});
  TestTensor out(c.dtype, {c.rows, 2 * c.hidden}, 4);
  rms_norm(stream, {.out = out.view().columns(0, c.hidden),
                    .x = embedded.cview(),
                    .gain = in.embed_gain.cview(),
                    .eps = kEps,
                    .form = GainForm::kPlain});
  rms_norm(stream, {.out = out.view().columns(c.hidden, c.hidden),
                    .x = in.hidden.cview(),
                    .gain = in.hidden_gain.cview(),
                    .eps = kEps,
                    .form = GainForm::kPlain});
  return out;
}

TEST(EmbedNormConcatTest, EqualsEmbeddingTwoNormsAndConcat) {
  TALON_TRACE_SEED();
  for (Case c : cases()) {
    c.rows = c.rows == 3 ? 5 : c.rows;
    SCOPED_TRACE(testing::Message() << dtype_name(c.dtype) << " " << c.hidden);
    const ConcatInputs in(c);
    std::vector<double> exact;
    for (int64_t t = 0; t < c.rows; ++t) {
      const int32_t id = in.ids[static_cast<size_t>(t)];
      const bool exists = id >= 0 && id < 10;
      const std::vector<double> zeros(static_cast<size_t>(c.hidden), 0.0);
      append_norm(exact, exists ? part(in.table, id * c.hidden, c.hidden) : zeros,
                  part(in.embed_gain, 0, c.hidden));
      append_norm(exact, part(in.hidden, t * c.hidden, c.hidden),
                  part(in.hidden_gain, 0, c.hidden));
    }

    for_each_run([&](Stream stream) {
      TestTensor out(c.dtype, {c.rows, 2 * c.hidden}, 4);
      embed_norm_concat(stream, {.out = out.view(),
                                 .ids = in.id_array.cview(),
                                 .table = in.table.cview(),
                                 .hidden = in.hidden.cview(),
                                 .embed_gain = in.embed_gain.cview(),
                                 .hidden_gain = in.hidden_gain.cview(),
                                 .eps = kEps});

      ASSERT_TRUE(is_near(out, exact, kBound));
      ASSERT_TRUE(same_bits(out, two_norms(stream, c, in)));
    });
  }
}

TEST(GroupNormTest, NanInOneTapLeavesTheOthers) {
  auto taps = TestTensor::random(DType::kBf16, {1, 3 * 20}, 7);
  taps.set(25, std::numeric_limits<float>::quiet_NaN());
  const auto gains = TestTensor::random(DType::kBf16, {3, 20}, 8);
  for_each_run([&](Stream stream) {
    TestTensor out(DType::kBf16, {1, 60});
    group_norm(stream,
               {.out = out.view(), .taps = taps.cview(), .gains = gains.cview(), .eps = kEps});

    for (int64_t c = 0; c < 60; ++c) {
      EXPECT_EQ(std::isnan(out.value(c)), c >= 20 && c < 40) << c;
    }
  });
}

}  // namespace
}  // namespace talon::ops
