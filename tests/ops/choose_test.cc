// The choice of a token: each step of the list by hand, random settings against the naive double
// formula of choose_fixture.h (laws and drawn tokens), what a draw may not depend on, and that the
// frequencies of many draws follow the law.
#include "ops/choose.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "ops/argmax.h"
#include "tests/ops/choose_fixture.h"
#include "tests/ops/op_test_util.h"
#include "tests/ops/row_invariance.h"

namespace talon::ops {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<double> row_of(const TestTensor& logits, int64_t row) {
  const int64_t size = logits.num_columns();
  return collect(size, [&](int32_t id) { return logits.value(row * size + id); });
}

// One case of a single row: logits are logarithms of weights, so that laws are simple fractions.
struct HandCase {
  std::string name;
  std::vector<float> weights;
  SlotSettings slot;
  Choice choice;
  std::vector<double> law;
};

std::vector<HandCase> hand_cases() {
  const std::vector<float> fall = {4.0F, 3.0F, 2.0F, 1.0F};
  const auto ln2 = std::log(2.0F);
  std::vector<HandCase> cases;
  const auto add = [&](const std::string& name, const SlotSettings& slot,
                       const std::vector<double>& law, const Choice& choice = {}) {
    cases.push_back({name, fall, slot, choice, law});
  };
  add("plain", {}, {0.4, 0.3, 0.2, 0.1});
  add("temperature", {.temperature = 0.5F}, {16 / 30.0, 9 / 30.0, 4 / 30.0, 1 / 30.0});
  add("top_k", {.top_k = 2}, {4 / 7.0, 3 / 7.0, 0, 0});
  add("top_p, mass reached", {.top_p = 0.69F}, {4 / 7.0, 3 / 7.0, 0, 0});
  add("top_p, one more is needed", {.top_p = 0.71F}, {4 / 9.0, 3 / 9.0, 2 / 9.0, 0});
  add("top_p keeps one", {.top_p = 0.01F}, {1, 0, 0, 0});
  add("top_p on what top_k left", {.top_k = 2, .top_p = 0.55F}, {1, 0, 0, 0});
  add("min_p", {.min_p = 0.6F}, {4 / 7.0, 3 / 7.0, 0, 0});
  add("bias", {.biases = {{3, 2 * ln2}, {0, -ln2}}}, {2 / 11.0, 3 / 11.0, 2 / 11.0, 4 / 11.0});
  add("own mask", {.kept_ids = {1, 3}}, {0, 0.75, 0, 0.25});
  add("constraint", {}, {0, 0.6, 0.4, 0}, {.kept_ids = {1, 2}});
  add("constraint and own mask", {.kept_ids = {1, 3}}, {0, 1, 0, 0}, {.kept_ids = {1, 2}});
  add("own mask that would leave nothing", {.kept_ids = {3}}, {0, 0.6, 0.4, 0},
      {.kept_ids = {1, 2}});
  add("ends are held back", {.min_end_index = 8, .end_ids = {0, 2}}, {0, 0.75, 0, 0.25},
      {.index = 7});
  add("ends are free", {.min_end_index = 8, .end_ids = {0, 2}}, {0.4, 0.3, 0.2, 0.1}, {.index = 8});
  add("ends are all there is", {.min_end_index = 8, .end_ids = {0, 2}}, {2 / 3.0, 0, 1 / 3.0, 0},
      {.index = 7, .kept_ids = {0, 2}});
  add("repetition, prompt and generated", {.repetition = 2.0F, .prompt = {0}, .generated = {1, 3}},
      {2 / (2 + std::sqrt(3) + 3), std::sqrt(3) / (2 + std::sqrt(3) + 3),
       2 / (2 + std::sqrt(3) + 3), 1 / (2 + std::sqrt(3) + 3)});
  add("presence, generated only", {.presence = ln2, .prompt = {1}, .generated = {0, 0}},
      {2 / 8.0, 3 / 8.0, 2 / 8.0, 1 / 8.0});
  add("frequency", {.frequency = ln2, .prompt = {1}, .generated = {0, 0}},
      {1 / 7.0, 3 / 7.0, 2 / 7.0, 1 / 7.0});
  add("drafts before the row count", {.frequency = ln2, .generated = {0}},
      {1 / 7.0, 3 / 7.0, 2 / 7.0, 1 / 7.0}, {.before = {0}});
  add("greedy", {.temperature = 0.0F, .frequency = 1.0F, .generated = {0, 0}}, {0, 1, 0, 0});
  return cases;
}

TEST(ChooseTest, EachStepByHand) {
  const std::vector<uint8_t> allowed(4, 1);
  for_each_run([&](Stream stream) {
    for (const HandCase& hand : hand_cases()) {
      SCOPED_TRACE(hand.name);
      TestTensor logits(DType::kF32, {1, 4});
      for (int64_t c = 0; c < 4; ++c) {
        logits.set(c, std::log(hand.weights[static_cast<size_t>(c)]));
      }

      const Chosen chosen = run_choose(stream, logits, allowed, {hand.slot}, {hand.choice});

      EXPECT_EQ(chosen.tokens[0], naive_draw(hand.law, hand.slot.seed, hand.choice.index));
      if (hand.slot.temperature > 0.0F) {
        EXPECT_TRUE(is_near(chosen.laws, hand.law, {.relative = 1e-6}));
      }
      const auto naive = naive_law(row_of(logits, 0), allowed, hand.slot, hand.choice);
      for (size_t id = 0; id < 4; ++id) {
        EXPECT_NEAR(naive[id], hand.law[id], 1e-6) << "the formula itself, id " << id;
      }
    }
  });
}

TEST(ChooseTest, TiesAndValuesThatAreNoNumbers) {
  TestTensor logits(DType::kF32, {5, 4});
  const std::vector<std::vector<float>> rows = {{1.0F, 3.0F, 3.0F, 2.0F},
                                                {kNan, -kInfinity, kNan, -kInfinity},
                                                {kNan, 1.0F, kInfinity, 0.0F},
                                                {kNan, -5.0F, kNan, -6.0F},
                                                {2.0F, 2.0F, 2.0F, 2.0F}};
  for (size_t i = 0; i < 20; ++i) {
    logits.set(static_cast<int64_t>(i), rows[i / 4][i % 4]);
  }
  const std::vector<uint8_t> allowed = {0, 1, 1, 1};
  // A bias on an id without a token changes nothing, but keeps the row off the plain path.
  const std::vector<SlotSettings> slots = {{.temperature = 0.0F},
                                           {.temperature = 0.0F, .biases = {{0, 50.0F}}},
                                           {.temperature = 1e-6F},
                                           {.temperature = 1.0F, .top_k = 1},
                                           {.temperature = 1.0F, .top_p = 1e-6F}};
  for_each_run([&](Stream stream) {
    for (int32_t s = 0; s < 5; ++s) {
      SCOPED_TRACE(s);
      const auto choices =
          collect(5, [s](int32_t r) { return Choice{.slot = s, .logit_row = r, .index = 7}; });
      const Chosen chosen = run_choose(stream, logits, allowed, slots, choices);
      const int32_t first = s == 2 ? chosen.tokens[0] : 1;  // a draw among ties
      const int32_t last = s == 2 ? chosen.tokens[4] : 1;
      EXPECT_EQ(chosen.tokens, (std::vector<int32_t>{first, 1, 2, 1, last}));
      EXPECT_GE(chosen.tokens[0], 1);
      EXPECT_LE(chosen.tokens[0], 2);

      const Chosen none = run_choose(stream, logits, {0, 0, 0, 0}, slots, choices);
      EXPECT_EQ(none.tokens, std::vector<int32_t>(5, -1));
    }
    const Chosen dead = run_choose(stream, logits, allowed, slots, {{.slot = -1}, {.slot = 0}});
    EXPECT_EQ(dead.tokens, (std::vector<int32_t>{-1, 1}));
    EXPECT_TRUE(run_choose(stream, logits, allowed, slots, {}).tokens.empty());
  });
}

std::vector<int32_t> random_ids(TestRng& rng, int64_t most, int64_t vocabulary) {
  std::vector<int32_t> ids;
  for (int64_t count = rng.integer(0, most); std::ssize(ids) < count;) {
    ids.push_back(static_cast<int32_t>(rng.integer(0, vocabulary - 1)));
  }
  return ids;
}

SlotSettings random_slot(TestRng& rng, int64_t vocabulary) {
  const auto sometimes = [&rng](float value, float otherwise) {
    return rng.integer(0, 2) == 0 ? value : otherwise;
  };
  SlotSettings slot;
  slot.seed = rng.integer(-1000000000000, 1000000000000);
  slot.temperature = sometimes(0.0F, rng.uniform(0.2F, 2.0F));
  slot.top_k = static_cast<int32_t>(rng.integer(0, 3) == 0 ? rng.integer(1, vocabulary) : 0);
  slot.top_p = sometimes(rng.uniform(0.05F, 1.0F), 1.0F);
  slot.min_p = sometimes(rng.uniform(0.0F, 0.5F), 0.0F);
  slot.repetition = sometimes(rng.uniform(0.5F, 2.0F), 1.0F);
  slot.presence = sometimes(rng.uniform(-2.0F, 2.0F), 0.0F);
  slot.frequency = sometimes(rng.uniform(-2.0F, 2.0F), 0.0F);
  slot.min_end_index = static_cast<int32_t>(rng.integer(0, 20));
  slot.end_ids = random_ids(rng, SlotArrays::kMaxEnds, vocabulary);
  if (rng.integer(0, 2) == 0) {
    slot.kept_ids = random_ids(rng, vocabulary, vocabulary);
  }
  for (const int32_t id : random_ids(rng, SlotArrays::kMaxBiases, vocabulary)) {
    const auto same = [id](const auto& bias) { return bias.first == id; };
    if (std::none_of(slot.biases.begin(), slot.biases.end(), same)) {
      slot.biases.emplace_back(id, rng.uniform(-3.0F, 3.0F));
    }
  }
  slot.prompt = random_ids(rng, 20, vocabulary);
  slot.generated = random_ids(rng, 20, vocabulary);
  return slot;
}

Choice random_choice(TestRng& rng, int32_t row, int64_t num_slots, int64_t vocabulary) {
  Choice choice = {.slot = static_cast<int32_t>(rng.integer(0, num_slots - 1)),
                   .logit_row = row,
                   .index = static_cast<int32_t>(rng.integer(0, 20)),
                   .before = random_ids(rng, 7, vocabulary)};
  if (rng.integer(0, 2) == 0) {
    choice.kept_ids = random_ids(rng, vocabulary, vocabulary);
  }
  return choice;
}

// Half of the values from a small set, so that ties abound.
TestTensor random_logits(TestRng& rng, int64_t rows, int64_t vocabulary) {
  TestTensor logits(DType::kF32, {rows, vocabulary}, /*padding=*/3);
  for (int64_t i = 0; i < logits.num_elements(); ++i) {
    const int64_t kind = rng.integer(0, 59);
    const float value =
        kind % 2 == 0 ? static_cast<float>(rng.integer(-3, 3)) : rng.uniform(-4.0F, 4.0F);
    logits.set(i, kind == 1 ? kNan : kind == 3 ? -kInfinity : value);
  }
  return logits;
}

TEST(ChooseTest, MatchesTheNaiveFormulaOnRandomSettings) {
  TALON_TRACE_SEED();
  TestRng rng(41);
  for (const int64_t vocabulary : {1, 9, 33, 700}) {
    for (int trial = 0; trial < 20; ++trial) {
      std::vector<uint8_t> allowed(static_cast<size_t>(vocabulary));
      for (uint8_t& flag : allowed) {
        flag = rng.integer(0, 5) == 0 ? 0 : 1;
      }
      allowed[static_cast<size_t>(rng.integer(0, vocabulary - 1))] = 1;
      const auto slots = collect(8, [&](int32_t) { return random_slot(rng, vocabulary); });
      const TestTensor logits = random_logits(rng, 12, vocabulary);
      const auto choices =
          collect(12, [&](int32_t r) { return random_choice(rng, 11 - r, 8, vocabulary); });
      const auto before = logits.row_bytes(0, 12);
      for_each_run([&](Stream stream) {
        const Chosen chosen = run_choose(stream, logits, allowed, slots, choices);
        for (size_t c = 0; c < choices.size(); ++c) {
          SCOPED_TRACE(testing::Message()
                       << "V " << vocabulary << ", trial " << trial << ", " << c);
          const SlotSettings& slot = slots[static_cast<size_t>(choices[c].slot)];
          const auto law =
              naive_law(row_of(logits, choices[c].logit_row), allowed, slot, choices[c]);
          ASSERT_EQ(chosen.tokens[c], naive_draw(law, slot.seed, choices[c].index));
          const auto first = static_cast<int64_t>(c) * vocabulary;
          for (int64_t id = 0; slot.temperature > 0.0F && id < vocabulary; ++id) {
            ASSERT_NEAR(chosen.laws.value(first + id), law[static_cast<size_t>(id)], 1e-6);
          }
        }
        EXPECT_EQ(logits.row_bytes(0, 12), before) << "the logits were written";
      });
    }
  }
}

// Values that all lie in one bucket of the selection, in many, or beyond the last.
TEST(ChooseTest, CutsAtTheSamePlaceWhateverTheSpread) {
  constexpr int64_t kVocabulary = 900;
  TestRng rng(43);
  const std::vector<SlotSettings> slots = {{.top_k = 1},
                                           {.top_k = 77},
                                           {.top_k = 899},
                                           {.top_p = 0.3F},
                                           {.top_p = 0.9F},
                                           {.top_p = 0.999999F},
                                           {.top_k = 300, .top_p = 0.7F}};
  const std::vector<uint8_t> allowed(kVocabulary, 1);
  for (const float spread : {0.0F, 1e-3F, 1.0F, 20.0F, 400.0F, 1e30F}) {
    SCOPED_TRACE(spread);
    TestTensor logits(DType::kF32, {1, kVocabulary});
    for (int64_t id = 0; id < kVocabulary; ++id) {
      logits.set(id, spread * rng.uniform(-1.0F, 1.0F));
    }
    const auto choices = collect(std::ssize(slots), [](int32_t s) { return Choice{.slot = s}; });
    for_each_run([&](Stream stream) {
      const Chosen chosen = run_choose(stream, logits, allowed, slots, choices);
      for (size_t s = 0; s < slots.size(); ++s) {
        const auto law = naive_law(row_of(logits, 0), allowed, slots[s], choices[s]);
        for (size_t id = 0; id < law.size(); ++id) {
          const auto at = static_cast<int64_t>(s * law.size() + id);
          ASSERT_NEAR(chosen.laws.value(at), law[id], 1e-6) << "slot " << s << " id " << id;
          ASSERT_EQ(chosen.laws.value(at) > 0.0, static_cast<float>(law[id]) > 0.0F)
              << "slot " << s << " id " << id;
        }
      }
    });
  }
}

// Slots of every kind, over a vocabulary that spans several pieces of the sort.
RowInvarianceCase mixed_case() {
  constexpr int64_t kVocabulary = 2003;
  TestRng rng(42);
  auto slots = collect(8, [&](int32_t) { return random_slot(rng, kVocabulary); });
  slots.push_back({.temperature = 0.0F});
  slots.push_back({});
  const TestTensor logits = random_logits(rng, kRowInvarianceRows, kVocabulary);
  const auto choices = collect(kRowInvarianceRows,
                               [&](int32_t r) { return random_choice(rng, r, 10, kVocabulary); });
  return {"choose", [=](Stream stream, int64_t first, int64_t count) {
            const std::vector<Choice> some(choices.begin() + first,
                                           choices.begin() + first + count);
            const std::vector<uint8_t> allowed(kVocabulary, 1);
            const Chosen chosen = run_choose(stream, logits, allowed, slots, some);
            const auto tokens = TestTensor::of(chosen.tokens, {count, 1});
            return rows_of({&tokens, &chosen.laws}, count);
          }};
}

TEST(ChooseTest, IsRowInvariant) { expect_row_invariant(mixed_case()); }

TEST(ChooseTest, PlainGreedyRowsAreTheArgmaxAmongRowsOfOtherKinds) {
  TALON_TRACE_SEED();
  TestRng rng(43);
  const TestTensor logits = random_logits(rng, 9, 40001);
  const std::vector<uint8_t> allowed(40001, 1);
  const TestTensor allowed_array = TestTensor::of(allowed, {40001});
  // Ends that are free, or of a row past them, keep a row plain.
  const std::vector<SlotSettings> slots = {
      {.temperature = 0.0F}, {}, {.temperature = 0.0F, .min_end_index = 5, .end_ids = {1}}};
  const auto choices = collect(
      9, [](int32_t r) { return Choice{.slot = (r / 2) % 3, .logit_row = 8 - r, .index = 5 + r}; });
  for_each_run([&](Stream stream) {
    TestTensor keys(DType::kU64, {9});
    argmax(stream, {.keys = keys.view(), .logits = logits.cview(), .allowed = {}});

    const Chosen chosen = run_choose(stream, logits, allowed, slots, choices);

    for (int32_t r = 0; r < 9; ++r) {
      if ((r / 2) % 3 != 1) {
        EXPECT_EQ(chosen.tokens[static_cast<size_t>(r)], argmax_key_id(keys.at<uint64_t>(8 - r)));
      }
    }
  });
}

// Frequencies of draws with seeds 0, 1, .. or at indices 0, 1, ..; each way of counting must follow
// the law, and a law that is slightly another must not.
TEST(ChooseStatisticsTest, DrawsFollowTheLawOverSeedsAndOverIndices) {
  constexpr int64_t kVocabulary = 8;
  constexpr int32_t kDraws = 20000;
  TestTensor logits(DType::kF32, {1, kVocabulary});
  for (int64_t id = 0; id < kVocabulary; ++id) {
    logits.set(id, 0.5F * static_cast<float>((id * 5) % 8) - 1.0F);
  }
  const std::vector<uint8_t> allowed(kVocabulary, 1);
  const SlotSettings slot = {
      .temperature = 0.8F, .top_k = 7, .top_p = 0.98F, .presence = 0.5F, .generated = {3, 3, 4}};
  const auto law = naive_law(row_of(logits, 0), allowed, slot, {});
  SlotSettings warmer = slot;
  warmer.temperature = 0.9F;
  const auto other_law = naive_law(row_of(logits, 0), allowed, warmer, {});
  CpuContext context(1, detect_cpu_path(), false);
  for (const bool over_seeds : {true, false}) {
    std::vector<int64_t> counts(kVocabulary, 0);
    constexpr int32_t kPart = 1000;
    for (int32_t first = 0; first < kDraws; first += kPart) {
      std::vector<SlotSettings> slots;
      std::vector<Choice> choices;
      for (int32_t i = first; i < first + kPart; ++i) {
        slots.push_back(slot);
        slots.back().seed = over_seeds ? i : 77;
        choices.push_back({.slot = i - first, .index = over_seeds ? 77 : i});
      }
      for (const int32_t token :
           run_choose(Stream(context), logits, allowed, slots, choices).tokens) {
        ++counts[static_cast<size_t>(token)];
      }
    }
    // Half the expected sum of |binomial errors| is 0.0075.
    EXPECT_LT(total_variation(counts, law), 0.012);
    EXPECT_GT(total_variation(counts, other_law), 0.02);
  }
}

TEST(ChooseDeathTest, RefusesRowsAndSlotsBeyondTheArrays) {
  CpuContext context(1, CpuPath::kScalar, false);
  const TestTensor logits = TestTensor::random(DType::kF32, {2, 4}, 1);
  const std::vector<uint8_t> allowed(4, 1);
  EXPECT_DEATH(run_choose(Stream(context), logits, allowed, {{}}, {{.logit_row = 2}}),
               "choice 0 from row 2 of 2");
  EXPECT_DEATH(run_choose(Stream(context), logits, allowed, {{}}, {{.slot = 1}}),
               "choice 0 of slot 1");
}

}  // namespace
}  // namespace talon::ops
