// Block verification on three ids: the law of what it emits by exact enumeration of drafts,
// outcomes and next tokens, against the target's; that it accepts no less than token-wise
// verification; and that the op draws its outcomes with the chances that were enumerated. A twin
// that stops at the first refusal shows that the enumeration notices a wrong rule.
#include "ops/verify_block.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "base/rng.h"
#include "ops/token_noise.h"
#include "tests/ops/choose_fixture.h"
#include "tests/ops/op_test_util.h"

namespace talon::ops {
namespace {

constexpr int64_t kVocab = 3;
constexpr int64_t kDrafts = 2;

using Law = std::array<double, kVocab>;

// Laws by the tokens before: p and q of a random pair of models; `alike` mixes q towards p.
struct Models {
  uint64_t seed;
  double alike = 0.0;

  static Law random_law(uint64_t seed, std::span<const int32_t> before) {
    uint64_t key = 1;
    for (const int32_t token : before) {
      key = key * 4 + static_cast<uint64_t>(token) + 1;
    }
    Law law{};
    double total = 0.0;
    for (size_t id = 0; id < kVocab; ++id) {
      const auto u = static_cast<double>(
          uniform_float(seed, key, RngPurpose::kTest, static_cast<uint32_t>(id)));
      law[id] = u * u * u + 0.01;
      total += law[id];
    }
    for (double& share : law) {  // rounded as the op's arrays are
      share = static_cast<double>(static_cast<float>(share / total));
    }
    return law;
  }

  Law target(std::span<const int32_t> before) const { return random_law(seed, before); }
  Law draft(std::span<const int32_t> before) const {
    Law law = random_law(seed + 1000, before);
    const Law p = target(before);
    for (size_t id = 0; id < kVocab; ++id) {
      law[id] = static_cast<double>(static_cast<float>(alike * p[id] + (1.0 - alike) * law[id]));
    }
    return law;
  }
};

// The laws along one pair of drafts as the op's operands.
struct Rows {
  TestTensor target{DType::kF32, {kDrafts + 1, kVocab}};
  TestTensor draft{DType::kF32, {1, kDrafts, kVocab}};

  Rows(const Models& models, const std::vector<int32_t>& drafts) {
    for (size_t i = 0; i <= drafts.size(); ++i) {
      const std::span before(drafts.data(), i);
      const Law p = models.target(before);
      const Law q = models.draft(before);
      for (size_t id = 0; id < kVocab; ++id) {
        const auto place = static_cast<int64_t>(i * kVocab + id);
        target.set(place, static_cast<float>(p[id]));
        if (i < drafts.size()) {
          draft.set(place, static_cast<float>(q[id]));
        }
      }
    }
  }

