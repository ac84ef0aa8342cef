#include "ops/choose.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <numeric>
#include <span>

#include "base/check.h"
#include "base/checked_int.h"
#include "core/cpu_context.h"
#include "core/cpu_path.h"
#include "ops/argmax.h"
#include "ops/cpu_loop.h"
#include "ops/token_noise_block.h"

namespace talon::ops::cpu {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// A choice that no more than its argmax is asked of is done by ops::argmax; this is the work on one
// of the others, in units of the small ops: some passes over the row, with exponentials.
constexpr int64_t kWorkPerLogit = 16;

// Rows that one loop over the threads covers at most, whatever scratch there is.
constexpr size_t kMaxRowsAtATime = 64;

// One row on its way through the list in the header.
class RowChoice {
 public:
  RowChoice(CpuPath path, const ChooseArgs& args, int64_t choice, std::byte* scratch)
      : path_(path),
        args_(args),
        choice_(choice),
        slot_(args.rows.slots.as<int32_t>()[choice]),
        flags_(args.slots.flags.as<int32_t>()[slot_]),
        vocabulary_(args.logits.size(1)),
        values_(reinterpret_cast<double*>(scratch)),
        ids_(reinterpret_cast<int32_t*>(scratch + 8 * vocabulary_)),
        bits_(reinterpret_cast<uint32_t*>(scratch + 12 * vocabulary_),
              static_cast<size_t>(ceil_div(vocabulary_, 32))) {}

  int32_t run() {
    mask();
    load();
    const auto temperature = static_cast<double>(setting(args_.slots.temperature));
    if (temperature == 0.0) {
      return largest();
    }
    keep_finite(temperature);
    if (num_left_ == 0) {
      return settle_for_lowest();
    }
    keep_top_k();
    keep_top_p();
    keep_min_p();
    write_law();
    return draw();
  }

 private:
  float setting(const ConstTensorView& array) const { return array.as<float>()[slot_]; }
  bool has(SlotFlag flag) const { return (flags_ & flag) != 0; }
  bool permits(int64_t id) const {
    return ((bits_[static_cast<size_t>(id / 32)] >> (id % 32)) & 1U) != 0;
  }
  int32_t index() const { return args_.rows.indices.as<int32_t>()[choice_]; }

  void mask() {
    const auto* allowed = args_.allowed.as<uint8_t>();
    for (size_t w = 0; w < bits_.size(); ++w) {
      const int64_t first = 32 * static_cast<int64_t>(w);
      const auto count = static_cast<size_t>(std::min<int64_t>(32, vocabulary_ - first));
      uint32_t word = 0;
      for (size_t i = 0; i < count; i += 8) {
        word |= bits_of(allowed + first + i, std::min<size_t>(8, count - i)) << i;
      }
      bits_[w] = word;
    }
    if (!args_.rows.mask_rows.empty()) {
      const int32_t row = args_.rows.mask_rows.as<int32_t>()[choice_];
      if (row >= 0) {
        intersect(args_.rows.masks.row<int32_t>(row));
      }
    }
    if (has(kSlotHoldsEnds) && index() < args_.slots.min_end_index.as<int32_t>()[slot_]) {
      hold_ends();
    }
    if (has(kSlotMasks)) {
      intersect(args_.slots.masks.row<int32_t>(slot_));
    }
  }

  // Bit i: whether byte i of at most 8 is not 0.
  static uint32_t bits_of(const uint8_t* bytes, size_t count) {
    constexpr uint64_t kLow7 = 0x7F7F7F7F7F7F7F7FULL;
    uint64_t eight = 0;
    std::memcpy(&eight, bytes, count);
    const uint64_t tops = (((eight & kLow7) + kLow7) | eight) & ~kLow7;  // 0x80 where not 0
    // The product moves the top bit of byte i to bit 56 + i; no two of its terms meet.
    return static_cast<uint32_t>(((tops >> 7) * 0x0102040810204080ULL) >> 56);
  }

  void intersect(const int32_t* words) {
    bool leaves_any = false;
    for (size_t w = 0; w < bits_.size(); ++w) {
      leaves_any = leaves_any || (bits_[w] & static_cast<uint32_t>(words[w])) != 0;
    }
    for (size_t w = 0; leaves_any && w < bits_.size(); ++w) {
      bits_[w] &= static_cast<uint32_t>(words[w]);
    }
  }

