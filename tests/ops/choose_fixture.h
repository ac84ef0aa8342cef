// What the tests around ops::choose share: settings and choices as plain values, the arrays made of
// them, and the law of a choice by the naive double formula, written apart from the op: vectors of
// probabilities, sorted whole, nothing skipped.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "core/shape.h"
#include "ops/choose.h"
#include "tests/ops/op_test_util.h"

namespace talon::ops {

// make(0), make(1), .. make(count - 1).
template <class Make>
auto collect(int64_t count, const Make& make) {
  std::vector<decltype(make(int32_t{0}))> all;
  all.reserve(static_cast<size_t>(count));
  for (int32_t i = 0; i < count; ++i) {
    all.push_back(make(i));
  }
  return all;
}

struct SlotSettings {
  int64_t seed = 1;
  float temperature = 1.0F;
  int32_t top_k = 0;
  float top_p = 1.0F;
  float min_p = 0.0F;
  float repetition = 1.0F;
  float presence = 0.0F;
  float frequency = 0.0F;
  int32_t min_end_index = 0;
  std::vector<int32_t> end_ids{};
  std::vector<int32_t> kept_ids{};  // the slot's mask; empty: none
  std::vector<std::pair<int32_t, float>> biases{};
  std::vector<int32_t> prompt{};
  std::vector<int32_t> generated{};

  bool penalises() const { return repetition != 1.0F || presence != 0.0F || frequency != 0.0F; }
};

struct Choice {
  int32_t slot = 0;
  int32_t logit_row = 0;
  int32_t index = 0;
  std::vector<int32_t> before{};    // drafts before it
  std::vector<int32_t> kept_ids{};  // its constraint; empty: none
};

inline std::vector<int32_t> bit_row(const std::vector<int32_t>& ids, int64_t vocabulary) {
  std::vector<int32_t> words(static_cast<size_t>((vocabulary + 31) / 32), 0);
  for (const int32_t id : ids) {
    auto& word = words[static_cast<size_t>(id / 32)];
    word = static_cast<int32_t>(static_cast<uint32_t>(word) | (1U << (id % 32)));
  }
  return words;
}

// The arrays of some slots. What a slot does not use is filled with what would be noticed.
class SlotArrays {
 public:
  static constexpr int64_t kMaxEnds = 4;
  static constexpr int64_t kMaxBiases = 6;

  SlotArrays(const std::vector<SlotSettings>& slots, int64_t vocabulary)
      : num_slots_(std::ssize(slots)),
        flags_(DType::kI32, {num_slots_}),
        seed_(DType::kI64, {num_slots_}),
        min_end_index_(DType::kI32, {num_slots_}),
        top_k_(DType::kI32, {num_slots_}),
        floats_(DType::kF32, {6, num_slots_}),
        end_ids_(DType::kI32, {num_slots_, kMaxEnds}),
        masks_(DType::kI32, {num_slots_, (vocabulary + 31) / 32}),
        bias_ids_(DType::kI32, {num_slots_, kMaxBiases}),
        bias_values_(DType::kF32, {num_slots_, kMaxBiases}),
        counts_(DType::kI32, {num_slots_, vocabulary}) {
    for (int64_t s = 0; s < num_slots_; ++s) {
      fill(s, slots[static_cast<size_t>(s)], vocabulary);
    }
  }

  SlotSampling views() const {
    return {.flags = flags_.cview(),
            .seed = seed_.cview(),
            .temperature = floats_.cview().at(0),
            .top_k = top_k_.cview(),
            .top_p = floats_.cview().at(1),
            .min_p = floats_.cview().at(2),
            .repetition = floats_.cview().at(3),
            .presence = floats_.cview().at(4),
            .frequency = floats_.cview().at(5),
            .min_end_index = min_end_index_.cview(),
            .end_ids = end_ids_.cview(),
            .masks = masks_.cview(),
            .bias_ids = bias_ids_.cview(),
            .bias_values = bias_values_.cview(),
            .counts = counts_.cview()};
  }

