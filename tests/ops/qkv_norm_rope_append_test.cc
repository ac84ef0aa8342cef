// The fused step after the projection against double precision, head by head; a plane holds NaN
// wherever nothing was written. Equal bits on all paths. Planes of e4m3 against planes of the
// activations' type, quantised here.
#include "ops/qkv_norm_rope_append.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include "core/cpu_context.h"
#include "core/cpu_path.h"
#include "core/dtype.h"
#include "core/stream.h"
#include "ops/rope.h"
#include "tests/ops/op_test_util.h"
#include "tests/ops/plane_types.h"

namespace talon::ops {
namespace {

constexpr float kEps = 1e-6F;
constexpr int64_t kPage = 128;
constexpr int64_t kPages = 4;

// A rotation adds two products of normed values of size up to 8, each off by some 1e-7 of itself;
// the sum may be small, so the bound is absolute.
constexpr Bound kBound = {.relative = 5e-7, .absolute = 1e-6};

struct Dimensions {
  int64_t query_heads;
  int64_t key_heads;
  int64_t size;
  int64_t rotated;
  int64_t index_heads;  // 0: no index branch
  int64_t index_size;
  bool has_gains;
};

const std::vector<Dimensions> kDimensions = {
    {4, 2, 16, 8, 2, 16, true}, {8, 2, 128, 64, 2, 128, true}, {3, 1, 26, 18, 1, 21, true},
    {2, 1, 40, 40, 0, 0, true}, {2, 2, 40, 40, 0, 0, false},   {1, 1, 7, 0, 1, 5, true}};

struct Inputs {
  Dimensions d;
  DType dtype;
  std::vector<int64_t> slots;
  TestTensor qkv;
  TestTensor q_gain;
  TestTensor k_gain;
  TestTensor index_q_gain;
  TestTensor index_k_gain;
  TestTensor cos_sin;

  Inputs(const Dimensions& dims, DType rows, DType gains, std::vector<int64_t> write_slots)
      : d(dims),
        dtype(rows),
        slots(std::move(write_slots)),
        qkv(TestTensor::random(rows, {num_rows(), width()}, 1, 2.0F, /*padding=*/5)),
        q_gain(TestTensor::random(gains, {d.size}, 2)),
        k_gain(TestTensor::random(gains, {d.size}, 3)),
        index_q_gain(TestTensor::random(gains, {d.index_size}, 4)),
        index_k_gain(TestTensor::random(gains, {d.index_size}, 5)),
        cos_sin(DType::kF32, {num_rows(), 2, d.rotated / 2}) {
    const int64_t half = d.rotated / 2;
    const std::vector<float> inv_freq = rope_inv_freq(5e6, d.rotated);
    for (int64_t t = 0; t < num_rows(); ++t) {
      for (int64_t i = 0; i < half; ++i) {
        const float angle = static_cast<float>(t * 37) * inv_freq[static_cast<size_t>(i)];
        cos_sin.set(t * 2 * half + i, std::cos(angle));
        cos_sin.set(t * 2 * half + half + i, std::sin(angle));
      }
    }
  }

  int64_t num_rows() const { return static_cast<int64_t>(slots.size()); }
  int64_t width() const {
    const int64_t index_width = d.index_heads == 0 ? 0 : (d.index_heads + 1) * d.index_size;
    return (d.query_heads + 2 * d.key_heads) * d.size + index_width;
  }
};

struct Outputs {
  TestTensor q;
  TestTensor index_q;
  TestTensor keys;
  TestTensor values;
  TestTensor key_scales;
  TestTensor value_scales;
  TestTensor index_keys;

