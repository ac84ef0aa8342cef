// Slots and chain positions against a scalar model written from the definition, over random
// lengths, page crossings, the context limit and missing pages. Exact integers.
#include "ops/round_metadata.h"

#include <gtest/gtest.h>

#include <vector>

#include "core/cpu_context.h"
#include "core/cpu_path.h"
#include "core/dtype.h"
#include "core/stream.h"
#include "tests/ops/op_test_util.h"

namespace talon::ops {
namespace {

constexpr int64_t kPage = 128;

// The page table of some sequences; pages past `mapped` of a sequence are missing (id 0).
struct Table {
  int64_t num_pages;
  std::vector<std::vector<int32_t>> pages;

  TestTensor array() const {
    TestTensor array(DType::kI32, {static_cast<int64_t>(pages.size()), num_pages}, /*padding=*/2);
    for (size_t b = 0; b < pages.size(); ++b) {
      for (int64_t i = 0; i < num_pages; ++i) {
        array.at<int32_t>(static_cast<int64_t>(b) * num_pages + i) =
            pages[b][static_cast<size_t>(i)];
      }
    }
    return array;
  }

  int64_t slot(int64_t sequence, int64_t position, int64_t limit) const {
    if (position < 0) {
      return 0;
    }
    int64_t page = 0;
    if (position < limit && position / kPage < num_pages) {
      page = pages[static_cast<size_t>(sequence)][static_cast<size_t>(position / kPage)];
    }
    return page * kPage + position % kPage;
  }
};

Table random_table(TestRng& rng, int64_t num_sequences) {
  Table table = {.num_pages = rng.integer(1, 6), .pages = {}};
  for (int64_t b = 0; b < num_sequences; ++b) {
    std::vector<int32_t> pages(static_cast<size_t>(table.num_pages), 0);
    const int64_t mapped = rng.integer(0, table.num_pages);
    for (int64_t i = 0; i < mapped; ++i) {
      pages[static_cast<size_t>(i)] = static_cast<int32_t>(rng.integer(1, 20000000));
    }
    table.pages.push_back(pages);
  }
  return table;
}

std::vector<int64_t> run_slots(Stream stream,
                               const Table& table,
                               const std::vector<int32_t>& positions,
                               const std::vector<int32_t>& sequences,
                               int32_t limit) {
  TestTensor slots(DType::kI64, {static_cast<int64_t>(positions.size())});
  const TestTensor position_array = TestTensor::of_i32(positions);
  const TestTensor sequence_array = TestTensor::of_i32(sequences);
  const TestTensor page_table = table.array();
  write_slots(stream, {.slots = slots.view(),
                       .positions = position_array.cview(),
                       .row_sequence = sequence_array.cview(),
                       .page_table = page_table.cview(),
                       .context_limit = limit});
  EXPECT_TRUE(slots.guards_intact());
  std::vector<int64_t> result;
  for (int64_t t = 0; t < slots.num_elements(); ++t) {
    result.push_back(slots.at<int64_t>(t));
  }
  return result;
}

TEST(WriteSlotsTest, HandCases) {
  const Table table = {.num_pages = 3, .pages = {{7, 9, 0}, {4, 5, 20000000}}};
  for_each_run([&](Stream stream) {
    const auto slots =
        run_slots(stream, table, {0, 127, 128, 255, 256, 383, 256, 300, 383, 384, -1, -5},
                  {0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 0, -1},
                  /*limit=*/300);

    EXPECT_EQ(slots, (std::vector<int64_t>{7 * 128, 7 * 128 + 127, 9 * 128, 9 * 128 + 127,
                                           0,    // the page is missing
                                           127,  // likewise, and past the limit
                                           int64_t{20000000} * 128,
                                           300 - 256,  // at the limit
                                           127,
                                           0,  // past the table
                                           0,  // dead rows
                                           0}));
    EXPECT_TRUE(run_slots(stream, table, {}, {}, 300).empty());
  });
}

TEST(WriteSlotsTest, MatchesAScalarModelOnRandomLengths) {
  TALON_TRACE_SEED();
  TestRng rng(1);
  CpuContext context(1, CpuPath::kScalar, false);
  for (int trial = 0; trial < 300; ++trial) {
    const int64_t num_sequences = rng.integer(1, 6);
    const Table table = random_table(rng, num_sequences);
    const auto limit = static_cast<int32_t>(rng.integer(1, table.num_pages * kPage + 50));
    std::vector<int32_t> positions;
    std::vector<int32_t> sequences;
    std::vector<int64_t> expected;
    for (int64_t t = rng.integer(0, 40); t > 0; --t) {
      const int64_t sequence = rng.integer(0, num_sequences - 1);
      const int64_t position = rng.integer(-3, (table.num_pages + 1) * kPage);
      positions.push_back(static_cast<int32_t>(position));
      sequences.push_back(static_cast<int32_t>(sequence));
      expected.push_back(table.slot(sequence, position, limit));
    }

    ASSERT_EQ(run_slots(Stream(context), table, positions, sequences, limit), expected);
  }
}

TEST(WriteSlotsDeathTest, RefusesALiveRowWithoutASequence) {
  const Table table = {.num_pages = 1, .pages = {{7}}};
  CpuContext context(1, CpuPath::kScalar, false);
  EXPECT_DEATH(run_slots(Stream(context), table, {3}, {1}, 128), "belongs to sequence 1 of 1");
}

struct Chain {
  std::vector<int32_t> kv_len;
  std::vector<int32_t> active;
  int32_t step;
  int32_t limit;
};

struct ChainRows {
  std::vector<int32_t> positions;
  std::vector<int64_t> slots;

