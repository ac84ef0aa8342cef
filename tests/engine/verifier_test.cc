// The verifier on steps of plain values: random settings, drafts and constraints against the naive
// double formula of tests/ops/choose_fixture.h, penalties that count what was emitted, forced
// acceptance, and logprobs after the cut. What it emits over many rounds is tested in
// verifier_law_test.cc.
#include "engine/verifier.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "core/cpu_context.h"
#include "engine/sampler_state.h"
#include "tests/engine/verify_step.h"
#include "tests/ops/choose_fixture.h"
#include "tests/ops/op_test_util.h"

namespace talon {
namespace {

using ops::Choice;
using ops::SlotSettings;
using ops::TestRng;
using test::Row;
using test::VerifyStep;

constexpr int64_t kVocab = 9;
constexpr int32_t kSlots = 6;
constexpr int32_t kDrafts = 3;
constexpr StepSizes kSizes = {
    .max_rows = 64, .max_sequences = kSlots, .max_drafts = kDrafts, .context_limit = 1000};

std::vector<int32_t> ints(const TensorView& view) {
  return {view.as<int32_t>(), view.as<int32_t>() + view.size(0)};
}

std::vector<int32_t> values(const std::vector<TokenId>& tokens) {
  return ops::collect(std::ssize(tokens),
                      [&](int32_t i) { return tokens[static_cast<size_t>(i)].value; });
}

Row random_row(TestRng& rng) {
  return ops::collect(kVocab, [&](int32_t) { return rng.uniform(-3.0F, 3.0F); });
}

std::vector<double> wide(const Row& row) { return {row.begin(), row.end()}; }

// A verifier with its state on one thread. All ids have tokens but the last.
class VerifierTest : public testing::Test {
 protected:
  VerifierTest() : VerifierTest(VerifierOptions{}) {}
  explicit VerifierTest(const VerifierOptions& options)
      : allowed_(kVocab, 1),
        context_(1, detect_cpu_path(), false),
        sampler_(kSlots, kVocab),
        ring_(kSizes),
        verifier_(kSizes, TensorView(allowed_.data(), Shape{kVocab}), sampler_, options) {
    allowed_.back() = 0;
  }

  // The results of the step's sequences.
  std::vector<RowResult> run(VerifyStep& step) {
    const StepArrays arrays = step.arrays();
    verifier_.verify(Stream(context_), step.plan(), arrays, step.logits(), ring_.logprobs(0));
    return step.results(verifier_, ring_.logprobs(0));
  }

  std::vector<uint8_t> allowed_;
  CpuContext context_;
  SamplerState sampler_;
  ResultRing ring_;  // for its log-probabilities
  Verifier verifier_;
};

PlanRow plan_row(int32_t slot) {
  PlanRow row;
  row.slot = SlotIndex{slot};
  return row;
}

// A sequence of the scalar model: settings with what it generated so far, and its index.
struct Model {
  SlotSettings settings;
  int32_t position = 0;  // of the pending token
};

// One verify of the scalar model: drafts that agree now and then, constraints on some rows.
struct ModelRound {
  std::vector<int32_t> drafts;
  std::vector<Row> logits;
  std::vector<uint32_t> masks;
  std::vector<int32_t> choices;
  int32_t accepted = 0;

