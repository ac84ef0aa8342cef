// Many short answers of a toy target over eight ids, played through a Verifier with drafts of every
// kind, and the law of those answers by exact enumeration. A seed's play never varies.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "base/rng.h"
#include "core/cpu_context.h"
#include "engine/sampler_state.h"
#include "engine/verifier.h"
#include "ops/draw_draft.h"
#include "tests/engine/verify_step.h"
#include "tests/ops/choose_fixture.h"

namespace talon::test {

inline constexpr int32_t kVocab = 8;
inline constexpr int32_t kLength = 3;  // tokens of an answer that are looked at
inline constexpr int32_t kDrafts = 3;
inline constexpr int32_t kBatch = 50;
inline constexpr int32_t kFirstIndex = 4;  // of the answer's first token

using Tokens = std::vector<int32_t>;

// A toy model: logits from the last two tokens, worked out once.
class ToyModel {
 public:
  explicit ToyModel(uint64_t seed) {
    for (uint64_t context = 0; context < kContexts; ++context) {
      rows_.push_back(ops::collect(kVocab, [&](int32_t id) {
        const auto lane = static_cast<uint32_t>(id);
        return 5.0F * uniform_float(seed, context, RngPurpose::kTest, lane) - 2.5F;
      }));
    }
  }

  // `other` in part, so that the one is a guess at the other.
  ToyModel(const ToyModel& other, uint64_t seed) : ToyModel(seed) {
    for (size_t context = 0; context < kContexts; ++context) {
      for (size_t id = 0; id < kVocab; ++id) {
        rows_[context][id] = 0.7F * other.rows_[context][id] + 0.5F * rows_[context][id];
      }
    }
  }

  const Row& logits(const Tokens& answer) const {
    const size_t n = answer.size();
    const int32_t last = n > 0 ? answer[n - 1] : kVocab;
    const int32_t before = n > 1 ? answer[n - 2] : kVocab;
    return rows_[static_cast<size_t>(last) * (kVocab + 1) + static_cast<size_t>(before)];
  }

 private:
  static constexpr size_t kContexts = (kVocab + 1) * (kVocab + 1);