  cpu::BlockChances chances(const std::vector<int32_t>& drafts) const {
    return cpu::block_chances(target.cview(), draft.cview().at(0), drafts);
  }
};

// Calls body(drafts, share) for all pairs of drafts with their share under q.
template <class Body>
void for_each_draft(const Models& models, const Body& body) {
  for (int32_t first = 0; first < kVocab; ++first) {
    for (int32_t second = 0; second < kVocab; ++second) {
      const std::vector<int32_t> drafts = {first, second};
      const double share = models.draft({})[static_cast<size_t>(first)] *
                           models.draft(std::span(drafts.data(), 1))[static_cast<size_t>(second)];
      body(drafts, share);
    }
  }
}

// The chances of 0, 1 and 2 accepted drafts. `stops`: the twin, which ends at the first refusal.
std::array<double, 3> outcome_chances(const cpu::BlockChances& chances, bool stops) {
  const double h1 = chances.chance[1];
  const double h2 = chances.chance[2];
  if (stops) {
    return {1.0 - h1, h1 * (1.0 - h2), h1 * h2};
  }
  return {(1.0 - h1) * (1.0 - h2), h1 * (1.0 - h2), h2};
}

// The law of the next token after `accepted` drafts.
Law next_law(const Models& models,
             const std::vector<int32_t>& drafts,
             size_t accepted,
             double weight) {
  const std::span before(drafts.data(), accepted);
  Law law = models.target(before);
  if (accepted < drafts.size()) {
    const Law q = models.draft(before);
    double total = 0.0;
    for (size_t id = 0; id < kVocab; ++id) {
      law[id] = std::max(weight * law[id] - q[id], 0.0);
      total += law[id];
    }
    for (double& share : law) {
      share = total > 0.0 ? share / total : 1.0 / kVocab;
    }
  }
  return law;
}

size_t code(std::span<const int32_t> tokens) {
  size_t number = 0;
  for (const int32_t token : tokens) {
    number = number * kVocab + static_cast<size_t>(token);
  }
  return number;
}

// Adds `share` to all answers of three tokens that begin so, the rest by the target's law.
void complete(const Models& models,
              std::vector<int32_t> tokens,
              double share,
              std::vector<double>& law) {
  if (tokens.size() == 3) {
    law[code(tokens)] += share;
    return;
  }
  const Law next = models.target(tokens);
  for (int32_t id = 0; id < kVocab; ++id) {
    tokens.push_back(id);
    complete(models, tokens, share * next[static_cast<size_t>(id)], law);
    tokens.pop_back();
  }
}

std::vector<double> emitted_law(const Models& models, bool stops) {
  std::vector<double> law(27, 0.0);
  for_each_draft(models, [&](const std::vector<int32_t>& drafts, double share) {
    const auto chances = Rows(models, drafts).chances(drafts);
    const auto outcomes = outcome_chances(chances, stops);
    for (size_t accepted = 0; accepted <= 2; ++accepted) {
      const Law next = next_law(models, drafts, accepted, chances.weight[accepted]);
      for (int32_t id = 0; id < kVocab; ++id) {
        std::vector<int32_t> tokens(drafts.begin(),
                                    drafts.begin() + static_cast<std::ptrdiff_t>(accepted));
        tokens.push_back(id);
        complete(models, tokens, share * outcomes[accepted] * next[static_cast<size_t>(id)], law);
      }
    }
  });
  return law;
}

std::vector<double> target_answers(const Models& models) {
  std::vector<double> law(27, 0.0);
  complete(models, {}, 1.0, law);
  return law;
}

double law_distance(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0.0;
  for (size_t i = 0; i < a.size(); ++i) {
    sum += std::abs(a[i] - b[i]);
  }
  return sum / 2.0;
}

TEST(VerifyBlockTest, EmitsTheTargetsLawByEnumeration) {
  double furthest_twin = 0.0;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    for (const double alike : {0.0, 0.5, 0.9}) {
      const Models models = {.seed = seed, .alike = alike};
      EXPECT_LT(law_distance(emitted_law(models, false), target_answers(models)), 1e-6) << seed;
      furthest_twin =
          std::max(furthest_twin, law_distance(emitted_law(models, true), target_answers(models)));
    }
  }
  EXPECT_GT(furthest_twin, 0.05);
}

// Token-wise (spec/eagle3.md 10.1): draft i stands with min(p / q, 1) if the ones before it do.
TEST(VerifyBlockTest, AcceptsNoFewerThanTokenWise) {
  double gain = 0.0;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const Models models = {.seed = seed};
    double block = 0.0;
    double token_wise = 0.0;
    for_each_draft(models, [&](const std::vector<int32_t>& drafts, double share) {
      const auto outcomes = outcome_chances(Rows(models, drafts).chances(drafts), false);
      block += share * (outcomes[1] + 2.0 * outcomes[2]);
      double stands = 1.0;
      for (size_t i = 0; i < 2; ++i) {
        const std::span before(drafts.data(), i);
        const auto id = static_cast<size_t>(drafts[i]);
        stands *= std::min(models.target(before)[id] / models.draft(before)[id], 1.0);
        token_wise += share * stands;
      }
    });
    EXPECT_GT(block, token_wise - 1e-6) << seed;
    gain = std::max(gain, block - token_wise);
  }
  EXPECT_GT(gain, 0.02);
}

