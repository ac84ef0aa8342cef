// Attention on every path against softmax written out in double. Keys that a row may not see are
// NaN, pages lie in memory in no order, and the planes' unused places are NaN too.
#include "ops/attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "tests/ops/op_test_util.h"
#include "tests/ops/plane_types.h"

namespace talon::ops {
namespace {

constexpr int64_t kPage = 128;

struct Heads {
  int64_t heads;
  int64_t groups;
  int64_t dim;
};

constexpr Heads kHeads[] = {{8, 2, 32}, {4, 4, 64}, {16, 1, 128},
                            {6, 2, 24}, {3, 1, 16}, {20, 1, 32}};

// Two sequences whose pages are mixed in one pool. Tokens at and past `length` of a sequence are
// NaN in both planes, and so are the scales of e4m3. Values are below 1 in any type.
class Cache {
 public:
  Cache(DType dtype, const Heads& heads, std::vector<int64_t> lengths)
      : heads_(heads),
        lengths_(std::move(lengths)),
        amplitude_(dtype == DType::kF8E4M3 ? 448.0F : 1.0F),
        keys(dtype, {kNumPages, kPage, heads.groups, heads.dim}),
        values(dtype, {kNumPages, kPage, heads.groups, heads.dim}),
        key_scales(DType::kF32, {kNumPages, kPage, heads.groups, 1}),
        value_scales(DType::kF32, {kNumPages, kPage, heads.groups, 1}),
        page_table(DType::kI32, {static_cast<int64_t>(lengths_.size()), kPagesEach}) {
    TestRng rng(11);
    for (size_t b = 0; b < lengths_.size(); ++b) {
      for (int64_t p = 0; p < kPagesEach; ++p) {
        // 1, 4, 7, ... for one and 2, 5, 8, ... for the other, from the end: page 0 is no one's.
        const auto sequence = static_cast<int64_t>(b);
        page_table.at<int32_t>(sequence * kPagesEach + p) =
            static_cast<int32_t>(1 + sequence + 3 * (kPagesEach - 1 - p));
      }
      for (int64_t j = 0; j < lengths_[b]; ++j) {
        const int64_t first = place(static_cast<int64_t>(b), j);
        for (int64_t i = 0; i < heads.groups * heads.dim; ++i) {
          set_plane(keys, first + i, rng.uniform(-amplitude_, amplitude_));
          set_plane(values, first + i, rng.uniform(-amplitude_, amplitude_));
        }
        for (int64_t g = 0; is_scaled() && g < heads.groups; ++g) {
          key_scales.set(first / heads.dim + g, rng.uniform(0.1F, 1.0F) / amplitude_);
          value_scales.set(first / heads.dim + g, rng.uniform(0.1F, 1.0F) / amplitude_);
        }
      }
    }
  }

  bool is_scaled() const { return keys.dtype() == DType::kF8E4M3; }

  // Element i of a plane, with its scale.
  double key(int64_t i) const {
    return plane_value(keys, i) * (is_scaled() ? key_scales.value(i / heads_.dim) : 1.0);
  }
  double value(int64_t i) const {
    return plane_value(values, i) * (is_scaled() ? value_scales.value(i / heads_.dim) : 1.0);
  }

  void forget(int64_t sequence, int64_t j) {
    const int64_t first = place(sequence, j);
    for (int64_t i = 0; i < heads_.groups * heads_.dim; ++i) {
      set_plane(keys, first + i, std::nanf(""));
      set_plane(values, first + i, std::nanf(""));
    }
    for (int64_t g = 0; g < heads_.groups; ++g) {
      key_scales.set(first / heads_.dim + g, std::nanf(""));
      value_scales.set(first / heads_.dim + g, std::nanf(""));
    }
  }

  // Index of the first element of token j.
  int64_t place(int64_t sequence, int64_t j) {
    const int64_t page = page_table.at<int32_t>(sequence * kPagesEach + j / kPage);
    return (page * kPage + j % kPage) * heads_.groups * heads_.dim;
  }

  static constexpr int64_t kPagesEach = 6;
  static constexpr int64_t kNumPages = 3 * kPagesEach + 1;

 private:
  Heads heads_;
  std::vector<int64_t> lengths_;
  float amplitude_;