  friend bool operator==(const ChainRows&, const ChainRows&) = default;
};

ChainRows run_chain(Stream stream, const Table& table, const Chain& chain) {
  const auto num_sequences = static_cast<int64_t>(chain.kv_len.size());
  TestTensor positions(DType::kI32, {num_sequences});
  TestTensor slots(DType::kI64, {num_sequences});
  const TestTensor kv_len = TestTensor::of_i32(chain.kv_len);
  const TestTensor active = TestTensor::of_i32(chain.active);
  const TestTensor page_table = table.array();
  draft_step(stream, {.positions = positions.view(),
                      .slots = slots.view(),
                      .kv_len = kv_len.cview(),
                      .active = active.cview(),
                      .page_table = page_table.cview(),
                      .step = chain.step,
                      .context_limit = chain.limit});
  EXPECT_TRUE(positions.guards_intact() && slots.guards_intact());
  ChainRows rows;
  for (int64_t b = 0; b < num_sequences; ++b) {
    rows.positions.push_back(positions.at<int32_t>(b));
    rows.slots.push_back(slots.at<int64_t>(b));
  }
  return rows;
}

TEST(DraftStepTest, HandCases) {
  const Table table = {.num_pages = 2, .pages = {{7, 9}, {4, 0}, {5, 6}, {3, 2}, {8, 1}}};
  for_each_run([&](Stream stream) {
    // A page crossing, a missing page, an idle slot with any length, the limit, and just below it.
    const Chain chain = {.kv_len = {127, 127, 2147483647, 199, 198},
                         .active = {1, 1, 0, 1, 1},
                         .step = 2,
                         .limit = 200};

    const ChainRows rows = run_chain(stream, table, chain);

    EXPECT_EQ(rows.positions, (std::vector<int32_t>{128, 128, -1, -1, 199}));
    EXPECT_EQ(rows.slots, (std::vector<int64_t>{9 * 128, 0, 0, 0, 1 * 128 + 71}));
    EXPECT_EQ(run_chain(stream, {.num_pages = 2, .pages = {}}, {{}, {}, 1, 200}), ChainRows{});
  });
}

// The chain starts at the advanced length, never at the optimistic one: with L = kv_len + Q rows
// verified and r rejected, step i stands at L - r + i - 1 (spec/eagle3.md S4).
TEST(DraftStepTest, MatchesAScalarModelForAnyNumberRejected) {
  TALON_TRACE_SEED();
  TestRng rng(2);
  CpuContext context(1, CpuPath::kScalar, false);
  for (int trial = 0; trial < 500; ++trial) {
    const int64_t num_sequences = rng.integer(0, 8);
    const Table table = random_table(rng, num_sequences);
    Chain chain = {.kv_len = {},
                   .active = {},
                   .step = static_cast<int32_t>(rng.integer(1, 7)),
                   .limit = static_cast<int32_t>(rng.integer(1, table.num_pages * kPage + 9))};
    ChainRows expected;
    for (int64_t b = 0; b < num_sequences; ++b) {
      const int64_t drafts = rng.integer(0, 7);
      const int64_t rejected = rng.integer(0, drafts);
      const int64_t optimistic = rng.integer(0, table.num_pages * kPage) + drafts + 1;
      const bool is_active = rng.integer(0, 3) != 0;
      chain.kv_len.push_back(static_cast<int32_t>(optimistic - rejected));
      chain.active.push_back(is_active ? 1 : 0);
      int64_t position = optimistic - rejected + chain.step - 1;
      if (!is_active || position >= chain.limit) {
        position = -1;
      }
      expected.positions.push_back(static_cast<int32_t>(position));
      expected.slots.push_back(table.slot(b, position, chain.limit));
    }

    ASSERT_EQ(run_chain(Stream(context), table, chain), expected);
  }
}

}  // namespace
}  // namespace talon::ops