 private:
  void fill(int64_t s, const SlotSettings& slot, int64_t vocabulary) {
    flags_.at<int32_t>(s) =
        (slot.end_ids.empty() ? 0 : kSlotHoldsEnds) | (slot.kept_ids.empty() ? 0 : kSlotMasks) |
        (slot.biases.empty() ? 0 : kSlotBiases) | (slot.penalises() ? kSlotPenalises : 0);
    seed_.at<int64_t>(s) = slot.seed;
    min_end_index_.at<int32_t>(s) = slot.min_end_index;
    top_k_.at<int32_t>(s) = slot.top_k;
    const std::vector<float> floats = {slot.temperature, slot.top_p,    slot.min_p,
                                       slot.repetition,  slot.presence, slot.frequency};
    for (size_t i = 0; i < floats.size(); ++i) {
      floats_.set(static_cast<int64_t>(i) * num_slots_ + s, floats[i]);
    }
    for (size_t i = 0; i < slot.end_ids.size(); ++i) {
      end_ids_.at<int32_t>(s * kMaxEnds + static_cast<int64_t>(i)) = slot.end_ids[i];
    }
    const auto words = bit_row(slot.kept_ids, vocabulary);
    for (size_t w = 0; w < words.size(); ++w) {
      masks_.at<int32_t>(s * std::ssize(words) + static_cast<int64_t>(w)) = words[w];
    }
    for (size_t i = 0; i < slot.biases.size(); ++i) {
      const int64_t place = s * kMaxBiases + static_cast<int64_t>(i);
      bias_ids_.at<int32_t>(place) = slot.biases[i].first;
      bias_values_.set(place, slot.biases[i].second);
    }
    for (int64_t id = 0; id < vocabulary; ++id) {
      const auto token = static_cast<int32_t>(id);
      const auto times = std::count(slot.generated.begin(), slot.generated.end(), token);
      const bool in_prompt = std::count(slot.prompt.begin(), slot.prompt.end(), token) > 0;
      counts_.at<int32_t>(s * vocabulary + id) =
          slot.penalises() ? static_cast<int32_t>(2 * times) + (in_prompt ? 1 : 0) : -1;
    }
  }

  int64_t num_slots_;
  TestTensor flags_;
  TestTensor seed_;
  TestTensor min_end_index_;
  TestTensor top_k_;
  TestTensor floats_;  // [6, S]
  TestTensor end_ids_;
  TestTensor masks_;
  TestTensor bias_ids_;
  TestTensor bias_values_;
  TestTensor counts_;
};

// The arrays of some choices.
class ChoiceArrays {
 public:
  ChoiceArrays(const std::vector<Choice>& choices, int64_t vocabulary) {
    std::vector<int32_t> columns[6];
    std::vector<int32_t> tokens;
    std::vector<int32_t> masks;
    int32_t num_masks = 0;
    for (const Choice& choice : choices) {
      tokens.push_back(0);  // the pending token, already counted
      tokens.insert(tokens.end(), choice.before.begin(), choice.before.end());
      const bool constrained = !choice.kept_ids.empty();
      if (constrained) {
        const auto words = bit_row(choice.kept_ids, vocabulary);
        masks.insert(masks.end(), words.begin(), words.end());
      }
      const int32_t values[6] = {choice.slot,
                                 choice.logit_row,
                                 choice.index,
                                 static_cast<int32_t>(choice.before.size()),
                                 static_cast<int32_t>(tokens.size()) - 1,
                                 constrained ? num_masks++ : -1};
      for (size_t i = 0; i < 6; ++i) {
        columns[i].push_back(values[i]);
      }
    }
    for (const auto& column : columns) {
      arrays_.push_back(TestTensor::of_i32(column));
    }
    arrays_.push_back(TestTensor::of_i32(tokens));
    arrays_.push_back(TestTensor::of(masks, Shape{num_masks, (vocabulary + 31) / 32}));
    has_masks_ = num_masks > 0;
  }

