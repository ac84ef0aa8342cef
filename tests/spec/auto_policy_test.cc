// The policy on made-up cost tables: single choices that can be checked by hand, then closed loops
// in which made-up drafts are accepted at a known rate and the tokens a millisecond are compared
// with every fixed K.
#include "spec/auto_policy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <vector>

#include "base/rng.h"

namespace talon {
namespace {

using CostFunction = std::function<double(int32_t sequences, int32_t drafts)>;

CostTable table_of(int32_t max_drafts, const CostFunction& cost_ms) {
  CostTable table{.num_sequences = {1, 2, 4, 8, 16, 32, 64},
                  .contexts = {100},
                  .max_drafts = max_drafts,
                  .step_ms = {}};
  for (const int32_t sequences : table.num_sequences) {
    for (int32_t drafts = 0; drafts <= max_drafts; ++drafts) {
      table.step_ms.push_back(cost_ms(sequences, drafts));
    }
  }
  return table;
}

// A device that streams weights for 1 ms and then pays for rows, and 0.1 ms a chain step.
double streaming_cost(int32_t sequences, int32_t drafts) {
  return 1.0 + 0.02 * sequences * (1 + drafts) + 0.1 * drafts;
}

Survival survival_of(bool accepts, int32_t num_rounds = 160) {
  Survival survival;
  for (int32_t i = 0; i < num_rounds; ++i) {
    survival.observe(kMaxDrafts, accepts ? kMaxDrafts : 0);
  }
  return survival;
}

std::vector<int32_t> choose(SpecPolicy& policy, const std::vector<SpecRow>& rows) {
  std::vector<int32_t> num_drafts(rows.size(), -1);
  policy.choose(rows, num_drafts);
  return num_drafts;
}

std::vector<SpecRow> rows_of(size_t count, int32_t max_drafts, const Survival& survival) {
  return std::vector<SpecRow>(count,
                              {.num_tokens = 100, .max_drafts = max_drafts, .survival = &survival});
}

TEST(AutoPolicyTest, FreeDraftsAreTakenAndDearOnesAreNot) {
  const Survival prior;
  const auto free = make_auto_policy(table_of(5, [](int32_t, int32_t) { return 1.0; }));
  const auto dear =
      make_auto_policy(table_of(5, [](int32_t n, int32_t k) { return n * (1.0 + k); }));

  EXPECT_EQ(free->name(), "auto");
  EXPECT_EQ(choose(*free, rows_of(4, 5, prior)), std::vector<int32_t>(4, 5));
  EXPECT_EQ(choose(*dear, rows_of(4, 5, prior)), std::vector<int32_t>(4, 0));
}

TEST(AutoPolicyTest, MoreSequencesGetFewerDrafts) {
  const Survival prior;
  const CostTable table = table_of(7, streaming_cost);
  std::vector<int32_t> chosen;
  for (const size_t sequences : {1, 8, 64}) {
    const auto policy = make_auto_policy(table);
    chosen.push_back(choose(*policy, rows_of(sequences, 7, prior)).front());
  }

  EXPECT_GT(chosen[0], chosen[1]);
  EXPECT_GT(chosen[1], chosen[2]);
}

TEST(AutoPolicyTest, NoRequestPassesItsLimitOrTheTable) {
  const Survival certain = survival_of(true);
  const auto policy = make_auto_policy(table_of(5, [](int32_t, int32_t) { return 1.0; }));
  const std::vector<SpecRow> rows = {{.num_tokens = 10, .max_drafts = 0, .survival = &certain},
                                     {.num_tokens = 10, .max_drafts = 2, .survival = &certain},
                                     {.num_tokens = 10, .max_drafts = 7, .survival = &certain}};

  EXPECT_EQ(choose(*policy, rows), (std::vector<int32_t>{0, 2, 5}));
  EXPECT_TRUE(choose(*policy, {}).empty());
}

TEST(AutoPolicyTest, AHopelessSequenceIsTrimmedAndTheOthersAreNot) {
  const Survival good = survival_of(true, 20);
  const Survival hopeless = survival_of(false);
  const auto policy = make_auto_policy(table_of(3, streaming_cost));
  std::vector<SpecRow> rows = rows_of(8, 3, good);
  rows[5].survival = &hopeless;

  const std::vector<int32_t> num_drafts = choose(*policy, rows);

  EXPECT_EQ(num_drafts[5], 0);
  EXPECT_EQ(num_drafts[0], 3);
  EXPECT_EQ(std::accumulate(num_drafts.begin(), num_drafts.end(), 0), 7 * 3);
}

// Dear to begin, cheap to go on: the first position is not worth its cost, all three are.
TEST(AutoPolicyTest, AFixedCostOfDraftingDoesNotTrimTheAverageSequence) {
  const Survival prior;
  const auto begin_cost = [](int32_t n, int32_t k) { return n * (k == 0 ? 1.0 : 1.6 + 0.02 * k); };
  const auto policy = make_auto_policy(table_of(3, begin_cost));

  EXPECT_EQ(choose(*policy, rows_of(4, 3, prior)), std::vector<int32_t>(4, 3));
}

TEST(AutoPolicyTest, AClearGainSwitchesAtOnceAndASmallOneAfterPatience) {
  const Survival prior;
  const AutoPolicySettings settings{.clear_gain = 0.04, .small_gain = 0.005, .patience = 5};
  // With 1 sequence k = 0 is best; with 2 k = 1 is 2 % better, with 4 it is 10 % better.
  const auto cost = [](int32_t n, int32_t k) {
    const double gain = n == 1 ? 0.9 : n == 2 ? 1.02 : 1.1;
    return k == 0 ? 1.0 : 1.8 / gain;
  };
  const auto policy = make_auto_policy(table_of(1, cost), settings);

  EXPECT_EQ(choose(*policy, rows_of(1, 1, prior)).front(), 0);
  for (int i = 1; i < settings.patience; ++i) {
    EXPECT_EQ(choose(*policy, rows_of(2, 1, prior)).front(), 0) << i;
  }
  EXPECT_EQ(choose(*policy, rows_of(2, 1, prior)).front(), 1);
  EXPECT_EQ(choose(*policy, rows_of(1, 1, prior)).front(), 0) << "10 % better without";
  EXPECT_EQ(choose(*policy, rows_of(4, 1, prior)).front(), 1) << "a clear gain";
}

TEST(AutoPolicyTest, ProbesOnePositionMoreOnceAPeriod) {
  const Survival hopeless = survival_of(false);
  const AutoPolicySettings settings{.probe_period = 10};
  const auto policy = make_auto_policy(table_of(3, streaming_cost), settings);
  const std::vector<SpecRow> rows = rows_of(2, 3, hopeless);

  std::vector<int32_t> chosen;
  for (int i = 0; i < 31; ++i) {
    chosen.push_back(choose(*policy, rows).front());
  }

  std::vector<int32_t> expected(31, 0);
  expected[10] = expected[20] = expected[30] = 1;  // the period begins with the change from K
  EXPECT_EQ(chosen, expected);
}

TEST(AutoPolicyTest, DoesNotProbeWhatCouldNotPay) {
  const Survival hopeless = survival_of(false);
  const auto dear = [](int32_t n, int32_t k) { return n * (1.0 + 1.5 * k); };
  const auto policy = make_auto_policy(table_of(3, dear), {.probe_period = 2});

  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(choose(*policy, rows_of(2, 3, hopeless)), std::vector<int32_t>(2, 0)) << i;
  }
}

TEST(AutoPolicyTest, AProbeObservesTrimmedSequencesToo) {
  const Survival good = survival_of(true, 20);
  const Survival hopeless = survival_of(false);
  const auto policy = make_auto_policy(table_of(3, streaming_cost), {.probe_period = 4});
  std::vector<SpecRow> rows = rows_of(8, 3, good);
  rows[0].survival = &hopeless;

  std::vector<int32_t> chosen;
  for (int i = 0; i < 9; ++i) {
    chosen.push_back(choose(*policy, rows).front());
  }

  EXPECT_EQ(chosen, (std::vector<int32_t>{0, 0, 0, 3, 0, 0, 0, 3, 0}));
}

// Requests whose drafts are accepted with a known probability each, in a closed loop.
class Simulation {
 public:
  Simulation(CostTable table, size_t num_sequences, uint64_t seed)
      : table_(std::move(table)), survivals_(num_sequences), seed_(seed) {}