  std::vector<Row> rows_;
};

inline const ToyModel& toy_target() {
  static const ToyModel kTarget(99);
  return kTarget;
}

inline const Row& target_logits(const Tokens& answer) { return toy_target().logits(answer); }

inline const Row& drafter_logits(const Tokens& answer) {
  static const ToyModel kDrafter(toy_target(), 98);
  return kDrafter.logits(answer);
}

inline std::vector<double> target_law(const Tokens& answer, ops::SlotSettings settings) {
  settings.generated.insert(settings.generated.end(), answer.begin(), answer.end());
  const Row& logits = target_logits(answer);
  return ops::naive_law({logits.begin(), logits.end()}, std::vector<uint8_t>(kVocab, 1), settings,
                        {});
}

inline size_t code(const Tokens& answer) {
  size_t number = 0;
  for (size_t i = 0; i < kLength; ++i) {
    number = number * kVocab + static_cast<size_t>(answer[i]);
  }
  return number;
}

// The law of whole answers, by their code.
inline std::vector<double> answer_law(const ops::SlotSettings& settings) {
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

inline int32_t largest(const Row& row) {
  return static_cast<int32_t>(std::max_element(row.begin(), row.end()) - row.begin());
}

enum class Kind {
  kNone,
  kGood,
  kBad,
  kAdversarial,
  kIdentical,
  kGreedyDrafter,  // the drafter's likeliest
  kShared,         // drawn by the drafter, with the target's noise
  kOwn,            // with noise of its own
  kWrongLaw        // likewise, but another law is kept: the twin of kOwn
};

inline DraftDraws draws_of(Kind kind) {
  return kind == Kind::kShared                           ? DraftDraws::kShared
         : kind == Kind::kOwn || kind == Kind::kWrongLaw ? DraftDraws::kOwn
                                                         : DraftDraws::kGreedy;
}

// One more draft after `answer` and the drafts before it.
inline int32_t next_draft(Kind kind,
                          const Tokens& answer,
                          const ops::SlotSettings& settings,
                          int64_t seed) {
  const Row& logits = target_logits(answer);
  switch (kind) {
    case Kind::kGood:
      return largest(logits);
    case Kind::kBad:
      return static_cast<int32_t>(std::min_element(logits.begin(), logits.end()) - logits.begin());
    case Kind::kGreedyDrafter:
      return largest(drafter_logits(answer));
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
inline Tokens wrong_tokens(Rule rule,
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
  ops::SlotSettings settings;
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
                  sampler_,
                  {.draws = draws_of(play.kind)}) {}

  std::vector<Tokens> answers(int64_t first_seed) {
    std::vector<Tokens> answers(kBatch);
    for (int32_t slot = 0; slot < kBatch; ++slot) {
      ops::SlotSettings settings = play_.settings;
      settings.seed = first_seed + slot;
      sampler_.apply(Stream(context_), slot_patch(slot, settings));
    }
    const auto is_short = [](const Tokens& answer) { return answer.size() < kLength; };
    while (std::any_of(answers.begin(), answers.end(), is_short)) {
      round(first_seed, answers);
    }
    return answers;
  }

  double mean_accepted() const {
    return static_cast<double>(num_accepted_) / static_cast<double>(num_rounds_);
  }

 private:
  std::vector<Tokens> plain_drafts(int64_t first_seed, const std::vector<Tokens>& answers) const {
    std::vector<Tokens> drafts(kBatch);
    for (size_t b = 0; b < kBatch; ++b) {
      Tokens path = answers[b];
      for (int32_t j = 0; j < (play_.kind == Kind::kNone ? 0 : kDrafts); ++j) {
        drafts[b].push_back(
            next_draft(play_.kind, path, play_.settings, first_seed + static_cast<int64_t>(b)));
        path.push_back(drafts[b].back());
      }
    }
    return drafts;
  }

  std::vector<Tokens> drawn_drafts(const std::vector<Tokens>& answers) {
    auto slots = ops::collect(kBatch, [](int32_t b) { return b; });
    auto active = ops::collect(kBatch, [](int32_t) { return 1; });
    auto kv_len = ops::collect(kBatch, [&](int32_t b) { return pending_index(answers, b); });
    const DraftSampling sampling =
        verifier_.draft_sampling(TensorView(slots.data(), Shape{kBatch}));
    std::vector<Tokens> paths = answers;
    std::vector<Tokens> drafts(kBatch);
    for (int32_t number = 0; number < kDrafts; ++number) {
      Row logits;
      for (const Tokens& path : paths) {
        const Row& row = drafter_logits(path);
        logits.insert(logits.end(), row.begin(), row.end());
      }
      Tokens drawn(kBatch);
      ops::draw_draft(Stream(context_), {.tokens = TensorView(drawn.data(), Shape{kBatch, 1}),
                                         .laws = laws_of(sampling, number),
                                         .logits = TensorView(logits.data(), Shape{kBatch, kVocab}),
                                         .slots = sampling.slots,
                                         .active = TensorView(active.data(), Shape{kBatch}),
                                         .kv_len = TensorView(kv_len.data(), Shape{kBatch}),
                                         .seeds = sampling.seeds,
                                         .temperature = sampling.temperature,
                                         .number = number});
      for (size_t b = 0; b < kBatch; ++b) {
        drafts[b].push_back(drawn[b]);
        paths[b].push_back(drawn[b]);
      }
    }
    if (play_.kind == Kind::kWrongLaw) {
      std::fill_n(sampling.laws.as<float>(), kBatch * kDrafts * kVocab, 1.0F / kVocab);
    }
    return drafts;
  }

  static TensorView laws_of(const DraftSampling& sampling, int32_t number) {
    return sampling.laws.empty() ? TensorView{}
                                 : sampling.laws.reshaped(Shape{kBatch, kDrafts * kVocab})
                                       .columns(number * kVocab, kVocab);
  }

  static int32_t pending_index(const std::vector<Tokens>& answers, int32_t b) {
    return kFirstIndex - 1 + static_cast<int32_t>(answers[static_cast<size_t>(b)].size());
  }

  void round(int64_t first_seed, std::vector<Tokens>& answers) {
    VerifyStep step(kVocab, kDrafts);
    const auto drafts = draws_of(play_.kind) == DraftDraws::kGreedy
                            ? plain_drafts(first_seed, answers)
                            : drawn_drafts(answers);
    std::vector<std::vector<Row>> logits(kBatch);
    for (size_t b = 0; b < kBatch; ++b) {
      Tokens path = answers[b];
      logits[b].push_back(target_logits(path));
      for (const int32_t draft : drafts[b]) {
        path.push_back(draft);
        logits[b].push_back(target_logits(path));
      }
      PlanRow row;
      row.slot = SlotIndex{static_cast<int32_t>(b)};
      step.add_verify(row, pending_index(answers, row.slot.value), drafts[b], logits[b]);
    }
    const StepArrays arrays = step.arrays();
    verifier_.verify(Stream(context_), step.plan(), arrays, step.logits(), {});
    const std::vector<RowResult> results = step.results(verifier_, {});
    for (size_t b = 0; b < kBatch; ++b) {
      const auto index = static_cast<int32_t>(b);
      Tokens tokens;
      if (play_.rule == Rule::kVerifier) {
        const RowResult& result = results[b];
        num_accepted_ += result.accepted;
        ++num_rounds_;
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
  int64_t num_accepted_ = 0;
  int64_t num_rounds_ = 0;
};

// Distance of the answers of so many seeds from their law.
inline double distance(const Play& play, int64_t num_answers) {
  Game game(play);
  std::vector<int64_t> counts(kVocab * kVocab * kVocab, 0);
  for (int64_t seed = 0; seed < num_answers; seed += kBatch) {
    for (const Tokens& answer : game.answers(seed)) {
      ++counts[code(answer)];
    }
  }
  return ops::total_variation(counts, answer_law(play.settings));
}

}  // namespace talon::test