  std::vector<int32_t> emitted() const { return {choices.begin(), choices.begin() + accepted + 1}; }
};

ModelRound make_round(TestRng& rng, const Model& model, const std::vector<uint8_t>& allowed) {
  ModelRound round;
  const auto num_drafts = rng.integer(0, kDrafts);
  const bool constrained = rng.integer(0, 2) == 0;
  bool stands = true;
  for (int32_t j = 0; j <= num_drafts; ++j) {
    round.logits.push_back(random_row(rng));
    Choice choice = {.index = model.position + j + 1, .before = round.drafts};
    if (constrained) {
      const auto id = static_cast<int32_t>(rng.integer(0, kVocab - 2));
      choice.kept_ids = {id, (id + 3) % 8};
      const auto words = ops::bit_row(choice.kept_ids, kVocab);
      round.masks.insert(round.masks.end(), words.begin(), words.end());
    }
    const auto law = ops::naive_law(wide(round.logits.back()), allowed, model.settings, choice);
    round.choices.push_back(ops::naive_draw(law, model.settings.seed, choice.index));
    if (j < num_drafts) {
      const bool agrees = rng.integer(0, 3) != 0;
      round.drafts.push_back(agrees ? round.choices.back() : (round.choices.back() + 1) % 8);
      stands = stands && agrees;
      round.accepted += stands ? 1 : 0;
    }
  }
  return round;
}

SlotSettings settings_of(TestRng& rng, int32_t slot) {
  SlotSettings settings = {.seed = rng.integer(-1000, 1000)};
  settings.temperature = slot % 3 == 0 ? 0.0F : rng.uniform(0.3F, 1.5F);
  settings.top_k = slot % 3 == 1 ? 5 : 0;
  settings.top_p = slot % 2 == 1 ? 0.9F : 1.0F;
  settings.min_p = slot == 5 ? 0.1F : 0.0F;
  if (slot >= 2) {
    settings.repetition = 1.2F;
    settings.presence = 0.3F;
    settings.frequency = 0.4F;
    settings.biases = {{2, 0.7F}};
    settings.min_end_index = 12;
    settings.end_ids = {1, 4};
    settings.prompt = {0, 3, 3};
    settings.generated = {2};
  }
  if (slot == 4) {
    settings.kept_ids = {0, 1, 2, 3, 5};
  }
  return settings;
}

TEST_F(VerifierTest, MatchesAScalarModelOverRoundsThatShareTheirCounts) {
  TALON_TRACE_SEED();
  TestRng rng(61);
  for (int trial = 0; trial < 30; ++trial) {
    auto models = ops::collect(kSlots, [&](int32_t slot) {
      return Model{.settings = settings_of(rng, slot), .position = 7};
    });
    for (int32_t slot = 0; slot < kSlots; ++slot) {
      sampler_.apply(Stream(context_),
                     test::slot_patch(slot, models[static_cast<size_t>(slot)].settings));
    }
    for (int rounds = 0; rounds < 6; ++rounds) {
      VerifyStep step(kVocab, kDrafts);
      std::vector<ModelRound> expected;
      for (int32_t slot = kSlots - 1; slot >= 0; --slot) {
        const Model& model = models[static_cast<size_t>(slot)];
        expected.push_back(make_round(rng, model, allowed_));
        PlanRow row = plan_row(slot);
        row.masks = expected.back().masks;
        step.add_verify(row, model.position, expected.back().drafts, expected.back().logits);
      }
      std::vector<int32_t> choices;
      for (const ModelRound& round : expected) {
        choices.insert(choices.end(), round.choices.begin(), round.choices.end());
      }

      const auto results = run(step);

      ASSERT_EQ(ints(verifier_.choices()), choices);
      for (size_t b = 0; b < results.size(); ++b) {
        SCOPED_TRACE(testing::Message() << "trial " << trial << ", sequence " << b);
        const auto emitted = expected[b].emitted();
        ASSERT_EQ(values(results[b].tokens), emitted);
        ASSERT_EQ(results[b].accepted, expected[b].accepted);
        ASSERT_EQ(results[b].drafted, std::ssize(expected[b].drafts));
        ASSERT_EQ(ints(verifier_.next_token())[b], emitted.back());
        Model& model = models[size_t{kSlots - 1} - b];
        model.position += static_cast<int32_t>(emitted.size());
        model.settings.generated.insert(model.settings.generated.end(), emitted.begin(),
                                        emitted.end());
      }
    }
  }
}

TEST_F(VerifierTest, ChunksChooseAtTheirEndIfTheySample) {
  TestRng rng(62);
  VerifyStep step(kVocab, kDrafts);
  PlanRow middle = plan_row(0);
  middle.tokens = test::token_ids({1, 2, 3});
  middle.next_token = TokenId{4};
  PlanRow last = plan_row(1);
  last.tokens = test::token_ids({5, 6});
  last.sample = true;
  step.add_chunk(middle, 0, {});
  step.add_chunk(last, 3, {{0, 0, 0, 0, 0, 2, 0, 0, 9}});
  step.add_verify(plan_row(2), 20, {3}, {{0, 0, 0, 1, 0, 0, 0, 0, 0}, {1, 0, 0, 0, 0, 0, 0, 0, 0}});

  const auto results = run(step);

  EXPECT_EQ(ints(verifier_.accepted()), (std::vector<int32_t>{-1, 0, 1}));
  EXPECT_EQ(ints(verifier_.next_token()), (std::vector<int32_t>{-1, 5, 0}));
  EXPECT_EQ(ints(verifier_.emitted()), (std::vector<int32_t>{5, 3, 0}));
  EXPECT_TRUE(results[0].tokens.empty());
  EXPECT_EQ(values(results[1].tokens), std::vector<int32_t>{5});
  EXPECT_EQ(values(results[2].tokens), (std::vector<int32_t>{3, 0}));
  EXPECT_TRUE(results[2].logprobs.empty());
}

// log-softmax over the ids with a token.
double naive_logprob(const Row& row, int32_t token) {
  double sum = 0.0;
  for (size_t id = 0; id + 1 < row.size(); ++id) {
    sum += std::exp(static_cast<double>(row[id]));
  }
  return static_cast<double>(row[static_cast<size_t>(token)]) - std::log(sum);
}

// Whether it says `token`, and the likeliest ids of the row in order.
void expect_logprobs(const PositionLogprobs& actual,
                     const Row& row,
                     int32_t token,
                     const std::vector<int32_t>& top) {
  EXPECT_EQ(actual.chosen.token.value, token);
  EXPECT_NEAR(actual.chosen.logprob, naive_logprob(row, token), 1e-5);
  ASSERT_EQ(actual.top.size(), top.size());
  for (size_t i = 0; i < top.size(); ++i) {
    EXPECT_EQ(actual.top[i].token.value, top[i]);
    EXPECT_NEAR(actual.top[i].logprob, naive_logprob(row, top[i]), 1e-5);
  }
}

TEST_F(VerifierTest, LogprobsAreOfTheTokensThatStandAndOfRawLogits) {
  sampler_.apply(Stream(context_),
                 test::slot_patch(1, {.temperature = 0.0F, .biases = {{7, 50.0F}}}));
  const std::vector<Row> rows = {
      {0, 1, 2, 3, 0, 0, 0, 1.5F, 9}, {3, 2, 2, 0, 0, 0, 0, 0, 9}, {1, 1, 1, 1, 1, 1, 1, 1, 9}};
  VerifyStep step(kVocab, kDrafts);
  PlanRow plain = plan_row(0);
  plain.num_logprobs = 2;
  PlanRow none = plan_row(2);
  PlanRow biased = plan_row(1);
  biased.num_logprobs = 0;
  step.add_verify(plain, 5, {3, 4}, rows);  // the second draft falls
  step.add_verify(none, 5, {3}, {rows[0], rows[1]});
  step.add_verify(biased, 5, {}, {rows[0]});

  const auto results = run(step);

  EXPECT_EQ(values(results[0].tokens), (std::vector<int32_t>{3, 0}));
  ASSERT_EQ(results[0].logprobs.size(), 2U);
  expect_logprobs(results[0].logprobs[0], rows[0], 3, {3, 2});
  expect_logprobs(results[0].logprobs[1], rows[1], 0, {0, 1});
  EXPECT_TRUE(results[1].logprobs.empty());
  ASSERT_EQ(results[2].logprobs.size(), 1U);
  expect_logprobs(results[2].logprobs[0], rows[0], 7, {});
}

TEST_F(VerifierTest, PromptLogprobsAreOfTheNextTokenWhereThePlanKnowsIt) {
  TestRng rng(63);
  const auto rows = ops::collect(8, [&](int32_t) { return random_row(rng); });
  PlanRow middle = plan_row(0);
  middle.tokens = test::token_ids({1, 2, 3});
  middle.next_token = TokenId{4};
  middle.num_prompt_logprobs = 0;
  PlanRow last = plan_row(1);
  last.tokens = test::token_ids({5, 6});
  last.sample = true;
  last.num_prompt_logprobs = 1;
  last.num_logprobs = 0;
  PlanRow single = plan_row(2);
  single.tokens = test::token_ids({5});
  single.sample = true;
  single.num_prompt_logprobs = 1;
  VerifyStep step(kVocab, kDrafts);
  step.add_verify(plan_row(3), 4, {}, {rows[0]});
  step.add_chunk(middle, 0, {rows[1], rows[2], rows[3]});
  step.add_chunk(single, 0, {rows[4]});
  step.add_chunk(last, 3, {rows[5], rows[6]});

  const auto results = run(step);

  EXPECT_TRUE(results[0].prompt_logprobs.empty());
  ASSERT_EQ(results[1].prompt_logprobs.size(), 3U);
  expect_logprobs(results[1].prompt_logprobs[0], rows[1], 2, {});
  expect_logprobs(results[1].prompt_logprobs[1], rows[2], 3, {});
  expect_logprobs(results[1].prompt_logprobs[2], rows[3], 4, {});
  EXPECT_TRUE(results[2].prompt_logprobs.empty());
  ASSERT_EQ(results[3].prompt_logprobs.size(), 1U);
  const auto likeliest =
      static_cast<int32_t>(std::max_element(rows[5].begin(), rows[5].end() - 1) - rows[5].begin());
  expect_logprobs(results[3].prompt_logprobs[0], rows[5], 6, {likeliest});
  ASSERT_EQ(results[3].logprobs.size(), 1U);
  expect_logprobs(results[3].logprobs[0], rows[6], results[3].tokens[0].value, {});
}

TEST_F(VerifierTest, ASlotPatchForgetsWhatTheSlotHeld) {
  const Row row = {1, 0, 0, 0, 0, 0, 0, 0, 0};
  sampler_.apply(Stream(context_), test::slot_patch(0, {.temperature = 0.0F,
                                                        .frequency = 2.0F,
                                                        .min_end_index = 100,
                                                        .end_ids = {1},
                                                        .kept_ids = {0, 1, 2},
                                                        .biases = {{3, 9.0F}},
                                                        .generated = {0}}));
  EXPECT_FALSE(sampler_.is_plain_greedy(SlotIndex{0}));
  const auto first_token = [&] {
    VerifyStep step(kVocab, kDrafts);
    step.add_verify(plan_row(0), 4, {}, {row});
    return run(step)[0].tokens[0].value;
  };
  EXPECT_EQ(first_token(), 2);  // 0 was generated, 1 is an end, 3 is not kept
  EXPECT_EQ(first_token(), 0);  // and now 2 was too, at a lower logit

  sampler_.apply(Stream(context_), test::slot_patch(0, {.temperature = 0.0F, .frequency = 2.0F}));
  EXPECT_EQ(first_token(), 0);
  EXPECT_EQ(first_token(), 1);

  sampler_.apply(Stream(context_), test::slot_patch(0, {.temperature = 0.0F}));
  EXPECT_TRUE(sampler_.is_plain_greedy(SlotIndex{0}));
  EXPECT_EQ(first_token(), 0);
  EXPECT_EQ(first_token(), 0);
}

class ForcedVerifierTest : public VerifierTest, public testing::WithParamInterface<double> {
 protected:
  ForcedVerifierTest() : VerifierTest(VerifierOptions{.acceptance_length = GetParam()}) {}
};

// With K drafts a round the mean is L exactly but for the fraction, whose draws are few thousand.
TEST_P(ForcedVerifierTest, AcceptsTheMeanItIsToldWithTheLeastVariance) {
  const double extra = GetParam() - 1.0;
  const auto fewest = static_cast<int32_t>(std::floor(extra));
  const Row row = {0, 1, 0, 0, 0, 0, 0, 0, 0};
  for (int32_t slot = 0; slot < kSlots; ++slot) {
    sampler_.apply(Stream(context_), test::slot_patch(slot, {.seed = slot, .temperature = 0.0F}));
  }
  constexpr int32_t kRounds = 1000;
  int64_t sum = 0;
  for (int32_t i = 0; i < kRounds; ++i) {
    VerifyStep step(kVocab, kDrafts);
    for (int32_t slot = 0; slot < kSlots; ++slot) {
      PlanRow wants = plan_row(slot);
      wants.num_logprobs = 0;
      step.add_verify(wants, 3 * i, {5, 6, 7}, {row, row, row, row});
    }
    for (const RowResult& result : run(step)) {
      sum += result.accepted;
      ASSERT_GE(result.accepted, fewest);
      ASSERT_LE(result.accepted, std::ceil(extra));
      std::vector<int32_t> emitted = {5, 6, 7};
      emitted.resize(static_cast<size_t>(result.accepted));
      emitted.push_back(1);
      ASSERT_EQ(values(result.tokens), emitted);
      ASSERT_EQ(result.logprobs.size(), emitted.size());
      expect_logprobs(result.logprobs[0], row, emitted[0], {});
    }
  }
  const double mean = static_cast<double>(sum) / (kRounds * kSlots);
  const bool whole = extra == std::floor(extra);
  EXPECT_NEAR(mean, extra, whole ? 0.0 : 0.015);

  // No more than there are.
  VerifyStep step(kVocab, kDrafts);
  step.add_verify(plan_row(0), 8, {5}, {row, row});
  EXPECT_LE(run(step)[0].accepted, 1);
}

INSTANTIATE_TEST_SUITE_P(Lengths,
                         ForcedVerifierTest,
                         testing::Values(1.0, 1.5, 2.0, 2.83, 3.35, 4.0));

}  // namespace
}  // namespace talon