  // Tokens a millisecond over `num_steps`, with drafts accepted at `rate`, each if the ones before
  // it were.
  double run(SpecPolicy& policy, int num_steps, double rate) {
    double tokens = 0.0;
    double ms = 0.0;
    for (int i = 0; i < num_steps; ++i, ++step_) {
      std::vector<SpecRow> rows;
      for (size_t s = 0; s < survivals_.size(); ++s) {
        if ((step_ + static_cast<int64_t>(s)) % kRoundsPerRequest == 0) {
          survivals_[s] = pooled_;  // a new request in its place
        }
        rows.push_back(
            {.num_tokens = 100, .max_drafts = table_.max_drafts, .survival = &survivals_[s]});
      }
      last_ = choose(policy, rows);
      for (size_t s = 0; s < rows.size(); ++s) {
        const int32_t accepted = draw(s, last_[s], rate);
        survivals_[s].observe(last_[s], accepted);
        pooled_.observe(last_[s], accepted, Survival::kPooledRate);
        tokens += 1.0 + accepted;
      }
      ms += step_ms();
    }
    return tokens / ms;
  }

  const std::vector<int32_t>& last() const { return last_; }

 private:
  int32_t draw(size_t sequence, int32_t num_drafts, double rate) const {
    int32_t accepted = 0;
    while (accepted < num_drafts &&
           uniform_float(seed_ + sequence, static_cast<uint64_t>(step_), RngPurpose::kTest,
                         static_cast<uint32_t>(accepted)) < rate) {
      ++accepted;
    }
    return accepted;
  }

