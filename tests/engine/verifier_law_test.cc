// That speculation keeps the law of sampled tokens: many short answers of a toy target over eight
// ids, whose law is enumerated exactly, against what a Verifier emits over rounds with drafts that
// are good, bad, adversarial, of the target's own law, or none. Each statistic has a twin with a
// wrong rule of acceptance, which must miss the law. Fixed seeds, so a result never varies.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/rng.h"
#include "core/cpu_context.h"
#include "engine/sampler_state.h"
#include "engine/verifier.h"
#include "tests/engine/verify_step.h"
#include "tests/ops/choose_fixture.h"

namespace talon {
namespace {

using ops::SlotSettings;
using test::Row;
using test::VerifyStep;

constexpr int32_t kVocab = 8;
constexpr int32_t kLength = 3;  // tokens of an answer that are looked at
constexpr int32_t kDrafts = 3;
constexpr int32_t kBatch = 50;
constexpr int32_t kAnswers = 6000;
constexpr int32_t kFirstIndex = 4;  // of the answer's first token

using Tokens = std::vector<int32_t>;

// The toy target: logits from the last two tokens.
Row target_logits(const Tokens& answer) {
  const size_t n = answer.size();
  const auto last = static_cast<uint64_t>(n > 0 ? answer[n - 1] : kVocab);
  const auto before = static_cast<uint64_t>(n > 1 ? answer[n - 2] : kVocab);
  return ops::collect(kVocab, [&](int32_t id) {
    return 5.0F * uniform_float(99, last * 100 + before, RngPurpose::kTest,
                                static_cast<uint32_t>(id)) -
           2.5F;
  });
}

std::vector<double> target_law(const Tokens& answer, SlotSettings settings) {
  settings.generated.insert(settings.generated.end(), answer.begin(), answer.end());
  const Row logits = target_logits(answer);
  return ops::naive_law({logits.begin(), logits.end()}, std::vector<uint8_t>(kVocab, 1), settings,
                        {});
}

size_t code(const Tokens& answer) {
  size_t number = 0;
  for (size_t i = 0; i < kLength; ++i) {
    number = number * kVocab + static_cast<size_t>(answer[i]);
  }
  return number;
}

// The law of whole answers, by their code.
std::vector<double> answer_law(const SlotSettings& settings) {
  std::vector<double> law(kVocab * kVocab * kVocab, 0.0);
  const std::function<void(const Tokens&, double)> walk = [&](const Tokens& answer, double share) {
    if (answer.size() == kLength) {
      law[code(answer)] = share;
      return;
    }
    const auto next = target_law(answer, settings);
    for (int32_t id = 0; id < kVocab; ++id) {
      if (next[static_cast<size_t>(id)] > 0.0) {
        Tokens longer = answer;
        longer.push_back(id);
        walk(longer, share * next[static_cast<size_t>(id)]);
      }
    }
  };
  walk({}, 1.0);
  return law;
}

int32_t largest(const Row& row) {
  return static_cast<int32_t>(std::max_element(row.begin(), row.end()) - row.begin());
}

enum class Kind { kNone, kGood, kBad, kAdversarial, kIdentical };

// One more draft after `answer` and the drafts before it.
int32_t next_draft(Kind kind, const Tokens& answer, const SlotSettings& settings, int64_t seed) {
  const Row logits = target_logits(answer);
  switch (kind) {
    case Kind::kGood:
      return largest(logits);
    case Kind::kBad:
      return static_cast<int32_t>(std::min_element(logits.begin(), logits.end()) - logits.begin());
    case Kind::kAdversarial:  // the second likeliest, and now and then an id out of reach
      return answer.size() % 2 == 0 ? largest(logits) ^ 1 : 7;
    default:  // drawn from the law itself, by noise of its own
      return ops::naive_draw(target_law(answer, settings), seed + 1000003,
                             kFirstIndex + static_cast<int32_t>(answer.size()));
  }
}

enum class Rule { kVerifier, kArgmax, kAlways };

// What a wrong rule makes of a sequence's rows. kArgmax compares drafts with the largest logit and
// draws the token after them (spec/eagle3.md 10, the first paragraph); kAlways takes all drafts.
Tokens wrong_tokens(Rule rule,
                    const Tokens& drafts,
                    const std::vector<Row>& logits,
                    const int32_t* choices) {
  size_t accepted = 0;
  while (accepted < drafts.size() &&
         (rule == Rule::kAlways || drafts[accepted] == largest(logits[accepted]))) {
    ++accepted;
  }
  Tokens tokens(drafts.begin(), drafts.begin() + static_cast<std::ptrdiff_t>(accepted));
  tokens.push_back(choices[accepted]);
  return tokens;
}

struct Play {
  SlotSettings settings;
  Kind kind = Kind::kGood;
  Rule rule = Rule::kVerifier;
};

// Plays kBatch answers with seeds from `first_seed` to their end.
class Game {
 public:
  explicit Game(const Play& play)
      : play_(play),
        context_(1, detect_cpu_path(), false),
        allowed_(kVocab, 1),
        sampler_(kBatch, kVocab),
        verifier_({.max_rows = kBatch * (kDrafts + 1),
                   .max_sequences = kBatch,
                   .max_drafts = kDrafts,
                   .context_limit = 1000},
                  TensorView(allowed_.data(), Shape{kVocab}),
                  sampler_) {}