  void hold_ends() {
    const int32_t* ends = args_.slots.end_ids.row<int32_t>(slot_);
    int64_t num_held = 0;
    for (int64_t i = 0; i < args_.slots.end_ids.size(1) && ends[i] >= 0; ++i) {
      TALON_DCHECK(ends[i] < vocabulary_, "end id {}", ends[i]);
      if (permits(ends[i])) {
        bits_[static_cast<size_t>(ends[i] / 32)] &= ~(1U << (ends[i] % 32));
        ids_[num_held++] = ends[i];
      }
    }
    if (std::any_of(bits_.begin(), bits_.end(), [](uint32_t word) { return word != 0; })) {
      return;
    }
    for (int64_t i = 0; i < num_held; ++i) {
      bits_[static_cast<size_t>(ids_[i] / 32)] |= 1U << (ids_[i] % 32);
    }
  }

  // The logits up to the temperature.
  void load() {
    const float* logits = args_.logits.row<float>(args_.rows.logit_rows.as<int32_t>()[choice_]);
    for (int64_t id = 0; id < vocabulary_; ++id) {
      const auto value = static_cast<double>(logits[id]);
      values_[id] = value == value ? value : -kInfinity;
    }
    if (has(kSlotBiases)) {
      const auto* ids = args_.slots.bias_ids.row<int32_t>(slot_);
      const auto* biases = args_.slots.bias_values.row<float>(slot_);
      for (int64_t i = 0; i < args_.slots.bias_ids.size(1) && ids[i] >= 0; ++i) {
        TALON_DCHECK(ids[i] < vocabulary_, "a bias on id {}", ids[i]);
        values_[ids[i]] += static_cast<double>(biases[i]);
      }
    }
    if (has(kSlotPenalises)) {
      penalise();
    }
  }

  void penalise() {
    const int32_t* counts = args_.slots.counts.row<int32_t>(slot_);
    const int32_t num_before = args_.rows.num_before.as<int32_t>()[choice_];
    const int32_t row = args_.rows.token_rows.as<int32_t>()[choice_];
    TALON_DCHECK(num_before == 0 || (row >= num_before && row < args_.rows.tokens.size(0)),
                 "{} drafts before row {}", num_before, row);
    const std::span before(args_.rows.tokens.as<int32_t>() + (row + 1 - num_before),
                           static_cast<size_t>(num_before));
    for (int32_t id = 0; id < vocabulary_; ++id) {
      int32_t count = counts[id];
      for (const int32_t draft : before) {
        count += draft == id ? 2 : 0;
      }
      if (count != 0) {
        values_[id] = penalised(values_[id], count);
      }
    }
  }

  double penalised(double value, int32_t count) const {
    const auto repetition = static_cast<double>(setting(args_.slots.repetition));
    const int32_t generated = count / 2;
    value = value > 0.0 ? value / repetition : value * repetition;
    if (generated > 0) {
      value -= static_cast<double>(setting(args_.slots.frequency)) * generated;
      value -= static_cast<double>(setting(args_.slots.presence));
    }
    return value;
  }

  int32_t lowest() const {
    for (int32_t id = 0; id < vocabulary_; ++id) {
      if (permits(id)) {
        return id;
      }
    }
    return -1;
  }

  int32_t settle_for_lowest() {
    const int32_t id = lowest();
    if (id >= 0) {
      ids_[num_left_++] = id;
      values_[id] = largest_ = 0.0;
    }
    write_law();
    return id;
  }

  int32_t largest() const {
    int32_t best = lowest();
    for (int32_t id = best + 1; best >= 0 && id < vocabulary_; ++id) {
      if (values_[id] > values_[best] && permits(id)) {
        best = id;
      }
    }
    return best;
  }

  // Fills ids_ with what may be drawn, ascending, and divides by the temperature. A finite stand-in
  // for infinity keeps differences defined.
  void keep_finite(double temperature) {
    if (temperature != 1.0) {
      for (int64_t id = 0; id < vocabulary_; ++id) {
        values_[id] /= temperature;
      }
    }
    int64_t num_left = 0;
    std::array<double, 2> largest = {-kInfinity, -kInfinity};  // two chains take half the time
    for (size_t w = 0; w < bits_.size(); ++w) {
      for (uint32_t word = bits_[w]; word != 0; word &= word - 1) {
        const int32_t id = 32 * static_cast<int32_t>(w) + std::countr_zero(word);
        values_[id] = std::min(values_[id], std::numeric_limits<double>::max());
        ids_[num_left] = id;
        num_left += values_[id] > -kInfinity ? 1 : 0;
        double& chain = largest[static_cast<size_t>(id % 2)];
        chain = std::max(chain, values_[id]);
      }
    }
    num_left_ = num_left;
    largest_ = std::max(largest[0], largest[1]);
  }