  // Ragged steps cost by their rows: between the two neighbouring uniform ones.
  double step_ms() const {
    const auto num_sequences = static_cast<double>(last_.size());
    const double mean = std::accumulate(last_.begin(), last_.end(), 0.0) / num_sequences;
    const auto low = static_cast<int32_t>(mean);
    const int32_t high = std::min(low + 1, table_.max_drafts);
    const double low_ms = table_.at(num_sequences, 100, low);
    return low_ms + (mean - low) * (table_.at(num_sequences, 100, high) - low_ms);
  }

  static constexpr int64_t kRoundsPerRequest = 40;

  CostTable table_;
  std::vector<Survival> survivals_;
  Survival pooled_;
  uint64_t seed_;
  int64_t step_ = 0;
  std::vector<int32_t> last_;
};

// Always the same number of drafts.
class PinnedPolicy final : public SpecPolicy {
 public:
  explicit PinnedPolicy(int32_t num_drafts) : num_drafts_(num_drafts) {}
  std::string_view name() const override { return "pinned"; }
  void choose(std::span<const SpecRow>, std::span<int32_t> num_drafts) override {
    std::fill(num_drafts.begin(), num_drafts.end(), num_drafts_);
  }

 private:
  int32_t num_drafts_;
};

TEST(AutoPolicyTest, ComesWithinThreePercentOfTheBestFixedK) {
  const std::vector<CostFunction> costs = {
      streaming_cost, [](int32_t n, int32_t k) { return n * (1.0 + 0.4 * k); },
      [](int32_t n, int32_t k) { return 3.0 + 0.1 * n + (k == 0 ? 0.0 : 0.5 + 0.15 * n * k); }};
  for (size_t c = 0; c < costs.size(); ++c) {
    const CostTable table = table_of(5, costs[c]);
    for (const size_t sequences : {1, 4, 24}) {
      for (const double rate : {0.02, 0.5, 0.8, 0.95}) {
        double best = 0.0;
        for (int32_t k = 0; k <= 5; ++k) {
          PinnedPolicy pinned(k);
          Simulation simulation(table, sequences, 7);
          best = std::max(best, simulation.run(pinned, 3000, rate));
        }
        const auto policy = make_auto_policy(table);
        Simulation simulation(table, sequences, 7);

        EXPECT_GT(simulation.run(*policy, 3000, rate), 0.97 * best)
            << "cost " << c << ", " << sequences << " sequences, rate " << rate;
      }
    }
  }
}

TEST(AutoPolicyTest, ComesBackWhenDraftsAreAcceptedAgain) {
  for (const size_t sequences : {1, 8}) {
    const auto policy = make_auto_policy(table_of(3, streaming_cost));
    Simulation simulation(table_of(3, streaming_cost), sequences, 11);

    simulation.run(*policy, 200, 0.0);
    EXPECT_EQ(simulation.last(), std::vector<int32_t>(sequences, 0)) << "given up";
    simulation.run(*policy, 1200, 0.95);
    EXPECT_EQ(simulation.last(), std::vector<int32_t>(sequences, 3)) << "back";
  }
}

TEST(AutoPolicyTest, EqualCallsGiveEqualAnswers) {
  const CostTable table = table_of(5, streaming_cost);
  const auto first = make_auto_policy(table);
  const auto second = make_auto_policy(table);
  Simulation one(table, 6, 3);
  Simulation other(table, 6, 3);

  for (int i = 0; i < 300; ++i) {
    ASSERT_EQ(one.run(*first, 1, 0.6), other.run(*second, 1, 0.6)) << "step " << i;
    ASSERT_EQ(one.last(), other.last()) << "step " << i;
  }
}

}  // namespace
}  // namespace talon
