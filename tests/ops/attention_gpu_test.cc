// Attention and the selection of pages, CUDA against the CPU: head counts and sizes of both models
// and odd ones, contexts at page borders, dense and sparse, planes of e4m3 too. Keys past a row's
// position are NaN, and so are their scales.
// Covers: ops/attention ops/index_topk
#include "ops/attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "ops/index_topk.h"
#include "tests/ops/cuda_run.h"
#include "tests/ops/plane_types.h"

namespace talon::ops {
namespace {

constexpr int64_t kPage = 128;

struct Heads {
  int64_t heads;
  int64_t groups;
  int64_t dim;
};
constexpr Heads kHeads[] = {{8, 2, 32},    {4, 4, 64}, {16, 1, 128}, {64, 4, 128},
                            {64, 64, 128}, {6, 2, 24}, {20, 1, 32},  {3, 1, 16}};

std::string name_of(const Heads& heads, PlaneTypes types) {
  return std::to_string(heads.heads) + " heads, " + std::to_string(heads.groups) + " groups, dim " +
         std::to_string(heads.dim) + ", " + types.name();
}

// The pages of sequences of some lengths, mixed in one pool. What no token is in is NaN.
struct Cache {
  TestTensor keys;
  TestTensor values;
  TestTensor key_scales;  // used with e4m3
  TestTensor value_scales;
  TestTensor page_table;

  bool is_scaled() const { return keys.dtype() == DType::kF8E4M3; }