  ChoiceRows views() const {
    return {.slots = arrays_[0].cview(),
            .logit_rows = arrays_[1].cview(),
            .indices = arrays_[2].cview(),
            .num_before = arrays_[3].cview(),
            .token_rows = arrays_[4].cview(),
            .tokens = arrays_[6].cview(),
            .mask_rows = has_masks_ ? arrays_[5].cview() : ConstTensorView{},
            .masks = has_masks_ ? arrays_[7].cview() : ConstTensorView{}};
  }

 private:
  std::vector<TestTensor> arrays_;
  bool has_masks_ = false;
};

// Which ids may be drawn at all, by the rule that a mask which leaves nothing is passed over.
inline std::vector<bool> naive_mask(const std::vector<uint8_t>& allowed,
                                    const SlotSettings& slot,
                                    const Choice& choice) {
  std::vector<bool> kept(allowed.begin(), allowed.end());
  const auto narrow = [&kept](const auto& keeps) {
    std::vector<bool> narrowed = kept;
    for (size_t id = 0; id < kept.size(); ++id) {
      narrowed[id] = kept[id] && keeps(static_cast<int32_t>(id));
    }
    if (std::count(narrowed.begin(), narrowed.end(), true) > 0) {
      kept = narrowed;
    }
  };
  const auto is_in = [](const std::vector<int32_t>& ids, int32_t id) {
    return std::count(ids.begin(), ids.end(), id) > 0;
  };
  if (!choice.kept_ids.empty()) {
    narrow([&](int32_t id) { return is_in(choice.kept_ids, id); });
  }
  if (choice.index < slot.min_end_index) {
    narrow([&](int32_t id) { return !is_in(slot.end_ids, id); });
  }
  if (!slot.kept_ids.empty()) {
    narrow([&](int32_t id) { return is_in(slot.kept_ids, id); });
  }
  return kept;
}

// The logits after bias and penalties.
inline std::vector<double> naive_logits(const std::vector<double>& logits,
                                        const SlotSettings& slot,
                                        const Choice& choice) {
  std::vector<double> values = logits;
  for (double& value : values) {
    value = std::isnan(value) ? -std::numeric_limits<double>::infinity() : value;
  }
  for (const auto& [id, bias] : slot.biases) {
    values[static_cast<size_t>(id)] += static_cast<double>(bias);
  }
  std::vector<int32_t> generated = slot.generated;
  generated.insert(generated.end(), choice.before.begin(), choice.before.end());
  for (size_t id = 0; id < values.size(); ++id) {
    const auto token = static_cast<int32_t>(id);
    const auto times = std::count(generated.begin(), generated.end(), token);
    const bool seen = times > 0 || std::count(slot.prompt.begin(), slot.prompt.end(), token) > 0;
    if (seen) {
      const auto repetition = static_cast<double>(slot.repetition);
      values[id] = values[id] > 0.0 ? values[id] / repetition : values[id] * repetition;
    }
    values[id] -= static_cast<double>(slot.frequency) * static_cast<double>(times);
    values[id] -= times > 0 ? static_cast<double>(slot.presence) : 0.0;
  }
  return values;
}

// The law of a choice, [V] probabilities; one-hot at temperature 0.
inline std::vector<double> naive_law(const std::vector<double>& logits,
                                     const std::vector<uint8_t>& allowed,
                                     const SlotSettings& slot,
                                     const Choice& choice) {
  const std::vector<bool> kept = naive_mask(allowed, slot, choice);
  const std::vector<double> values = naive_logits(logits, slot, choice);
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::erase_if(order, [&](size_t id) { return !kept[id]; });
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return values[a] > values[b]; });
  std::vector<double> law(values.size(), 0.0);
  if (slot.temperature == 0.0F || !std::isfinite(values[order[0]])) {
    law[order[0]] = 1.0;
    return law;
  }
  std::erase_if(order, [&](size_t id) { return !std::isfinite(values[id]); });
  if (slot.top_k > 0) {
    order.resize(std::min(order.size(), static_cast<size_t>(slot.top_k)));
  }
  const auto fill_law = [&] {
    std::fill(law.begin(), law.end(), 0.0);
    double total = 0.0;
    for (const size_t id : order) {
      law[id] = std::exp((values[id] - values[order[0]]) / static_cast<double>(slot.temperature));
      total += law[id];
    }
    for (const size_t id : order) {
      law[id] /= total;
    }
  };
  fill_law();
  double mass = 0.0;
  size_t count = 0;
  while (count < order.size() && (slot.top_p >= 1.0F || mass < static_cast<double>(slot.top_p))) {
    mass += law[order[count++]];
  }
  order.resize(count);
  fill_law();
  std::erase_if(
      order, [&](size_t id) { return law[id] < static_cast<double>(slot.min_p) * law[order[0]]; });
  fill_law();
  return law;
}

