// The selection against a scalar model, exactly. Queries and keys are small integers, so scores are
// exact in float32 whatever the order of the sum, and ties are common.
#include "ops/index_topk.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "tests/ops/op_test_util.h"
#include "tests/ops/plane_types.h"

namespace talon::ops {
namespace {

constexpr int64_t kPage = 128;

// One sequence of `num_pages` pages, in memory from the last to the first; tokens at and past
// `length` are NaN.
class IndexCache {
 public:
  IndexCache(DType dtype, int64_t num_pages, int64_t dim, int64_t length)
      : num_pages_(num_pages),
        dim_(dim),
        keys(dtype, {num_pages + 1, kPage, 1, dim}),
        page_table(DType::kI32, {1, num_pages}) {
    TestRng rng(21);
    for (int64_t p = 0; p < num_pages; ++p) {
      page_table.at<int32_t>(p) = static_cast<int32_t>(num_pages - p);
    }
    for (int64_t j = 0; j < length; ++j) {
      for (int64_t d = 0; d < dim; ++d) {
        set(j, d, static_cast<float>(rng.integer(-2, 2)));
      }
    }
  }

  void set(int64_t token, int64_t d, float value) { set_plane(keys, place(token) + d, value); }
  double get(int64_t token, int64_t d) const { return plane_value(keys, place(token) + d); }
  void set_token(int64_t token, float value) {
    for (int64_t d = 0; d < dim_; ++d) {
      set(token, d, value);
    }
  }

 private:
  int64_t place(int64_t token) const {
    return ((num_pages_ - token / kPage) * kPage + token % kPage) * dim_;
  }

  int64_t num_pages_;
  int64_t dim_;