struct Outcome {
  std::vector<int32_t> accepted;
  std::vector<int32_t> next_token;
};

// One block of two drafts for each seed, all with the same drafts and laws.
Outcome run(Stream stream,
            const Models& models,
            const std::vector<int32_t>& drafts,
            const std::vector<int64_t>& seeds) {
  const int64_t count = std::ssize(seeds);
  const Rows rows(models, drafts);
  TestTensor target(DType::kF32, {3 * count, kVocab});
  TestTensor draft(DType::kF32, {count, kDrafts, kVocab});
  for (int64_t i = 0; i < target.num_elements(); ++i) {
    target.set(i, static_cast<float>(rows.target.value(i % (3 * kVocab))));
  }
  for (int64_t i = 0; i < draft.num_elements(); ++i) {
    draft.set(i, static_cast<float>(rows.draft.value(i % (kDrafts * kVocab))));
  }
  const auto per_sequence = [&](const auto& make) { return collect(count, make); };
  const auto all_drafts =
      collect(2 * count, [&](int32_t i) { return drafts[static_cast<size_t>(i % 2)]; });
  TestTensor accepted = TestTensor::of_i32(per_sequence([](int32_t) { return 0; }));
  TestTensor next_token = TestTensor::of_i32(per_sequence([](int32_t) { return 0; }));
  const auto choices = TestTensor::of_i32(collect(3 * count, [](int32_t i) { return i % 3; }));
  const auto indices = TestTensor::of_i32(collect(3 * count, [](int32_t i) { return 10 + i % 3; }));
  const auto first = TestTensor::of_i32(per_sequence([](int32_t b) { return 3 * b; }));
  const auto draft_ids = TestTensor::of(all_drafts, {count, kDrafts});
  const auto num_drafts = TestTensor::of_i32(per_sequence([](int32_t) { return 2; }));
  const auto slots = TestTensor::of_i32(per_sequence([](int32_t b) { return b; }));
  const auto seed_array = TestTensor::of(seeds, {count});
  const auto temperature = TestTensor::of(per_sequence([](int32_t) { return 1.0F; }), {count});
  verify_block(stream, {.accepted = accepted.view(),
                        .next_token = next_token.view(),
                        .target_laws = target.cview(),
                        .draft_laws = draft.cview(),
                        .choices = choices.cview(),
                        .first_choice = first.cview(),
                        .indices = indices.cview(),
                        .drafts = draft_ids.cview(),
                        .num_drafts = num_drafts.cview(),
                        .slots = slots.cview(),
                        .seeds = seed_array.cview(),
                        .temperature = temperature.cview()});
  EXPECT_TRUE(accepted.guards_intact());
  EXPECT_TRUE(next_token.guards_intact());
  return {.accepted = collect(count, [&](int32_t b) { return accepted.at<int32_t>(b); }),
          .next_token = collect(count, [&](int32_t b) { return next_token.at<int32_t>(b); })};
}