  double weight(int32_t id) const { return std::exp(values_[id] - largest_); }

  auto falling() const {
    return [values = values_](int32_t a, int32_t b) {
      return values[a] > values[b] || (values[a] == values[b] && a < b);
    };
  }

  void keep_top_k() {
    const int64_t top_k = args_.slots.top_k.as<int32_t>()[slot_];
    if (top_k > 0 && top_k < num_left_) {
      const auto most = static_cast<double>(top_k);
      keep_best([](int32_t) { return 1.0; }, [most](double) { return most; });
    }
  }

  void keep_top_p() {
    const auto top_p = static_cast<double>(setting(args_.slots.top_p));
    if (top_p < 1.0) {
      keep_best([this](int32_t id) { return weight(id); },
                [top_p](double total) { return top_p * total; });
    }
  }

  // Values fall into buckets of an eighth below the largest; the last one takes the rest.
  static constexpr int32_t kBuckets = 512;
  double depth(int32_t id) const { return (largest_ - values_[id]) * 8.0; }

  void drop_below(double floor) {
    int64_t num_left = 0;
    for (int64_t i = 0; i < num_left_; ++i) {  // without a branch, which would be missed often
      const int32_t id = ids_[i];
      ids_[num_left] = id;
      num_left += depth(id) < floor ? 1 : 0;
    }
    num_left_ = num_left;
  }

  // Keeps the fewest ids by falling value whose measures add up to target(sum of all). One pass
  // finds the bucket where that happens, and only its ids are sorted.
  template <class Measure, class Target>
  void keep_best(const Measure& measure, const Target& target_of) {
    std::array<double, kBuckets> sums{};
    for (int64_t i = 0; i < num_left_; ++i) {
      sums[static_cast<size_t>(std::min(depth(ids_[i]), double{kBuckets - 1}))] += measure(ids_[i]);
    }
    const double target = target_of(std::accumulate(sums.begin(), sums.end(), 0.0));
    size_t last = 0;
    double sum = 0.0;
    while (last + 1 < sums.size() && sum + sums[last] < target) {
      sum += sums[last++];
    }
    const auto border = static_cast<double>(last);
    if (last + 1 < sums.size()) {
      drop_below(border + 1.0);
    }
    int32_t* const end = ids_ + num_left_;
    int32_t* begin = std::partition(ids_, end, [&](int32_t id) { return depth(id) < border; });
    // Piece by piece, should many values lie close together.
    for (int64_t piece = 64; begin < end; piece *= 4) {
      int32_t* stop = begin + std::min<int64_t>(piece, end - begin);
      std::nth_element(begin, stop, end, falling());
      std::sort(begin, stop, falling());
      for (; begin < stop; ++begin) {
        sum += measure(*begin);
        if (sum >= target) {
          num_left_ = begin + 1 - ids_;
          return;
        }
      }
    }
  }

  void keep_min_p() {
    const auto min_p = static_cast<double>(setting(args_.slots.min_p));
    if (min_p > 0.0) {
      const auto* last =
          std::remove_if(ids_, ids_ + num_left_, [&](int32_t id) { return weight(id) < min_p; });
      num_left_ = last - ids_;
    }
  }

  void write_law() const {
    if (args_.probabilities.empty()) {
      return;
    }
    float* law = args_.probabilities.row<float>(choice_);
    std::fill_n(law, vocabulary_, 0.0F);
    double total = 0.0;
    for (int64_t i = 0; i < num_left_; ++i) {
      total += weight(ids_[i]);
    }
    for (int64_t i = 0; i < num_left_; ++i) {
      law[ids_[i]] = static_cast<float>(weight(ids_[i]) / total);
    }
  }