  Outputs(const Inputs& in, DType planes)
      : q(in.dtype, {in.num_rows(), in.d.query_heads, in.d.size}),
        index_q(in.dtype, {in.num_rows(), in.d.index_heads, in.d.index_size}),
        keys(planes, {kPages, kPage, in.d.key_heads, in.d.size}),
        values(planes, {kPages, kPage, in.d.key_heads, in.d.size}),
        key_scales(DType::kF32, {kPages, kPage, in.d.key_heads, 1}),
        value_scales(DType::kF32, {kPages, kPage, in.d.key_heads, 1}),
        index_keys(planes, {kPages, kPage, 1, in.d.index_size}) {}
};

Outputs run_on(Stream stream, const Inputs& in, DType planes) {
  Outputs out(in, planes);
  const TestTensor slots = TestTensor::of(in.slots, {in.num_rows()});
  QkvNormRopeAppendArgs args = {.q = out.q.view(),
                                .key_plane = out.keys.view(),
                                .value_plane = out.values.view(),
                                .qkv = in.qkv.cview(),
                                .cos_sin = in.cos_sin.cview(),
                                .write_slots = slots.cview(),
                                .eps = kEps};
  if (planes == DType::kF8E4M3) {
    args.key_scales = out.key_scales.view();
    args.value_scales = out.value_scales.view();
  }
  if (in.d.index_heads > 0) {
    args.index_q = out.index_q.view();
    args.index_key_plane = out.index_keys.view();
  }
  if (in.d.has_gains) {
    args.q_gain = in.q_gain.cview();
    args.k_gain = in.k_gain.cview();
  }
  if (in.d.has_gains && in.d.index_heads > 0) {
    args.index_q_gain = in.index_q_gain.cview();
    args.index_k_gain = in.index_k_gain.cview();
  }
  qkv_norm_rope_append(stream, args);
  return out;
}

Outputs run(Stream stream, const Inputs& in) { return run_on(stream, in, in.dtype); }

// One head in double precision: `gain` null for none.
std::vector<double> exact_head(
    const Inputs& in, int64_t row, int64_t column, int64_t size, const TestTensor* gain) {
  std::vector<double> x;
  double sum = 0.0;
  for (int64_t c = 0; c < size; ++c) {
    x.push_back(in.qkv.value(row * in.width() + column + c));
    sum += x.back() * x.back();
  }
  for (int64_t c = 0; gain != nullptr && c < size; ++c) {
    const double scale = 1.0 / std::sqrt(sum / static_cast<double>(size) + kEps);
    x[static_cast<size_t>(c)] *= scale * (1.0 + gain->value(c));
  }
  const int64_t half = in.d.rotated / 2;
  std::vector<double> out = x;
  for (int64_t j = 0; j < half; ++j) {
    const double cosine = in.cos_sin.value(row * 2 * half + j);
    const double sine = in.cos_sin.value(row * 2 * half + half + j);
    const double a = x[static_cast<size_t>(j)];
    const double b = x[static_cast<size_t>(j + half)];
    out[static_cast<size_t>(j)] = a * cosine - b * sine;
    out[static_cast<size_t>(j + half)] = b * cosine + a * sine;
  }
  return out;
}

// What all outputs should hold; NaN where nothing is written.
struct Exact {
  std::vector<double> q, index_q, keys, values, index_keys;
};

Exact exact_of(const Inputs& in) {
  const Dimensions& d = in.d;
  const double untouched = std::numeric_limits<double>::quiet_NaN();
  const auto plane = static_cast<size_t>(kPages * kPage);
  Exact exact;
  exact.keys.assign(plane * static_cast<size_t>(d.key_heads * d.size), untouched);
  exact.values = exact.keys;
  exact.index_keys.assign(plane * static_cast<size_t>(d.index_size), untouched);
  const auto put = [](std::vector<double>& to, int64_t at, const std::vector<double>& head) {
    std::copy(head.begin(), head.end(), to.begin() + at);
  };
  for (int64_t t = 0; t < in.num_rows(); ++t) {
    const int64_t slot = in.slots[static_cast<size_t>(t)];
    int64_t column = 0;
    for (int64_t h = 0; h < d.query_heads; ++h, column += d.size) {
      const auto head = exact_head(in, t, column, d.size, d.has_gains ? &in.q_gain : nullptr);
      exact.q.insert(exact.q.end(), head.begin(), head.end());
    }
    for (int64_t g = 0; g < d.key_heads; ++g, column += d.size) {
      const auto head = exact_head(in, t, column, d.size, d.has_gains ? &in.k_gain : nullptr);
      put(exact.keys, (slot * d.key_heads + g) * d.size, head);
    }
    for (int64_t i = 0; i < d.key_heads * d.size; ++i, ++column) {
      const double value = in.qkv.value(t * in.width() + column);
      exact.values[static_cast<size_t>(slot * d.key_heads * d.size + i)] = value;
    }
    for (int64_t h = 0; h < d.index_heads; ++h, column += d.index_size) {
      const auto head = exact_head(in, t, column, d.index_size, &in.index_q_gain);
      exact.index_q.insert(exact.index_q.end(), head.begin(), head.end());
    }
    if (d.index_heads > 0) {
      const auto head = exact_head(in, t, column, d.index_size, &in.index_k_gain);
      put(exact.index_keys, slot * d.index_size, head);
    }
  }
  return exact;
}

// Page 0 may hold anything.
void forget_null_page(std::vector<double>& exact, TestTensor& plane) {
  const int64_t page = plane.num_elements() / kPages;
  for (int64_t i = 0; i < page; ++i) {
    exact[static_cast<size_t>(i)] = std::numeric_limits<double>::quiet_NaN();
    plane.set(i, std::numeric_limits<float>::quiet_NaN());
  }
}

void expect_right(const Inputs& in, Outputs& out) {
  Exact exact = exact_of(in);
  ASSERT_TRUE(out.index_q.guards_intact());
  ASSERT_TRUE(out.index_keys.guards_intact());
  forget_null_page(exact.keys, out.keys);
  forget_null_page(exact.values, out.values);
  ASSERT_TRUE(is_near(out.q, exact.q, kBound));
  ASSERT_TRUE(is_near(out.keys, exact.keys, kBound));
  ASSERT_TRUE(is_near(out.values, exact.values, {.relative = 0.0}));
  if (in.d.index_heads > 0) {
    forget_null_page(exact.index_keys, out.index_keys);
    ASSERT_TRUE(is_near(out.index_q, exact.index_q, kBound));
    ASSERT_TRUE(is_near(out.index_keys, exact.index_keys, kBound));
  }
}

void expect_right_on_all_paths(const Inputs& in) {
  CpuContext scalar(1, CpuPath::kScalar, false);
  Outputs reference = run(Stream(scalar), in);
  expect_right(in, reference);

  for_each_run([&](Stream stream) {
    Outputs out = run(stream, in);
    expect_right(in, out);
    ASSERT_TRUE(same_bits(out.q, reference.q));
    ASSERT_TRUE(same_bits(out.keys, reference.keys));
    ASSERT_TRUE(same_bits(out.index_q, reference.index_q));
    ASSERT_TRUE(same_bits(out.index_keys, reference.index_keys));
  });
}

struct Types {
  DType rows;
  DType gains;
};
constexpr Types kTypes[] = {{DType::kF32, DType::kF32},
                            {DType::kF32, DType::kBf16},
                            {DType::kBf16, DType::kF32},
                            {DType::kBf16, DType::kBf16}};

TEST(QkvNormRopeAppendTest, MatchesDoublePrecisionAndWritesOnlyItsSlots) {
  TALON_TRACE_SEED();
  const std::vector<std::vector<int64_t>> slot_lists = {
      {},
      {kPage},
      {2 * kPage - 1, 2 * kPage, 0, 3 * kPage + 77, 0, 17, 4 * kPage - 1}};  // dead rows: page 0
  for (const Dimensions& d : kDimensions) {
    for (const Types types : kTypes) {
      for (const auto& slots : slot_lists) {
        SCOPED_TRACE(testing::Message()
                     << "D " << d.size << " " << dtype_name(types.rows) << " T " << slots.size());
        expect_right_on_all_paths(Inputs(d, types.rows, types.gains, slots));
      }
    }
  }
}

// spec/minimax_m3.md M10: half-split pairs, and channels from R on pass unchanged.
TEST(QkvNormRopeAppendTest, RotatesHalfSplitPairsAndPassesTheRest) {
  Inputs in({1, 1, 6, 4, 0, 0, false}, DType::kF32, DType::kF32, {kPage});
  const std::vector<float> head = {1.0F, 2.0F, 3.0F, 4.0F, 5.5F, -6.25F};
  for (int64_t c = 0; c < 18; ++c) {
    in.qkv.set(c, head[static_cast<size_t>(c % 6)]);
  }
  // Pair (0, 2) by a quarter turn, pair (1, 3) by a half turn.
  in.cos_sin = TestTensor::of(std::vector<float>{0.0F, -1.0F, 1.0F, 0.0F}, {1, 2, 2});
  for_each_run([&](Stream stream) {
    Outputs out = run(stream, in);

    const std::vector<double> expected = {-3.0, -2.0, 1.0, -4.0, 5.5, -6.25};
    EXPECT_EQ(out.q.values(), expected);
    for (int64_t c = 0; c < 6; ++c) {
      EXPECT_EQ(out.keys.value(kPage * 6 + c), expected[static_cast<size_t>(c)]);
      EXPECT_EQ(out.values.value(kPage * 6 + c), head[static_cast<size_t>(c)]);
    }
  });
}

TEST(QkvNormRopeAppendTest, NanStaysInItsHead) {
  Inputs in({2, 1, 16, 8, 0, 0, true}, DType::kBf16, DType::kBf16, {kPage});
  in.qkv.set(16 + 15, std::numeric_limits<float>::quiet_NaN());  // in query head 1
  for_each_run([&](Stream stream) {
    Outputs out = run(stream, in);

    for (int64_t c = 0; c < 32; ++c) {
      EXPECT_EQ(std::isnan(out.q.value(c)), c >= 16) << c;
    }
    EXPECT_TRUE(std::isfinite(out.keys.value(kPage * 16)));
  });
}

// Heads [first, first + count) of `plain`, as e4m3 with their scales; what is NaN was not written.
struct Quantised {
  TestTensor codes;
  TestTensor scales;
};
Quantised quantised(const TestTensor& plain, bool has_scales) {
  const int64_t size = plain.num_columns();
  const int64_t heads = plain.num_elements() / size;
  Quantised out = {TestTensor(DType::kF8E4M3, plain.shape()),
                   TestTensor(DType::kF32, {kPages, kPage, heads / kPages / kPage, 1})};
  for (int64_t h = kPage * (heads / kPages / kPage); h < heads; ++h) {
    float largest = 0.0F;
    for (int64_t c = 0; c < size; ++c) {
      largest = std::max(largest, std::abs(static_cast<float>(plain.value(h * size + c))));
    }
    if (std::isnan(plain.value(h * size))) {
      continue;
    }
    const float scale = has_scales ? std::max(largest / 448.0F, 0x1.0p-126F) : 1.0F;
    out.scales.set(h, scale);
    for (int64_t c = 0; c < size; ++c) {
      set_plane(out.codes, h * size + c, static_cast<float>(plain.value(h * size + c)) / scale);
    }
  }
  return out;
}

// The null page is not looked at.
::testing::AssertionResult same_pages(const TestTensor& actual, const TestTensor& expected) {
  const int64_t rows = actual.num_elements() / actual.num_columns();
  const int64_t first = rows / kPages;
  return actual.guards_intact() &&
                 actual.row_bytes(first, rows - first) == expected.row_bytes(first, rows - first)
             ? ::testing::AssertionSuccess()
             : ::testing::AssertionFailure() << "other codes or scales";
}

TEST(QkvNormRopeAppendTest, PlanesOfE4m3HoldWhatTheOthersWouldQuantised) {
  TALON_TRACE_SEED();
  const std::vector<int64_t> slots = {2 * kPage - 1, 2 * kPage, 0, 3 * kPage + 77, 4 * kPage - 1};
  for (const Dimensions& d : kDimensions) {
    for (const Types types : kTypes) {
      SCOPED_TRACE(testing::Message() << "D " << d.size << " " << dtype_name(types.rows));
      Inputs in(d, types.rows, types.gains, slots);
      const int64_t values = (d.query_heads + d.key_heads) * d.size;
      for (int64_t c = 0; c < d.size; ++c) {
        in.qkv.set(values + c, 0.0F);                                         // a head of zeros
        in.qkv.set(in.width() + values + c, static_cast<float>(c) * 1e-40F);  // of subnormals
      }
      for_each_run([&](Stream stream) {
        const Outputs plain = run(stream, in);
        const Outputs fp8 = run_on(stream, in, DType::kF8E4M3);

        const Quantised keys = quantised(plain.keys, true);
        const Quantised value = quantised(plain.values, true);
        EXPECT_TRUE(same_bits(fp8.q, plain.q));
        EXPECT_TRUE(same_bits(fp8.index_q, plain.index_q));
        EXPECT_TRUE(same_pages(fp8.keys, keys.codes));
        EXPECT_TRUE(same_pages(fp8.key_scales, keys.scales));
        EXPECT_TRUE(same_pages(fp8.values, value.codes));
        EXPECT_TRUE(same_pages(fp8.value_scales, value.scales));
        if (d.index_heads > 0) {
          EXPECT_TRUE(same_pages(fp8.index_keys, quantised(plain.index_keys, false).codes));
        }
      });
    }
  }
}

TEST(QkvNormRopeAppendTest, ANanMakesAllOfItsQuantisedHeadNan) {
  Inputs in({1, 2, 16, 8, 0, 0, true}, DType::kBf16, DType::kBf16, {kPage});
  in.qkv.set(3 * 16 + 5, std::numeric_limits<float>::quiet_NaN());  // in value head 0
  for_each_run([&](Stream stream) {
    const Outputs out = run_on(stream, in, DType::kF8E4M3);

    EXPECT_TRUE(std::isnan(out.value_scales.value(kPage * 2)));
    EXPECT_TRUE(std::isfinite(out.value_scales.value(kPage * 2 + 1)));
    for (int64_t c = 0; c < 32; ++c) {
      EXPECT_EQ(std::isnan(plane_value(out.values, kPage * 32 + c)), c < 16) << c;
    }
  });
}

TEST(QkvNormRopeAppendDeathTest, RefusesScalesThatDoNotBelong) {
  CpuContext context(1, CpuPath::kScalar, false);
  const Inputs in({1, 1, 8, 4, 0, 0, true}, DType::kF32, DType::kF32, {kPage});
  EXPECT_DEATH(run_on(Stream(context), in, DType::kBf16), "key_plane is bf16");
  const Inputs wide({1, 1, 264, 4, 0, 0, true}, DType::kF32, DType::kF32, {kPage});
  EXPECT_DEATH(run_on(Stream(context), wide, DType::kF8E4M3), "an e4m3 head of 264 is over 256");
}

TEST(QkvNormRopeAppendDeathTest, RefusesASlotOutsideThePlane) {
  CpuContext context(1, CpuPath::kScalar, false);
  const Inputs past({1, 1, 8, 4, 0, 0, true}, DType::kF32, DType::kF32, {kPages * kPage});
  EXPECT_DEATH(run(Stream(context), past), "writes to slot 512 of 4 pages");
  const Inputs negative({1, 1, 8, 4, 0, 0, true}, DType::kF32, DType::kF32, {-1});
  EXPECT_DEATH(run(Stream(context), negative), "writes to slot -1 of 4 pages");
}

}  // namespace
}  // namespace talon::ops