// Counts pairs (accepted, next token) over seeds against their enumerated chances, and against
// those of the twin.
TEST(VerifyBlockTest, TheOpDrawsTheEnumeratedOutcomes) {
  constexpr int32_t kSeeds = 20000;
  const Models models = {.seed = 3, .alike = 0.3};
  const auto law_of = [&](const std::vector<int32_t>& drafts, bool stops) {
    const auto chances = Rows(models, drafts).chances(drafts);
    const auto outcomes = outcome_chances(chances, stops);
    std::vector<double> law;
    for (size_t accepted = 0; accepted < 2; ++accepted) {
      for (const double share : next_law(models, drafts, accepted, chances.weight[accepted])) {
        law.push_back(outcomes[accepted] * share);
      }
    }
    law.push_back(outcomes[2]);  // then the op's token is the choice, whatever it is
    return law;
  };
  const auto seeds = collect(kSeeds, [](int32_t i) { return int64_t{i} - kSeeds / 2; });
  CpuContext context(1, detect_cpu_path(), false);
  double furthest_twin = 0.0;
  for (const std::vector<int32_t>& drafts :
       {std::vector<int32_t>{0, 0}, {0, 1}, {1, 2}, {2, 0}, {2, 2}}) {
    SCOPED_TRACE(testing::Message() << drafts[0] << ' ' << drafts[1]);
    const Outcome outcome = run(Stream(context), models, drafts, seeds);

    std::vector<int64_t> counts(7, 0);
    for (size_t b = 0; b < seeds.size(); ++b) {
      const auto accepted = static_cast<size_t>(outcome.accepted[b]);
      const auto next = static_cast<size_t>(outcome.next_token[b]);
      EXPECT_TRUE(accepted < 2 || next == 2) << "the choice of the last row";
      ++counts[accepted < 2 ? accepted * 3 + next : 6];
    }
    EXPECT_LT(total_variation(counts, law_of(drafts, false)), 0.012);
    furthest_twin = std::max(furthest_twin, total_variation(counts, law_of(drafts, true)));
  }
  EXPECT_GT(furthest_twin, 0.05);
}

TEST(VerifyBlockTest, IdenticalLawsAcceptAllAndResultsDoNotDependOnTheBatch) {
  const std::vector<int64_t> seeds = {5, 6, 7, 8, 9, 10, 11, 12};
  for_each_run([&](Stream stream) {
    const Outcome alike = run(stream, {.seed = 4, .alike = 1.0}, {1, 2}, seeds);
    EXPECT_EQ(alike.accepted, std::vector<int32_t>(8, 2));

    const Models models = {.seed = 4};
    const Outcome all = run(stream, models, {1, 2}, seeds);
    for (size_t b = 0; b < seeds.size(); ++b) {
      const Outcome one = run(stream, models, {1, 2}, {seeds[b]});
      EXPECT_EQ(one.accepted[0], all.accepted[b]);
      EXPECT_EQ(one.next_token[0], all.next_token[b]);
    }
  });
}

TEST(VerifyBlockTest, LeavesGreedyAndDraftlessSequencesAlone) {
  CpuContext context(1, CpuPath::kScalar, false);
  TestTensor accepted = TestTensor::of_i32({7, 0, -1});
  TestTensor next_token = TestTensor::of_i32({8, 9, -1});
  const TestTensor target = TestTensor::random(DType::kF32, {3, kVocab}, 81);
  const TestTensor draft = TestTensor::random(DType::kF32, {3, 1, kVocab}, 82);
  const TestTensor choices = TestTensor::of_i32({0, 1, 2});
  const TestTensor first = TestTensor::of_i32({0, 2, -1});
  const TestTensor drafts = TestTensor::of(std::vector<int32_t>{1, -1, -1}, {3, 1});
  const TestTensor num_drafts = TestTensor::of_i32({1, 0, 0});
  const TestTensor slots = TestTensor::of_i32({0, 1, 2});
  const TestTensor seeds = TestTensor::of(std::vector<int64_t>{1, 2, 3}, {3});
  const TestTensor temperature = TestTensor::of(std::vector<float>{0.0F, 1.0F, 1.0F}, {3});
  verify_block(Stream(context), {.accepted = accepted.view(),
                                 .next_token = next_token.view(),
                                 .target_laws = target.cview(),
                                 .draft_laws = draft.cview(),
                                 .choices = choices.cview(),
                                 .first_choice = first.cview(),
                                 .indices = choices.cview(),
                                 .drafts = drafts.cview(),
                                 .num_drafts = num_drafts.cview(),
                                 .slots = slots.cview(),
                                 .seeds = seeds.cview(),
                                 .temperature = temperature.cview()});
  EXPECT_EQ(accepted.values(), (std::vector<double>{7, 0, -1}));
  EXPECT_EQ(next_token.values(), (std::vector<double>{8, 9, -1}));
}

}  // namespace
}  // namespace talon::ops