 public:
  TestTensor keys;
  TestTensor values;
  TestTensor key_scales;
  TestTensor value_scales;
  TestTensor page_table;
};

struct Rows {
  std::vector<int32_t> sequence;
  std::vector<int32_t> position;
};

// One call of the op. `blocks` is [T, G, N] or empty.
struct Problem {
  Cache& cache;
  const Heads& heads;
  const TestTensor& q;
  const Rows& rows;
  std::vector<int32_t> blocks;
  float scale;
};

int64_t num_rows(const Problem& p) { return static_cast<int64_t>(p.rows.position.size()); }

// Entries of a list of pages; 0 for the dense form.
int64_t list_size(const Problem& p) {
  return p.blocks.empty() ? 0
                          : static_cast<int64_t>(p.blocks.size()) / num_rows(p) / p.heads.groups;
}

// Where the tokens that row t sees in group g begin in the planes.
std::vector<int64_t> visible_places(const Problem& p, int64_t t, int64_t g) {
  const int32_t* list = p.blocks.data() + (t * p.heads.groups + g) * list_size(p);
  const int32_t* end = list + list_size(p);
  std::vector<int64_t> places;
  for (int64_t j = 0; j <= p.rows.position[static_cast<size_t>(t)]; ++j) {
    if (p.blocks.empty() || std::find(list, end, j / kPage) != end) {
      const int64_t place = p.cache.place(p.rows.sequence[static_cast<size_t>(t)], j);
      places.push_back(place + g * p.heads.dim);
    }
  }
  return places;
}

void exact_head(const Problem& p, int64_t t, int64_t h, double* out) {
  const int64_t g = h / (p.heads.heads / p.heads.groups);
  const std::vector<int64_t> places = visible_places(p, t, g);
  std::vector<double> weights;
  for (const int64_t place : places) {
    double score = 0.0;
    for (int64_t d = 0; d < p.heads.dim; ++d) {
      score += p.q.value((t * p.heads.heads + h) * p.heads.dim + d) * p.cache.key(place + d);
    }
    weights.push_back(score * static_cast<double>(p.scale));
  }
  const double max = *std::max_element(weights.begin(), weights.end());
  double sum = 0.0;
  for (double& weight : weights) {
    weight = std::exp(weight - max);
    sum += weight;
  }
  for (size_t i = 0; i < places.size(); ++i) {
    for (int64_t d = 0; d < p.heads.dim; ++d) {
      out[d] += weights[i] / sum * p.cache.value(places[i] + d);
    }
  }
}

std::vector<double> exact_attention(const Problem& p) {
  const int64_t size = p.heads.heads * p.heads.dim;
  std::vector<double> out(static_cast<size_t>(num_rows(p) * size), 0.0);
  for (int64_t t = 0; t < num_rows(p); ++t) {
    for (int64_t h = 0; h < p.heads.heads; ++h) {
      if (p.rows.position[static_cast<size_t>(t)] >= 0) {
        exact_head(p, t, h, out.data() + t * size + h * p.heads.dim);
      }
    }
  }
  return out;
}

TestTensor run(Stream stream, const Problem& p) {
  TestTensor out(p.q.dtype(), {num_rows(p), p.heads.heads * p.heads.dim}, /*padding=*/3);
  const TestTensor sequence = TestTensor::of_i32(p.rows.sequence);
  const TestTensor position = TestTensor::of_i32(p.rows.position);
  AttentionArgs args = {.out = out.view(),
                        .q = p.q.cview(),
                        .key_plane = p.cache.keys.cview(),
                        .value_plane = p.cache.values.cview(),
                        .key_scales = {},
                        .value_scales = {},
                        .page_table = p.cache.page_table.cview(),
                        .row_sequence = sequence.cview(),
                        .positions = position.cview(),
                        .blocks = {},
                        .scale = p.scale};
  if (p.cache.is_scaled()) {
    args.key_scales = p.cache.key_scales.cview();
    args.value_scales = p.cache.value_scales.cview();
  }
  if (!p.blocks.empty()) {
    args.blocks =
        ConstTensorView(p.blocks.data(), Shape{num_rows(p), p.heads.groups, list_size(p)});
  }
  attention(stream, args);
  return out;
}

// Probabilities sum to 1 and values are below 1, so an absolute bound is one on the weights: the
// error of a score (of `dim` products below 1, times the scale) and of the exponential.
Bound bound_of(const Heads& heads) {
  return {0x1p-21, (static_cast<double>(heads.dim) + 64.0) * 0x1p-24};
}

std::string name_of(const Heads& heads, PlaneTypes types) {
  return std::to_string(heads.heads) + " heads, " + std::to_string(heads.groups) + " groups, dim " +
         std::to_string(heads.dim) + ", " + types.name();
}

float scale_of(const Heads& heads) { return 1.0F / std::sqrt(static_cast<float>(heads.dim)); }

TEST(AttentionTest, DenseIsSoftmaxOverAllVisibleTokens) {
  TALON_TRACE_SEED();
  for (const Heads& heads : kHeads) {
    for (const PlaneTypes types : kPlaneTypes) {
      SCOPED_TRACE(name_of(heads, types));
      Cache cache(types.planes, heads, {301, 640});
      const Rows rows = {{0, 1, 1, 0, 1, 0, 1, 1}, {0, 1, 126, 127, 128, 300, 639, -1}};
      const TestTensor q = TestTensor::random(types.rows, {8, heads.heads, heads.dim}, 12, 3.0F);
      const auto exact = exact_attention({cache, heads, q, rows, {}, scale_of(heads)});

      for_each_run([&](Stream stream) {
        const TestTensor out = run(stream, {cache, heads, q, rows, {}, scale_of(heads)});

        EXPECT_TRUE(is_near(out, exact, bound_of(heads)));
      });
    }
  }
}

TEST(AttentionTest, KeysBehindThePositionAreNotTouched) {
  const Heads heads = {8, 2, 32};
  for (const PlaneTypes types : kPlaneTypes) {
    for (const int32_t position : {0, 1, 2, 63, 126, 127, 128, 129, 255, 256, 300}) {
      SCOPED_TRACE(position);
      Cache cache(types.planes, heads, {position + 1});  // NaN from the next token on
      const Rows rows = {{0}, {position}};
      const TestTensor q = TestTensor::random(types.rows, {1, heads.heads, heads.dim}, 13);
      const auto exact = exact_attention({cache, heads, q, rows, {}, scale_of(heads)});

      for_each_run([&](Stream stream) {
        const TestTensor out = run(stream, {cache, heads, q, rows, {}, scale_of(heads)});

        EXPECT_TRUE(is_near(out, exact, bound_of(heads)));
      });
    }
  }
}

TEST(AttentionTest, DeadRowsAreZero) {
  const Heads heads = {4, 4, 64};
  Cache cache(DType::kF32, heads, {200});
  const Rows rows = {{0, -7, 0}, {-1, -1, 199}};
  const TestTensor q(DType::kF32, {3, heads.heads, heads.dim});
  for_each_run([&](Stream stream) {
    const TestTensor out = run(stream, {cache, heads, q, rows, {}, 1.0F});

    for (int64_t i = 0; i < 2 * heads.heads * heads.dim; ++i) {
      EXPECT_EQ(out.value(i), 0.0);
    }
    EXPECT_TRUE(std::isnan(out.value(2 * heads.heads * heads.dim)));  // its query is NaN
  });
}

TEST(AttentionTest, NoRowsAreNoWork) {
  const Heads heads = {4, 4, 64};
  Cache cache(DType::kF32, heads, {1});
  const TestTensor q(DType::kF32, {0, heads.heads, heads.dim});
  for_each_run([&](Stream stream) {
    EXPECT_TRUE(run(stream, {cache, heads, q, {}, {}, 1.0F}).guards_intact());
  });
}

TEST(AttentionTest, LargeScoresDoNotOverflow) {
  const Heads heads = {2, 1, 16};
  Cache cache(DType::kF32, heads, {260});
  const Rows rows = {{0}, {259}};
  const TestTensor q = TestTensor::random(DType::kF32, {1, heads.heads, heads.dim}, 14, 3e4F);
  const auto exact = exact_attention({cache, heads, q, rows, {}, 1.0F});
  for_each_run([&](Stream stream) {
    const TestTensor out = run(stream, {cache, heads, q, rows, {}, 1.0F});

    // One score is far above all others; its value comes out.
    EXPECT_TRUE(is_near(out, exact, {0x1p-20, 0x1p-20}));
  });
}

std::vector<int32_t> all_pages(const Rows& rows, int64_t groups, int64_t list) {
  std::vector<int32_t> blocks;
  for (const int32_t position : rows.position) {
    for (int64_t g = 0; g < groups; ++g) {
      for (int64_t n = 0; n < list; ++n) {
        blocks.push_back(position >= 0 && n <= position / kPage ? static_cast<int32_t>(n) : -1);
      }
    }
  }
  return blocks;
}

TEST(AttentionTest, AListOfAllPagesGivesTheBitsOfTheDenseForm) {
  TALON_TRACE_SEED();
  for (const Heads& heads : kHeads) {
    for (const PlaneTypes types : kPlaneTypes) {
      SCOPED_TRACE(name_of(heads, types));
      Cache cache(types.planes, heads, {400, 640});
      const Rows rows = {{0, 0, 1, 1, 1, 0}, {5, 399, 127, 128, 639, -1}};
      const TestTensor q = TestTensor::random(types.rows, {6, heads.heads, heads.dim}, 15, 3.0F);
      const auto blocks = all_pages(rows, heads.groups, 7);
      for_each_run([&](Stream stream) {
        const TestTensor dense = run(stream, {cache, heads, q, rows, {}, scale_of(heads)});
        const TestTensor sparse = run(stream, {cache, heads, q, rows, blocks, scale_of(heads)});

        EXPECT_TRUE(same_bits(sparse, dense));
      });
    }
  }
}

TEST(AttentionTest, SparseSeesTheListedPagesOnly) {
  TALON_TRACE_SEED();
  for (const Heads& heads : kHeads) {
    for (const PlaneTypes types : kPlaneTypes) {
      SCOPED_TRACE(name_of(heads, types));
      Cache cache(types.planes, heads, {400, 640});
      const Rows rows = {{1, 0, 1}, {639, 399, 511}};
      std::vector<int32_t> blocks;
      for (int64_t g = 0; g < heads.groups; ++g) {  // groups differ
        const auto first = static_cast<int32_t>(g % 2);
        blocks.insert(blocks.end(), {first, 2, 4, -1});
      }
      for (int64_t g = 0; g < heads.groups; ++g) {
        blocks.insert(blocks.end(), {static_cast<int32_t>(g % 3), 3, -1, -1});
      }
      for (int64_t g = 0; g < heads.groups; ++g) {
        blocks.insert(blocks.end(), {0, 1, 2, 3});
      }
      const TestTensor q = TestTensor::random(types.rows, {3, heads.heads, heads.dim}, 16, 3.0F);
      const auto exact = exact_attention({cache, heads, q, rows, blocks, scale_of(heads)});
      for_each_run([&](Stream stream) {
        const TestTensor out = run(stream, {cache, heads, q, rows, blocks, scale_of(heads)});

        EXPECT_TRUE(is_near(out, exact, bound_of(heads)));
      });
    }
  }
}

// The rows of a verify step against the same rows one by one, with what lies behind each position
// replaced by NaN when it runs alone.
TEST(AttentionTest, VerifyRowsHaveTheBitsOfSingleRows) {
  TALON_TRACE_SEED();
  for (const Heads& heads : kHeads) {
    for (const PlaneTypes types : kPlaneTypes) {
      SCOPED_TRACE(name_of(heads, types));
      constexpr int64_t kRows = 8;
      constexpr int32_t kFirst = 252;  // the rows cross into the next page
      Rows rows;
      for (int32_t r = 0; r < kRows; ++r) {
        rows.sequence.push_back(0);
        rows.position.push_back(kFirst + r);
      }
      const TestTensor q =
          TestTensor::random(types.rows, {kRows, heads.heads, heads.dim}, 17, 3.0F);
      for_each_run([&](Stream stream) {
        Cache cache(types.planes, heads, {kFirst + kRows});
        const TestTensor together = run(stream, {cache, heads, q, rows, {}, scale_of(heads)});
        for (int64_t r = kRows - 1; r >= 0; --r) {
          TestTensor one(types.rows, {1, heads.heads, heads.dim});
          for (int64_t i = 0; i < one.num_elements(); ++i) {
            one.set(i, static_cast<float>(q.value(r * one.num_elements() + i)));
          }
          if (r + 1 < kRows) {
            cache.forget(0, kFirst + r + 1);
          }
          const Rows single = {{0}, {static_cast<int32_t>(kFirst + r)}};

          const TestTensor alone = run(stream, {cache, heads, one, single, {}, scale_of(heads)});

          EXPECT_EQ(alone.row_bytes(0), together.row_bytes(r)) << "row " << r;
        }
      });
    }
  }
}

TEST(AttentionDeathTest, ForeignSequencesAndPositionsAreRefused) {
  const Heads heads = {4, 4, 64};
  Cache cache(DType::kF32, heads, {1});
  const TestTensor q(DType::kF32, {1, heads.heads, heads.dim});
  CpuContext context(1);
  const Stream stream(context);

  EXPECT_DEATH(run(stream, {cache, heads, q, {{1}, {0}}, {}, 1.0F}), "sequence 1 of 1");
  EXPECT_DEATH(run(stream, {cache, heads, q, {{0}, {768}}, {}, 1.0F}), "position 768 has 6 pages");
}

}  // namespace
}  // namespace talon::ops