  Cache(DType dtype, const Heads& heads, const std::vector<int64_t>& lengths, int64_t pages_each)
      : keys(dtype, {std::ssize(lengths) * pages_each + 1, kPage, heads.groups, heads.dim}),
        values(dtype, {std::ssize(lengths) * pages_each + 1, kPage, heads.groups, heads.dim}),
        key_scales(DType::kF32, {std::ssize(lengths) * pages_each + 1, kPage, heads.groups, 1}),
        value_scales(DType::kF32, {std::ssize(lengths) * pages_each + 1, kPage, heads.groups, 1}),
        page_table(DType::kI32, {std::ssize(lengths), pages_each}) {
    TestRng rng(11);
    const int64_t token = heads.groups * heads.dim;
    const float most = is_scaled() ? 448.0F : 1.0F;  // values are below 1 in any type
    for (int64_t b = 0; b < std::ssize(lengths); ++b) {
      for (int64_t p = 0; p < pages_each; ++p) {
        const int64_t page = 1 + b + std::ssize(lengths) * (pages_each - 1 - p);
        page_table.at<int32_t>(b * pages_each + p) = static_cast<int32_t>(page);
        const int64_t count =
            std::clamp(lengths[static_cast<size_t>(b)] - p * kPage, int64_t{0}, kPage);
        for (int64_t i = 0; i < count * token; ++i) {
          set_plane(keys, page * kPage * token + i, rng.uniform(-most, most));
          set_plane(values, page * kPage * token + i, rng.uniform(-most, most));
        }
        for (int64_t i = 0; is_scaled() && i < count * heads.groups; ++i) {
          key_scales.set(page * kPage * heads.groups + i, rng.uniform(0.1F, 1.0F) / most);
          value_scales.set(page * kPage * heads.groups + i, rng.uniform(0.1F, 1.0F) / most);
        }
      }
    }
  }
};

struct Rows {
  std::vector<int32_t> sequence;
  std::vector<int32_t> position;
  std::vector<int32_t> blocks{};  // [T, G, N]
  int64_t list_size = 0;
};

OpCall call_of(const Cache& cache, const Heads& heads, const TestTensor& q, const Rows& rows) {
  return [&cache, &heads, &q, &rows](Place& place) {
    const auto count = std::ssize(rows.position);
    const TestTensor out(q.dtype(), {count, heads.heads * heads.dim}, /*padding=*/8);
    ConstTensorView blocks;
    if (!rows.blocks.empty()) {
      blocks = place.in_host(
          ConstTensorView(rows.blocks.data(), Shape{count, heads.groups, rows.list_size}));
    }
    const TensorView out_view = place.out(out);
    attention(place.stream(),
              {.out = out_view,
               .q = place.in(q),
               .key_plane = place.in(cache.keys),
               .value_plane = place.in(cache.values),
               .key_scales = cache.is_scaled() ? place.in(cache.key_scales) : ConstTensorView{},
               .value_scales = cache.is_scaled() ? place.in(cache.value_scales) : ConstTensorView{},
               .page_table = place.in(cache.page_table),
               .row_sequence = place.in_host(ConstTensorView(rows.sequence.data(), Shape{count})),
               .positions = place.in_host(ConstTensorView(rows.position.data(), Shape{count})),
               .blocks = blocks,
               .scale = 1.0F / std::sqrt(static_cast<float>(heads.dim))});
  };
}

// Values are below 1. On the GPU a weight beside bf16 values is two parts of bf16.
Bound attention_bound(DType dtype) {
  return dtype == DType::kBf16 ? Bound{0x1p-8, 0x1p-12} : Bound{0x1p-18, 0x1p-18};
}

TEST(CudaAttentionTest, DenseIsTheCpus) {
  TALON_TRACE_SEED();
  for (const Heads& heads : kHeads) {
    for (const PlaneTypes types : kPlaneTypes) {
      SCOPED_TRACE(name_of(heads, types));
      const Cache cache(types.planes, heads, {301, 640}, 6);
      const Rows rows = {{0, 1, 1, 0, 1, 0, 1, 1}, {0, 1, 126, 127, 128, 300, 639, -1}};
      const auto q = TestTensor::random(types.rows, {8, heads.heads, heads.dim}, 12, 3.0F);
      expect_cuda_near(call_of(cache, heads, q, rows), {attention_bound(types.rows)});
    }
  }
}

TEST(CudaAttentionTest, LongContextsAreCutIntoChunks) {
  TALON_TRACE_SEED();
  const Heads heads = {16, 1, 128};
  for (const DType planes : {DType::kBf16, DType::kF8E4M3}) {
    SCOPED_TRACE(dtype_name(planes));
    const Cache cache(planes, heads, {9000}, 71);
    const Rows rows = {{0, 0, 0, 0}, {8999, 8191, 4096, 600}};
    const auto q = TestTensor::random(DType::kBf16, {4, heads.heads, heads.dim}, 13, 3.0F);
    expect_cuda_near(call_of(cache, heads, q, rows), {attention_bound(DType::kBf16)});
  }
}

TEST(CudaAttentionTest, SparseSeesTheListedPagesOnly) {
  TALON_TRACE_SEED();
  for (const Heads& heads : kHeads) {
    for (const PlaneTypes types : kPlaneTypes) {
      SCOPED_TRACE(name_of(heads, types));
      const Cache cache(types.planes, heads, {400, 640}, 6);
      Rows rows = {{1, 0, 1, 0}, {639, 399, 511, -1}};
      rows.list_size = 4;
      for (int64_t g = 0; g < heads.groups; ++g) {
        rows.blocks.insert(rows.blocks.end(), {static_cast<int32_t>(g % 2), 2, 4, -1});
      }
      for (int64_t g = 0; g < heads.groups; ++g) {
        rows.blocks.insert(rows.blocks.end(), {static_cast<int32_t>(g % 3), 3, -1, -1});
      }
      for (int64_t g = 0; g < heads.groups; ++g) {
        rows.blocks.insert(rows.blocks.end(), {0, 1, 2, 3});
      }
      rows.blocks.insert(rows.blocks.end(), static_cast<size_t>(4 * heads.groups), -1);
      const auto q = TestTensor::random(types.rows, {4, heads.heads, heads.dim}, 14, 3.0F);
      expect_cuda_near(call_of(cache, heads, q, rows), {attention_bound(types.rows)});
    }
  }
}

TEST(CudaAttentionTest, AListOfAllPagesGivesTheBitsOfTheDenseForm) {
  for (const Heads& heads : kHeads) {
    for (const PlaneTypes types : kPlaneTypes) {
      SCOPED_TRACE(name_of(heads, types));
      const Cache cache(types.planes, heads, {640}, 6);
      const Rows dense = {{0, 0, 0}, {5, 639, 384}};
      Rows sparse = dense;
      sparse.list_size = 5;
      for (const int32_t position : dense.position) {
        for (int64_t i = 0; i < heads.groups * 5; ++i) {
          const auto page = static_cast<int32_t>(i % 5);
          sparse.blocks.push_back(page <= position / kPage ? page : -1);
        }
      }
      const auto q = TestTensor::random(types.rows, {3, heads.heads, heads.dim}, 15, 3.0F);
      EXPECT_TRUE(same_bits(run_on_cuda(call_of(cache, heads, q, sparse))[0],
                            run_on_cuda(call_of(cache, heads, q, dense))[0]));
    }
  }
}

// A verify of eight rows gives the bits of eight single rows, whatever lies behind each.
TEST(CudaAttentionTest, VerifyRowsHaveTheBitsOfSingleRows) {
  TALON_TRACE_SEED();
  const Heads heads = {8, 2, 32};
  for (const DType planes : {DType::kBf16, DType::kF8E4M3}) {
    SCOPED_TRACE(dtype_name(planes));
    const Cache cache(planes, heads, {700}, 6);
    Rows rows;
    for (int32_t r = 0; r < 8; ++r) {
      rows.sequence.push_back(0);
      rows.position.push_back(636 + r);  // across a page
    }
    auto q = TestTensor::random(DType::kBf16, {8, heads.heads, heads.dim}, 16, 3.0F);
    const TestTensor together = run_on_cuda(call_of(cache, heads, q, rows))[0];
    for (int64_t r = 0; r < 8; ++r) {
      TestTensor one(DType::kBf16, {1, heads.heads, heads.dim});
      for (int64_t i = 0; i < one.num_elements(); ++i) {
        one.at<bf16>(i) = q.at<bf16>(r * one.num_elements() + i);
      }
      const Rows single = {{0}, {rows.position[static_cast<size_t>(r)]}};
      EXPECT_EQ(run_on_cuda(call_of(cache, heads, one, single))[0].row_bytes(0),
                together.row_bytes(r))
          << r;
    }
  }
}

// Rows of one call by themselves, for the bits that they have alone.
TestTensor run_alone(const Cache& cache,
                     const Heads& heads,
                     const TestTensor& q,
                     const Rows& rows) {
  const auto count = std::ssize(rows.position);
  TestTensor out(q.dtype(), {count, heads.heads * heads.dim});
  const int64_t row_size = heads.heads * heads.dim;
  const int64_t list = heads.groups * rows.list_size;
  for (int64_t r = 0; r < count; ++r) {
    TestTensor one(q.dtype(), {1, heads.heads, heads.dim});
    for (int64_t i = 0; i < row_size; ++i) {
      one.set(i, static_cast<float>(q.value(r * row_size + i)));
    }
    Rows single = {{rows.sequence[static_cast<size_t>(r)]},
                   {rows.position[static_cast<size_t>(r)]}};
    single.list_size = rows.list_size;
    if (list > 0) {
      single.blocks.assign(rows.blocks.begin() + r * list, rows.blocks.begin() + (r + 1) * list);
    }
    TestTensor answer = run_on_cuda(call_of(cache, heads, one, single))[0];
    for (int64_t i = 0; i < row_size; ++i) {
      out.at<bf16>(r * row_size + i) = answer.at<bf16>(i);
    }
  }
  return out;
}

// Own pages of a row, a different choice for every row and group, ascending, the own page last.
void add_list(Rows& rows, int64_t groups, int32_t position, TestRng& rng) {
  const auto own = static_cast<int32_t>(position / kPage);
  for (int64_t g = 0; g < groups; ++g) {
    std::vector<int32_t> list;
    for (int32_t page = 0; page < own; ++page) {
      if (rng.integer(0, 3) > 0 && std::ssize(list) + 1 < rows.list_size) {
        list.push_back(page);
      }
    }
    if (position >= 0) {
      list.push_back(own);
    }
    list.resize(static_cast<size_t>(rows.list_size), -1);
    rows.blocks.insert(rows.blocks.end(), list.begin(), list.end());
  }
}

// Three sequences, of 4,100, 700 and 130 tokens, with so many rows each, the second one's last row
// dead. The rows lie across the border of a page, in the first sequence one where a further page
// changes how a row is cut.
Rows rows_at_borders(int32_t each, int64_t list_size, int64_t groups) {
  constexpr std::array<int32_t, 3> kLast = {4097, 642, 129};
  TestRng rng(19);
  Rows rows;
  rows.list_size = list_size;
  for (int32_t i = 0; i < 3 * each; ++i) {
    const int32_t sequence = i / each;
    const bool dead = i == 2 * each - 1;
    rows.sequence.push_back(sequence);
    rows.position.push_back(dead ? -1
                                 : kLast.at(static_cast<size_t>(sequence)) - each + 1 + i % each);
    if (list_size > 0) {
      add_list(rows, groups, rows.position.back(), rng);
    }
  }
  return rows;
}

void expect_rows_as_alone(const Cache& cache, const Heads& heads, int32_t each) {
  for (const int64_t list_size : {0, 5, 16, 34}) {
    SCOPED_TRACE(std::to_string(each) + " rows each, lists of " + std::to_string(list_size));
    const Rows rows = rows_at_borders(each, list_size, heads.groups);
    const auto count = std::ssize(rows.position);
    const auto q = TestTensor::random(DType::kBf16, {count, heads.heads, heads.dim}, 20, 3.0F);
    EXPECT_TRUE(same_bits(run_on_cuda(call_of(cache, heads, q, rows))[0],
                          run_alone(cache, heads, q, rows)));
  }
}

// Pages that several rows share are read once, for any number of rows a sequence.
TEST(CudaAttentionTest, RowsThatSharePagesHaveTheBitsOfRowsAlone) {
  TALON_TRACE_SEED();
  const Heads heads = {20, 1, 128};
  for (const DType planes : {DType::kBf16, DType::kF8E4M3}) {
    SCOPED_TRACE(dtype_name(planes));
    const Cache cache(planes, heads, {4100, 700, 130}, 36);
    for (const int32_t each : {2, 3, 4, 5, 8}) {
      expect_rows_as_alone(cache, heads, each);
    }
  }
}

// Whatever a later row has put into the cache.
TEST(CudaAttentionTest, ALaterRowsNanStaysItsOwn) {
  const Heads heads = {16, 1, 128};
  Cache cache(DType::kBf16, heads, {200}, 2);
  Rows rows = {{0, 0, 0, 0}, {150, 151, 152, 153}};
  const auto q = TestTensor::random(DType::kBf16, {4, heads.heads, heads.dim}, 21, 3.0F);
  const TestTensor before = run_on_cuda(call_of(cache, heads, q, rows))[0];
  const int64_t page = cache.page_table.at<int32_t>(1);
  for (int64_t d = 0; d < heads.dim; ++d) {
    cache.keys.set((page * kPage + 25) * heads.dim + d, std::nanf(""));  // of position 153
    cache.values.set((page * kPage + 25) * heads.dim + d, std::nanf(""));
  }
  const TestTensor after = run_on_cuda(call_of(cache, heads, q, rows))[0];
  for (int64_t r = 0; r < 3; ++r) {
    EXPECT_EQ(after.row_bytes(r), before.row_bytes(r)) << r;
  }
  EXPECT_NE(after.row_bytes(3), before.row_bytes(3));
}

TEST(CudaAttentionTest, LargeScoresDoNotOverflow) {
  const Heads heads = {4, 4, 64};
  for (const DType dtype : {DType::kF32, DType::kBf16}) {
    const Cache cache(dtype, heads, {260}, 3);
    const Rows rows = {{0}, {259}};
    const auto q = TestTensor::random(dtype, {1, heads.heads, heads.dim}, 17, 3e4F);
    expect_cuda_near(call_of(cache, heads, q, rows), {{0x1p-8, 0x1p-8}});
  }
}

TEST(CudaIndexTopkTest, ListsTheCpusPages) {
  TALON_TRACE_SEED();
  struct Case {
    int64_t heads, dim, chosen;
    int num_local;
  };
  for (const Case& c : {Case{2, 32, 4, 1}, {4, 128, 16, 1}, {4, 64, 5, 2}, {3, 20, 4, 1}}) {
    for (const PlaneTypes types : kPlaneTypes) {
      SCOPED_TRACE(std::to_string(c.heads) + " heads of " + std::to_string(c.dim) + " " +
                   types.name());
      // Small integers: scores are exact in any order, and ties are common.
      const int64_t num_pages = 30;
      TestTensor keys(types.planes, {2 * num_pages + 1, kPage, 1, c.dim});
      TestTensor table(DType::kI32, {2, num_pages});
      TestTensor q(types.rows, {7, c.heads, c.dim});
      TestRng rng(18);
      for (int64_t i = kPage * c.dim; i < keys.num_elements(); ++i) {
        set_plane(keys, i, static_cast<float>(rng.integer(-1, 1)));
      }
      for (int64_t i = 0; i < q.num_elements(); ++i) {
        q.set(i, static_cast<float>(rng.integer(-2, 2)));
      }
      for (int64_t i = 0; i < 2 * num_pages; ++i) {
        table.at<int32_t>(i) = static_cast<int32_t>(2 * num_pages - i);
      }
      if (types.planes != DType::kF8E4M3) {  // whose NaN the GPU takes for 480
        keys.set(5 * kPage * c.dim + 3, std::nanf(""));
      }
      const TestTensor sequences = TestTensor::of_i32({0, 1, 1, 0, 1, -5, 0});
      const TestTensor positions = TestTensor::of_i32({0, 3839, 2000, 640, 127, -1, 3000});
      const TestTensor blocks(DType::kI32, {7, c.heads, c.chosen});
      expect_cuda_near(
          [&](Place& place) {
            const TensorView out = place.out(blocks);
            index_topk(place.stream(), {.blocks = out,
                                        .index_q = place.in(q),
                                        .index_key_plane = place.in(keys),
                                        .page_table = place.in(table),
                                        .row_sequence = place.in(sequences),
                                        .positions = place.in(positions),
                                        .num_local = c.num_local});
          },
          {{0.0, 0.0}});
    }
  }
}

// Several rows of a sequence share the tile of scores: rows of a verify, rows of different
// sequences in one unit, dead rows, and more rows than a tile takes.
TEST(CudaIndexTopkTest, RowsOfASequenceListTheCpusPages) {
  TALON_TRACE_SEED();
  for (const int64_t heads : {1, 2, 4}) {
    SCOPED_TRACE(std::to_string(heads) + " heads");
    constexpr int64_t kPages = 12;
    TestTensor keys(DType::kBf16, {2 * kPages + 1, kPage, 1, 128});
    TestTensor table(DType::kI32, {2, kPages});
    TestRng rng(22);
    for (int64_t i = kPage * 128; i < keys.num_elements(); ++i) {
      keys.set(i, static_cast<float>(rng.integer(-1, 1)));
    }
    for (int64_t i = 0; i < 2 * kPages; ++i) {
      table.at<int32_t>(i) = static_cast<int32_t>(2 * kPages - i);
    }
    for (const int32_t each : {2, 4, 5, 20}) {
      SCOPED_TRACE(std::to_string(each) + " rows each");
      std::vector<int32_t> sequence;
      std::vector<int32_t> position;
      for (int32_t r = 0; r < 2 * each; ++r) {
        sequence.push_back(r < each + 1 ? 0 : 1);  // the second unit begins with a row of the first
        position.push_back(r % 7 == 3 ? -1 : 1022 + r % each);
      }
      TestTensor q(DType::kBf16, {2 * each, heads, 128});
      for (int64_t i = 0; i < q.num_elements(); ++i) {
        q.set(i, static_cast<float>(rng.integer(-2, 2)));
      }
      const TestTensor sequences = TestTensor::of_i32(sequence);
      const TestTensor positions = TestTensor::of_i32(position);
      const TestTensor blocks(DType::kI32, {2 * each, heads, 4});
      expect_cuda_near(
          [&](Place& place) {
            const TensorView out = place.out(blocks);
            index_topk(place.stream(), {.blocks = out,
                                        .index_q = place.in(q),
                                        .index_key_plane = place.in(keys),
                                        .page_table = place.in(table),
                                        .row_sequence = place.in(sequences),
                                        .positions = place.in(positions)});
          },
          {{0.0, 0.0}});
    }
  }
}

}  // namespace
}  // namespace talon::ops