// The draw from a law: the largest log p + Gumbel noise of the id.
inline int32_t naive_draw(const std::vector<double>& law, int64_t seed, int32_t index) {
  int32_t best = -1;
  double best_score = -std::numeric_limits<double>::infinity();
  for (size_t id = 0; id < law.size(); ++id) {
    const auto words =
        philox4x32({static_cast<uint32_t>(index), 0, static_cast<uint32_t>(RngPurpose::kToken),
                    static_cast<uint32_t>(id / 4)},
                   {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)});
    const double u = (static_cast<double>(words[id % 4]) + 0.5) / 4294967296.0;
    const double score = std::log(law[id]) - std::log(-std::log(u));
    if (law[id] > 0.0 && score > best_score) {
      best = static_cast<int32_t>(id);
      best_score = score;
    }
  }
  return best;
}

struct Chosen {
  std::vector<int32_t> tokens;
  TestTensor laws;  // [N, V]
};

inline Chosen run_choose(Stream stream,
                         const TestTensor& logits,
                         const std::vector<uint8_t>& allowed,
                         const std::vector<SlotSettings>& slots,
                         const std::vector<Choice>& choices) {
  const int64_t vocabulary = logits.num_columns();
  const int64_t count = std::ssize(choices);
  const SlotArrays slot_arrays(slots, vocabulary);
  const ChoiceArrays choice_arrays(choices, vocabulary);
  const TestTensor allowed_array = TestTensor::of(allowed, {vocabulary});
  TestTensor tokens(DType::kI32, {count});
  TestTensor keys(DType::kU64, {count});
  TestTensor scratch(DType::kU8, {3, choose_scratch_bytes(vocabulary)});
  Chosen chosen{.tokens = {}, .laws = TestTensor(DType::kF32, {count, vocabulary})};
  choose(stream, {.choices = tokens.view(),
                  .probabilities = chosen.laws.view(),
                  .logits = logits.cview(),
                  .allowed = allowed_array.cview(),
                  .rows = choice_arrays.views(),
                  .slots = slot_arrays.views(),
                  .keys = keys.view(),
                  .scratch = scratch.view()});
  EXPECT_TRUE(tokens.guards_intact());
  EXPECT_TRUE(keys.guards_intact());
  EXPECT_TRUE(scratch.guards_intact());
  EXPECT_TRUE(chosen.laws.guards_intact());
  for (int64_t i = 0; i < count; ++i) {
    chosen.tokens.push_back(tokens.at<int32_t>(i));
  }
  return chosen;
}

// Half the sum of the differences between relative frequencies and a law.
inline double total_variation(const std::vector<int64_t>& counts, const std::vector<double>& law) {
  const auto total = static_cast<double>(std::accumulate(counts.begin(), counts.end(), int64_t{0}));
  double sum = 0.0;
  for (size_t i = 0; i < law.size(); ++i) {
    sum += std::abs(static_cast<double>(counts[i]) / total - law[i]);
  }
  return sum / 2.0;
}

}  // namespace talon::ops