  // What cannot win with the largest noise gets none, and few of the others the exact one.
  int32_t draw() const {
    BlockTokenNoise noise(args_.slots.seed.as<int64_t>()[slot_], index(), RngPurpose::kToken, 0,
                          philox_kernel(path_));
    double best = -kInfinity;
    int32_t best_id = -1;
    for (int64_t i = 0; i < num_left_; ++i) {
      const int32_t id = ids_[i];
      if (values_[id] + TokenNoise::kLargestGumbel < best ||
          values_[id] + noise.gumbel_bound(id) < best) {
        continue;
      }
      const double score = values_[id] + noise.gumbel(id);
      if (score > best || (score == best && id < best_id)) {
        best = score;
        best_id = id;
      }
    }
    return best_id;
  }

  CpuPath path_;
  const ChooseArgs& args_;
  int64_t choice_;
  int32_t slot_;
  int32_t flags_;
  int64_t vocabulary_;
  double* values_;            // [V] the logits, processed so far
  int32_t* ids_;              // [num_left_]
  std::span<uint32_t> bits_;  // [W] permitted ids
  int64_t num_left_ = 0;
  double largest_ = 0.0;  // of the values of ids_
};

bool is_argmax(const ChooseArgs& args, int64_t choice) {
  const int32_t slot = args.rows.slots.as<int32_t>()[choice];
  const int32_t flags = args.slots.flags.as<int32_t>()[slot];
  const bool constrained =
      !args.rows.mask_rows.empty() && args.rows.mask_rows.as<int32_t>()[choice] >= 0;
  const bool holds_ends =
      (flags & kSlotHoldsEnds) != 0 &&
      args.rows.indices.as<int32_t>()[choice] < args.slots.min_end_index.as<int32_t>()[slot];
  return args.slots.temperature.as<float>()[slot] == 0.0F && !constrained && !holds_ends &&
         (flags & ~kSlotHoldsEnds) == 0;
}

// Choices [begin, end) stand in successive rows of logits.
void choose_largest(CpuContext& context, const ChooseArgs& args, int64_t begin, int64_t end) {
  const int64_t first = args.rows.logit_rows.as<int32_t>()[begin];
  const ArgmaxArgs argmax_args = {.keys = args.keys.rows(begin, end - begin),
                                  .logits = args.logits.rows(first, end - begin),
                                  .allowed = args.allowed};
  if (context.path() == CpuPath::kScalar) {
    argmax(context, argmax_args);
  } else {
    argmax_fast(context, argmax_args);
  }
  for (int64_t c = begin; c < end; ++c) {
    args.choices.as<int32_t>()[c] = argmax_key_id(args.keys.as<uint64_t>()[c]);
  }
}

void choose_others(CpuContext& context, const ChooseArgs& args, std::span<const int64_t> choices) {
  const int64_t work = kWorkPerLogit * args.logits.size(1);
  for_rows(context, std::ssize(choices), work, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t choice = choices[static_cast<size_t>(i)];
      std::byte* scratch = args.scratch.at(i).data();
      args.choices.as<int32_t>()[choice] = RowChoice(context.path(), args, choice, scratch).run();
    }
  });
}

}  // namespace

void choose(CpuContext& context, const ChooseArgs& args) {
  const auto* slots = args.rows.slots.as<int32_t>();
  const auto* logit_rows = args.rows.logit_rows.as<int32_t>();
  const int64_t num_choices = args.rows.slots.size(0);
  const auto at_a_time = std::min(kMaxRowsAtATime, static_cast<size_t>(args.scratch.size(0)));
  std::array<int64_t, kMaxRowsAtATime> others{};
  size_t num_others = 0;
  for (int64_t c = 0; c < num_choices;) {
    if (slots[c] < 0) {
      args.choices.as<int32_t>()[c++] = -1;
      continue;
    }
    TALON_CHECK(slots[c] < args.slots.flags.size(0), "choice {} of slot {}", c, slots[c]);
    TALON_CHECK(logit_rows[c] >= 0 && logit_rows[c] < args.logits.size(0),
                "choice {} from row {} of {}", c, logit_rows[c], args.logits.size(0));
    if (is_argmax(args, c)) {
      int64_t end = c + 1;
      while (end < num_choices && slots[end] >= 0 && logit_rows[end] == logit_rows[end - 1] + 1 &&
             is_argmax(args, end)) {
        ++end;
      }
      choose_largest(context, args, c, end);
      c = end;
      continue;
    }
    others[num_others++] = c++;
    if (num_others == at_a_time) {
      choose_others(context, args, std::span(others.data(), num_others));
      num_others = 0;
    }
  }
  choose_others(context, args, std::span(others.data(), num_others));
}

}  // namespace talon::ops::cpu