 public:
  TestTensor keys;
  TestTensor page_table;
};

struct Choice {
  int64_t heads;
  int64_t chosen;
  int num_local;
};

// The list of the query vector that is row `index` of q.
std::vector<int32_t> model_list(const IndexCache& cache,
                                const TestTensor& q,
                                int64_t index,
                                int32_t position,
                                const Choice& choice) {
  const int64_t dim = q.num_columns();
  const int64_t own = position / kPage;
  std::vector<double> scores;
  for (int64_t b = 0; b <= own; ++b) {
    double best = -std::numeric_limits<double>::infinity();
    for (int64_t j = b * kPage; j < (b + 1) * kPage && j <= position; ++j) {
      double score = 0.0;
      for (int64_t d = 0; d < dim; ++d) {
        score += q.value(index * dim + d) * cache.get(j, d);
      }
      best = score > best ? score : best;
    }
    scores.push_back(own - b < choice.num_local ? std::numeric_limits<double>::infinity() : best);
  }
  std::vector<int32_t> pages(scores.size());
  std::iota(pages.begin(), pages.end(), 0);
  std::stable_sort(pages.begin(), pages.end(), [&](int32_t a, int32_t b) {
    return scores[static_cast<size_t>(a)] > scores[static_cast<size_t>(b)];
  });
  pages.resize(std::min(pages.size(), static_cast<size_t>(choice.chosen)));
  std::sort(pages.begin(), pages.end());
  pages.resize(static_cast<size_t>(choice.chosen), -1);
  return pages;
}

TestTensor run(Stream stream,
               const IndexCache& cache,
               const TestTensor& q,
               const std::vector<int32_t>& positions,
               const Choice& choice) {
  const auto rows = static_cast<int64_t>(positions.size());
  TestTensor blocks(DType::kI32, {rows, choice.heads, choice.chosen});
  for (int64_t i = 0; i < blocks.num_elements(); ++i) {
    blocks.at<int32_t>(i) = -77;
  }
  const TestTensor position = TestTensor::of_i32(positions);
  const TestTensor sequence = TestTensor::of_i32(std::vector<int32_t>(positions.size(), 0));
  index_topk(stream, {.blocks = blocks.view(),
                      .index_q = q.cview(),
                      .index_key_plane = cache.keys.cview(),
                      .page_table = cache.page_table.cview(),
                      .row_sequence = sequence.cview(),
                      .positions = position.cview(),
                      .num_local = choice.num_local});
  EXPECT_TRUE(blocks.guards_intact());
  return blocks;
}

TestTensor small_integers(DType dtype, const Shape& shape, uint64_t purpose) {
  TestTensor q(dtype, shape);
  TestRng rng(purpose);
  for (int64_t i = 0; i < q.num_elements(); ++i) {
    q.set(i, static_cast<float>(rng.integer(-2, 2)));
  }
  return q;
}

std::vector<int32_t> list_of(TestTensor& blocks, int64_t index, int64_t chosen) {
  std::vector<int32_t> list;
  list.reserve(static_cast<size_t>(chosen));
  for (int64_t n = 0; n < chosen; ++n) {
    list.push_back(blocks.at<int32_t>(index * chosen + n));
  }
  return list;
}

TEST(IndexTopkTest, EqualsTheScalarModel) {
  TALON_TRACE_SEED();
  const std::vector<int32_t> positions = {0, 1, 127, 128, 129, 2047, 2048, 2175, 2176, 2559};
  for (const int64_t dim : {32, 128, 24}) {
    for (const Choice& choice : {Choice{2, 4, 1}, {4, 16, 1}, {5, 3, 2}, {1, 1, 1}, {3, 4, 4}}) {
      for (const PlaneTypes types : kPlaneTypes) {
        SCOPED_TRACE(types.name() + ", dim " + std::to_string(dim) + ", heads " +
                     std::to_string(choice.heads) + ", chosen " + std::to_string(choice.chosen) +
                     ", local " + std::to_string(choice.num_local));
        const IndexCache cache(types.planes, 20, dim, 2560);
        const auto rows = static_cast<int64_t>(positions.size());
        const TestTensor q = small_integers(types.rows, {rows, choice.heads, dim}, 22);
        std::vector<std::vector<int32_t>> expected;
        for (int64_t i = 0; i < rows * choice.heads; ++i) {
          const int32_t position = positions[static_cast<size_t>(i / choice.heads)];
          expected.push_back(model_list(cache, q, i, position, choice));
        }
        for_each_run([&](Stream stream) {
          TestTensor blocks = run(stream, cache, q, positions, choice);

          for (size_t i = 0; i < expected.size(); ++i) {
            EXPECT_EQ(list_of(blocks, static_cast<int64_t>(i), choice.chosen), expected[i])
                << "row and head " << i;
          }
        });
      }
    }
  }
}

TEST(IndexTopkTest, TiesGoToTheLowerPage) {
  IndexCache cache(DType::kF32, 8, 16, 8 * kPage);
  for (int64_t j = 0; j < 8 * kPage; ++j) {
    cache.set_token(j, 1.0F);
  }
  TestTensor q(DType::kF32, {1, 1, 16});
  q.fill(1.0F);
  for_each_run([&](Stream stream) {
    TestTensor blocks = run(stream, cache, q, {7 * kPage + 3}, {1, 4, 1});

    EXPECT_EQ(list_of(blocks, 0, 4), (std::vector<int32_t>{0, 1, 2, 7}));
  });
}

TEST(IndexTopkTest, NanScoresAreLowest) {
  for (const DType dtype : {DType::kF32, DType::kF8E4M3}) {
    IndexCache cache(dtype, 6, 16, 6 * kPage);
    for (int64_t j = 0; j < 6 * kPage; ++j) {
      cache.set_token(j, j < 2 * kPage ? std::nanf("") : -static_cast<float>(j));
    }
    cache.set_token(3 * kPage + 5, std::nanf(""));  // one token of a page does not hide the others
    TestTensor q(DType::kF32, {1, 1, 16});
    q.fill(1.0F);
    for_each_run([&](Stream stream) {
      TestTensor blocks = run(stream, cache, q, {5 * kPage}, {1, 4, 1});

      EXPECT_EQ(list_of(blocks, 0, 4), (std::vector<int32_t>{2, 3, 4, 5}));
    });
  }
}

TEST(IndexTopkTest, TheOwnPageIsTakenWhateverItHolds) {
  IndexCache cache(DType::kBf16, 6, 32, 6 * kPage);
  for (int64_t j = 5 * kPage; j < 6 * kPage; ++j) {
    cache.set_token(j, -100.0F);
  }
  TestTensor q(DType::kBf16, {1, 1, 32});
  q.fill(1.0F);
  for_each_run([&](Stream stream) {
    TestTensor blocks = run(stream, cache, q, {6 * kPage - 1}, {1, 3, 1});

    EXPECT_EQ(list_of(blocks, 0, 3).back(), 5);
  });
}

// Everything behind the position is NaN or a score that would win.
TEST(IndexTopkTest, KeysBehindThePositionDoNotCount) {
  const Choice choice = {2, 3, 1};
  const TestTensor q = small_integers(DType::kBf16, {1, 2, 32}, 23);
  for (const int32_t position : {128, 639, 640, 700}) {
    SCOPED_TRACE(position);
    const IndexCache poisoned(DType::kBf16, 8, 32, position + 1);
    const IndexCache whole(DType::kBf16, 8, 32, 8 * kPage);
    for_each_run([&](Stream stream) {
      TestTensor a = run(stream, poisoned, q, {position}, choice);
      TestTensor b = run(stream, whole, q, {position}, choice);

      EXPECT_TRUE(same_bits(a, b));
    });
  }
}

TEST(IndexTopkTest, DeadRowsChooseNothing) {
  const IndexCache cache(DType::kF32, 4, 16, 4 * kPage);
  const TestTensor q(DType::kF32, {3, 2, 16});
  for_each_run([&](Stream stream) {
    TestTensor blocks = run(stream, cache, q, {-1, 5, -1}, {2, 4, 1});

    EXPECT_EQ(list_of(blocks, 1, 4), (std::vector<int32_t>{-1, -1, -1, -1}));
    EXPECT_EQ(list_of(blocks, 2, 4), (std::vector<int32_t>{0, -1, -1, -1}));
    EXPECT_EQ(list_of(blocks, 5, 4), (std::vector<int32_t>{-1, -1, -1, -1}));
  });
}

TEST(IndexTopkDeathTest, ImpossibleListsAreRefused) {
  const IndexCache cache(DType::kF32, 4, 16, 1);
  const TestTensor q(DType::kF32, {1, 2, 16});
  CpuContext context(1);
  const Stream stream(context);

  EXPECT_DEATH(run(stream, cache, q, {0}, {2, 4, 5}), "5 local pages in a list of 4");
  EXPECT_DEATH(run(stream, cache, q, {512}, {2, 4, 1}), "position 512 has 4 pages");
}

}  // namespace
}  // namespace talon::ops