  std::vector<Tokens> answers(int64_t first_seed) {
    std::vector<Tokens> answers(kBatch);
    for (int32_t slot = 0; slot < kBatch; ++slot) {
      SlotSettings settings = play_.settings;
      settings.seed = first_seed + slot;
      sampler_.apply(test::slot_patch(slot, settings));
    }
    const auto is_short = [](const Tokens& answer) { return answer.size() < kLength; };
    while (std::any_of(answers.begin(), answers.end(), is_short)) {
      round(first_seed, answers);
    }
    return answers;
  }

 private:
  void round(int64_t first_seed, std::vector<Tokens>& answers) {
    VerifyStep step(kVocab, kDrafts);
    std::vector<Tokens> drafts(kBatch);
    std::vector<std::vector<Row>> logits(kBatch);
    for (size_t b = 0; b < kBatch; ++b) {
      Tokens path = answers[b];
      logits[b].push_back(target_logits(path));
      for (int32_t j = 0; j < (play_.kind == Kind::kNone ? 0 : kDrafts); ++j) {
        drafts[b].push_back(
            next_draft(play_.kind, path, play_.settings, first_seed + static_cast<int64_t>(b)));
        path.push_back(drafts[b].back());
        logits[b].push_back(target_logits(path));
      }
      PlanRow row;
      row.slot = SlotIndex{static_cast<int32_t>(b)};
      step.add_verify(row, kFirstIndex - 1 + static_cast<int32_t>(answers[b].size()), drafts[b],
                      logits[b]);
    }
    const StepArrays arrays = step.arrays();
    verifier_.verify(Stream(context_), step.plan(), arrays, step.logits());
    for (size_t b = 0; b < kBatch; ++b) {
      const auto index = static_cast<int32_t>(b);
      Tokens tokens;
      if (play_.rule == Rule::kVerifier) {
        RowResult result{};
        verifier_.read(step.plan(), arrays, index, result);
        for (const TokenId token : result.tokens) {
          tokens.push_back(token.value);
        }
      } else {
        const auto* choices = verifier_.choices().as<int32_t>();
        tokens = wrong_tokens(play_.rule, drafts[b], logits[b],
                              choices + arrays.first_choice.as<int32_t>()[index]);
      }
      answers[b].insert(answers[b].end(), tokens.begin(), tokens.end());
    }
  }

  Play play_;
  CpuContext context_;
  std::vector<uint8_t> allowed_;
  SamplerState sampler_;
  Verifier verifier_;
};

// Distance of the answers of kAnswers seeds from their law.
double distance(const Play& play) {
  Game game(play);
  std::vector<int64_t> counts(kVocab * kVocab * kVocab, 0);
  for (int64_t seed = 0; seed < kAnswers; seed += kBatch) {
    for (const Tokens& answer : game.answers(seed)) {
      ++counts[code(answer)];
    }
  }
  return ops::total_variation(counts, answer_law(play.settings));
}

struct Case {
  std::string name;
  SlotSettings settings;
};

std::vector<Case> cases() {
  return {{"temperature", {.temperature = 0.8F}},
          {"top_p", {.temperature = 1.0F, .top_p = 0.8F}},
          {"top_k, min_p", {.temperature = 1.2F, .top_k = 4, .min_p = 0.05F}},
          {"penalties",
           {.temperature = 0.9F,
            .top_p = 0.95F,
            .repetition = 1.3F,
            .presence = 0.4F,
            .frequency = 0.8F,
            .prompt = {0, 5}}}};
}

// Half the expected sum of |binomial errors| is 0.066 for the law with the most answers, and the
// wrong rules are at 0.33 and more.
constexpr double kNear = 0.08;
constexpr double kFar = 0.25;

TEST(VerifierLawTest, WhateverTheDraftsAre) {
  for (const Case& item : cases()) {
    for (const Kind kind :
         {Kind::kNone, Kind::kGood, Kind::kBad, Kind::kAdversarial, Kind::kIdentical}) {
      const double tv = distance({.settings = item.settings, .kind = kind});
      EXPECT_LT(tv, kNear) << item.name << ", drafts " << static_cast<int>(kind);
    }
  }
}

TEST(VerifierLawTest, AWrongRuleMissesTheLaw) {
  const SlotSettings settings = cases()[0].settings;
  for (const Kind kind : {Kind::kGood, Kind::kBad, Kind::kAdversarial}) {
    const double tv = distance({.settings = settings, .kind = kind, .rule = Rule::kAlways});
    EXPECT_GT(tv, kFar) << static_cast<int>(kind);
  }
  for (const Kind kind : {Kind::kGood, Kind::kIdentical}) {
    const double tv = distance({.settings = settings, .kind = kind, .rule = Rule::kArgmax});
    EXPECT_GT(tv, kFar) << static_cast<int>(kind);
  }
}

// Stronger than a law: with a seed the answer is the same whatever was drafted.
TEST(VerifierLawTest, AnswersOfASeedAreEqualForAllDrafts) {
  for (const Case& item : cases()) {
    const auto expected = Game({.settings = item.settings, .kind = Kind::kNone}).answers(0);
    for (const Kind kind : {Kind::kGood, Kind::kBad, Kind::kAdversarial, Kind::kIdentical}) {
      const auto answers = Game({.settings = item.settings, .kind = kind}).answers(0);
      for (size_t b = 0; b < kBatch; ++b) {
        const auto shared = std::min(answers[b].size(), expected[b].size());
        ASSERT_TRUE(std::equal(answers[b].begin(),
                               answers[b].begin() + static_cast<std::ptrdiff_t>(shared),
                               expected[b].begin()))
            << item.name << ", drafts " << static_cast<int>(kind);
      }
    }
  }
}

}  // namespace
}  // namespace talon
