// Logprobs against a formula in double over sorted vectors, by hand at the edges, and after a
// choice from the same rows.
#include "ops/token_logprobs.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "tests/ops/choose_fixture.h"
#include "tests/ops/op_test_util.h"
#include "tests/ops/row_invariance.h"

namespace talon::ops {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct Entries {
  std::vector<int32_t> rows;
  std::vector<int32_t> tokens;
  std::vector<int32_t> num_top;
};

struct Logprobs {
  TestTensor chosen;
  TestTensor top_ids;
  TestTensor top;
};

Logprobs run(Stream stream,
             const TestTensor& logits,
             const std::vector<uint8_t>& allowed,
             const Entries& entries,
             int64_t most) {
  const int64_t count = std::ssize(entries.rows);
  Logprobs out = {.chosen = TestTensor(DType::kF32, {count}),
                  .top_ids = TestTensor(DType::kI32, {count, most}),
                  .top = TestTensor(DType::kF32, {count, most})};
  const TestTensor flags = TestTensor::of(allowed, {logits.num_columns()});
  const TestTensor rows = TestTensor::of_i32(entries.rows);
  const TestTensor tokens = TestTensor::of_i32(entries.tokens);
  const TestTensor num_top = TestTensor::of_i32(entries.num_top);
  token_logprobs(stream, {.logprobs = out.chosen.view(),
                          .top_ids = out.top_ids.view(),
                          .top_logprobs = out.top.view(),
                          .logits = logits.cview(),
                          .allowed = flags.cview(),
                          .rows = rows.cview(),
                          .tokens = tokens.cview(),
                          .num_top = num_top.cview()});
  EXPECT_TRUE(out.chosen.guards_intact());
  EXPECT_TRUE(out.top_ids.guards_intact());
  EXPECT_TRUE(out.top.guards_intact());
  return out;
}

TEST(TokenLogprobsTest, HandCases) {
  TestTensor logits(DType::kF32, {3, 4}, /*padding=*/2);
  const float ln3 = std::log(3.0F);
  const std::vector<std::vector<float>> rows = {
      {0.0F, ln3, 0.0F, 50.0F}, {kNan, -kInfinity, 2.0F, 0.0F}, {kNan, kNan, -kInfinity, 0.0F}};
  for (size_t i = 0; i < 12; ++i) {
    logits.set(static_cast<int64_t>(i), rows[i / 4][i % 4]);
  }
  // The last id has no token, so it takes no share and no place.
  const std::vector<uint8_t> allowed = {1, 1, 1, 0};
  const Entries entries = {.rows = {0, 0, 0, 1, 2, 0, 0},
                           .tokens = {1, 2, 3, 2, 0, -1, 1},
                           .num_top = {2, 4, 0, 4, 1, 4, -1}};
  for_each_run([&](Stream stream) {
    Logprobs out = run(stream, logits, allowed, entries, 4);

    const std::vector<double> chosen = {std::log(0.6), std::log(0.2), -INFINITY, 0.0,
                                        -INFINITY,     NAN,           NAN};
    EXPECT_TRUE(is_near(out.chosen, chosen, {.relative = 1e-6}));
    const int32_t unwritten = -1;
    const auto ids = collect(28, [&](int32_t i) { return out.top_ids.at<int32_t>(i); });
    EXPECT_EQ(ids, (std::vector<int32_t>{1,         0,         unwritten, unwritten,  //
                                         1,         0,         2,         -1,         //
                                         unwritten, unwritten, unwritten, unwritten,  //
                                         2,         0,         1,         -1,         //
                                         0,         unwritten, unwritten, unwritten,  //
                                         unwritten, unwritten, unwritten, unwritten,  //
                                         unwritten, unwritten, unwritten, unwritten}));
    const double a = std::log(0.6);
    const double b = std::log(0.2);
    EXPECT_TRUE(is_near(
        out.top, {a,   b,   NAN, NAN,       a,         b,         b,         -INFINITY, NAN, NAN,
                  NAN, NAN, 0.0, -INFINITY, -INFINITY, -INFINITY, -INFINITY, NAN,       NAN, NAN,
                  NAN, NAN, NAN, NAN,       NAN,       NAN,       NAN,       NAN},
        {.relative = 1e-6}));
  });
}

TEST(TokenLogprobsTest, MatchesTheFormulaOnRandomRows) {
  TALON_TRACE_SEED();
  TestRng rng(51);
  for (const int64_t vocabulary : {1, 7, 30, 5000}) {
    TestTensor logits(DType::kF32, {6, vocabulary});
    for (int64_t i = 0; i < logits.num_elements(); ++i) {
      logits.set(i, rng.integer(0, 1) == 0 ? static_cast<float>(rng.integer(-5, 5))
                                           : rng.uniform(-20.0F, 20.0F));
    }
    std::vector<uint8_t> allowed(static_cast<size_t>(vocabulary), 1);
    for (int64_t id = 1; id < vocabulary; id += 3) {
      allowed[static_cast<size_t>(id)] = 0;
    }
    Entries entries;
    for (int32_t i = 0; i < 40; ++i) {
      entries.rows.push_back(static_cast<int32_t>(rng.integer(0, 5)));
      entries.tokens.push_back(static_cast<int32_t>(rng.integer(0, (vocabulary - 1) / 3) * 3));
      entries.num_top.push_back(static_cast<int32_t>(rng.integer(0, 20)));
    }
    for_each_run([&](Stream stream) {
      Logprobs out = run(stream, logits, allowed, entries, 20);
      for (int64_t i = 0; i < 40; ++i) {
        const auto entry = static_cast<size_t>(i);
        std::vector<std::pair<double, int32_t>> sorted;  // by falling logit, then rising id
        double sum = 0.0;
        for (int32_t id = 0; id < vocabulary; id += 1) {
          if (allowed[static_cast<size_t>(id)] != 0) {
            const double logit = logits.value(entries.rows[entry] * vocabulary + id);
            sorted.emplace_back(-logit, id);
            sum += std::exp(logit);
          }
        }
        std::sort(sorted.begin(), sorted.end());
        const double logit = logits.value(entries.rows[entry] * vocabulary + entries.tokens[entry]);
        ASSERT_NEAR(out.chosen.value(i), logit - std::log(sum), 1e-5);
        for (size_t place = 0; place < static_cast<size_t>(entries.num_top[entry]); ++place) {
          const int64_t at = i * 20 + static_cast<int64_t>(place);
          const bool is_there = place < sorted.size();
          ASSERT_EQ(out.top_ids.at<int32_t>(at), is_there ? sorted[place].second : -1);
          const double expected = is_there ? -sorted[place].first - std::log(sum) : -INFINITY;
          ASSERT_TRUE(is_there ? std::abs(out.top.value(at) - expected) < 1e-5
                               : out.top.value(at) == expected);
        }
      }
    });
  }
}

TEST(TokenLogprobsTest, AreOfTheRawLogitsAfterAChoiceFromTheSameRows) {
  const TestTensor logits = TestTensor::random(DType::kF32, {2, 50}, 52, 4.0F);
  const std::vector<uint8_t> allowed(50, 1);
  const Entries entries = {.rows = {0, 1}, .tokens = {3, 3}, .num_top = {5, 5}};
  for_each_run([&](Stream stream) {
    const Logprobs before = run(stream, logits, allowed, entries, 5);
    run_choose(stream, logits, allowed,
               {{.temperature = 0.7F, .repetition = 1.5F, .biases = {{3, 9.0F}}, .prompt = {3}}},
               {{}, {.logit_row = 1}});

    const Logprobs after = run(stream, logits, allowed, entries, 5);

    EXPECT_TRUE(same_bits(after.chosen, before.chosen));
    EXPECT_TRUE(same_bits(after.top_ids, before.top_ids));
    EXPECT_TRUE(same_bits(after.top, before.top));
  });
}

TEST(TokenLogprobsTest, IsRowInvariant) {
  const TestTensor logits = TestTensor::random(DType::kF32, {kRowInvarianceRows, 3001}, 53, 9.0F);
  const std::vector<uint8_t> allowed(3001, 1);
  expect_row_invariant({"token_logprobs", [&](Stream stream, int64_t first, int64_t count) {
                          Entries entries;
                          for (int64_t i = first; i < first + count; ++i) {
                            entries.rows.push_back(static_cast<int32_t>(i));
                            entries.tokens.push_back(static_cast<int32_t>(i * 7));
                            entries.num_top.push_back(20);
                          }
                          const Logprobs out = run(stream, logits, allowed, entries, 20);
                          TestTensor chosen(DType::kF32, {count, 1});
                          for (int64_t i = 0; i < count; ++i) {
                            chosen.set(i, static_cast<float>(out.chosen.value(i)));
                          }
                          return rows_of({&chosen, &out.top_ids, &out.top}, count);
                        }});
}

TEST(TokenLogprobsDeathTest, RefusesTokensBeyondTheVocabulary) {
  CpuContext context(1, CpuPath::kScalar, false);
  const TestTensor logits = TestTensor::random(DType::kF32, {1, 4}, 54);
  const Entries entries = {.rows = {0}, .tokens = {4}, .num_top = {0}};
  EXPECT_DEATH(run(Stream(context), logits, {1, 1, 1, 1}, entries, 0), "token 4 of 4");
}

}  // namespace
}  // namespace talon::ops
