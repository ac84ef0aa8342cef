// Three kernels and no look from the host at who asks for what. `greedy` finds the argmax of the
// rows that ask for no more, with many blocks a row; `choose` has a block for each row of scratch,
// which writes those down and takes the others through the whole list of the header, about ten
// passes over the row in double (1.6 MB for M3, in the L2 cache).
//
// top_k and top_p both keep the front of the row in falling order, so each is a threshold (value,
// id), found without sorting: a histogram over 2048 steps of value from the largest down, in counts
// or in probability as integers of 2^-44, shows in which step the front ends; the ids of that step
// are listed, and the threshold is found among them digit by digit. Integer sums have no order, so
// the result is the same each time.
#include "ops/choose.h"

#include <algorithm>
#include <cfloat>

#include "core/cuda/queue.h"
#include "ops/argmax_cuda.cuh"
#include "ops/cuda_kernel.cuh"
#include "ops/draw_row.cuh"

namespace talon::ops::cuda {
namespace {

constexpr int kSteps = 2048;
constexpr double kStepsPerUnit = 64.0;  // of value, after the temperature: 32 units in all
constexpr int kDigits = 256;
constexpr double kMassUnit = 0x1.0p44;  // 2^18 ids of the largest weight stay below 2^63

struct ChooseParams {
  int32_t* choices;          // [N]
  float* probabilities;      // [N, V] or null
  const float* logits;       // [R, V]
  const uint8_t* allowed;    // [V]
  unsigned long long* keys;  // [N]
  uint8_t* scratch;          // [L, scratch_bytes]
  // ChoiceRows
  const int32_t* slots;
  const int32_t* logit_rows;
  const int32_t* indices;
  const int32_t* num_before;
  const int32_t* token_rows;
  const int32_t* tokens;
  const int32_t* mask_rows;  // or null
  const int32_t* row_masks;
  // SlotSampling
  const int32_t* flags;
  const int64_t* seed;
  const float* temperature;
  const int32_t* top_k;
  const float* top_p;
  const float* min_p;
  const float* repetition;
  const float* presence;
  const float* frequency;
  const int32_t* min_end_index;
  const int32_t* end_ids;
  const int32_t* slot_masks;
  const int32_t* bias_ids;
  const float* bias_values;
  const int32_t* counts;
  int64_t logits_stride;
  int64_t scratch_bytes;
  int num_choices;
  int vocabulary;
  int num_ends;
  int num_biases;

  __device__ bool is_argmax(int c) const {
    const int slot = slots[c];
    const bool constrained = mask_rows != nullptr && mask_rows[c] >= 0;
    const bool holds_ends = (flags[slot] & kSlotHoldsEnds) != 0 && indices[c] < min_end_index[slot];
    return temperature[slot] == 0.0F && !constrained && !holds_ends &&
           (flags[slot] & ~kSlotHoldsEnds) == 0;
  }
};

__global__ void __launch_bounds__(kArgmaxThreads) greedy_kernel(const ChooseParams p) {
  await_previous();
  const int c = static_cast<int>(blockIdx.y);
  if (p.slots[c] < 0 || !p.is_argmax(c)) {
    return;
  }
  raise_key<float>(p.keys + c,
                   {.logits = p.logits + p.logit_rows[c] * p.logits_stride,
                    .allowed = p.allowed,
                    .size = p.vocabulary,
                    .first_id = 0},
                   static_cast<int>(blockIdx.x));
}

struct ChooseShared {
  DrawShared draw;
  unsigned long long masses[kSteps];
  unsigned long long digits[kDigits];
  unsigned long long found_before;
  int found;
  int num_listed;
};

// Which part of the falling order is left: values above the threshold, and of the equal ones the
// ids up to one.
struct Kept {
  uint64_t key;
  int32_t id;

  __device__ bool has(double value, int32_t candidate) const {
    const uint64_t own = ordered_bits(value);
    return own > key || (own == key && candidate <= id);
  }
};

// One row on its way through the list in the header, by one block.
class RowChoice {
 public:
  __device__ RowChoice(const ChooseParams& p, int choice, uint8_t* scratch, ChooseShared& shared)
      : p_(p),
        shared_(shared),
        choice_(choice),
        slot_(p.slots[choice]),
        num_words_((p.vocabulary + 31) / 32),
        values_(reinterpret_cast<double*>(scratch)),
        ids_(reinterpret_cast<int32_t*>(scratch + int64_t{8} * p.vocabulary)),
        bits_(reinterpret_cast<uint32_t*>(scratch + int64_t{12} * p.vocabulary)) {}

  __device__ int32_t run() {
    mask();
    load();
    const auto temperature = static_cast<double>(p_.temperature[slot_]);
    finish_values(temperature);
    if (temperature == 0.0) {
      const Candidate best = best_permitted();
      return best.id;
    }
    if (num_left_ == 0) {
      return settle_for_lowest();
    }
    const int64_t top_k = p_.top_k[slot_];
    if (top_k > 0 && top_k < num_left_) {
      keep_front(static_cast<unsigned long long>(top_k), [](double) { return 1ULL; });
    }
    keep_top_p();
    min_weight_ = static_cast<double>(p_.min_p[slot_]);
    write_law();
    return draw();
  }

 private:
  __device__ bool has_flag(SlotFlag flag) const { return (p_.flags[slot_] & flag) != 0; }
  __device__ bool permits(int id) const { return ((bits_[id / 32] >> (id % 32)) & 1U) != 0; }

  __device__ void mask() {
    for (int w = thread(); w < num_words_; w += kDrawThreads) {
      uint32_t word = 0;
      for (int i = 0; i < 32 && 32 * w + i < p_.vocabulary; ++i) {
        word |= (p_.allowed[32 * w + i] != 0 ? 1U : 0U) << i;
      }
      bits_[w] = word;
    }
    __syncthreads();
    if (p_.mask_rows != nullptr && p_.mask_rows[choice_] >= 0) {
      intersect(p_.row_masks + int64_t{p_.mask_rows[choice_]} * num_words_);
    }
    if (has_flag(kSlotHoldsEnds) && p_.indices[choice_] < p_.min_end_index[slot_]) {
      hold_ends();
    }
    if (has_flag(kSlotMasks)) {
      intersect(p_.slot_masks + int64_t{slot_} * num_words_);
    }
  }

  __device__ void intersect(const int32_t* words) {
    bool leaves_any = false;
    for (int w = thread(); w < num_words_; w += kDrawThreads) {
      leaves_any = leaves_any || (bits_[w] & static_cast<uint32_t>(words[w])) != 0;
    }
    if (__syncthreads_or(leaves_any ? 1 : 0) != 0) {
      for (int w = thread(); w < num_words_; w += kDrawThreads) {
        bits_[w] &= static_cast<uint32_t>(words[w]);
      }
    }
    __syncthreads();
  }

  // A few ids: one thread takes them away and, if nothing else is left, gives them back.
  __device__ void hold_ends() {
    const int32_t* ends = p_.end_ids + int64_t{slot_} * p_.num_ends;
    int num_held = 0;
    for (int i = 0; thread() == 0 && i < p_.num_ends && ends[i] >= 0; ++i) {
      if (permits(ends[i])) {
        bits_[ends[i] / 32] &= ~(1U << (ends[i] % 32));
        ids_[num_held++] = ends[i];
      }
    }
    __syncthreads();
    bool has_any = false;
    for (int w = thread(); w < num_words_; w += kDrawThreads) {
      has_any = has_any || bits_[w] != 0;
    }
    const bool is_left = __syncthreads_or(has_any ? 1 : 0) != 0;
    for (int i = 0; !is_left && i < num_held; ++i) {
      bits_[ids_[i] / 32] |= 1U << (ids_[i] % 32);
    }
    __syncthreads();
  }

  // The logits and their biases.
  __device__ void load() {
    const float* logits = p_.logits + p_.logit_rows[choice_] * p_.logits_stride;
    for (int id = thread(); id < p_.vocabulary; id += kDrawThreads) {
      const auto value = static_cast<double>(logits[id]);
      values_[id] = value == value ? value : -INFINITY;
    }
    __syncthreads();
    if (has_flag(kSlotBiases) && thread() == 0) {
      const int64_t first = int64_t{slot_} * p_.num_biases;
      for (int i = 0; i < p_.num_biases && p_.bias_ids[first + i] >= 0; ++i) {
        values_[p_.bias_ids[first + i]] += static_cast<double>(p_.bias_values[first + i]);
      }
    }
    __syncthreads();
  }

  __device__ double penalised(double value, int id) const {
    int count = p_.counts[int64_t{slot_} * p_.vocabulary + id];
    const int num_before = p_.num_before[choice_];
    const int32_t* before = p_.tokens + (p_.token_rows[choice_] + 1 - num_before);
    for (int i = 0; i < num_before; ++i) {
      count += before[i] == id ? 2 : 0;
    }
    if (count == 0) {
      return value;
    }
    const auto repetition = static_cast<double>(p_.repetition[slot_]);
    value = value > 0.0 ? value / repetition : value * repetition;
    if (count / 2 > 0) {
      value -= static_cast<double>(p_.frequency[slot_]) * (count / 2);
      value -= static_cast<double>(p_.presence[slot_]);
    }
    return value;
  }

  // Penalties and temperature; what may not be chosen becomes minus infinity. A finite stand-in for
  // infinity keeps differences defined.
  __device__ void finish_values(double temperature) {
    const bool penalises = has_flag(kSlotPenalises);
    double largest = -INFINITY;
    int64_t num_left = 0;
    for (int id = thread(); id < p_.vocabulary; id += kDrawThreads) {
      double value = penalises ? penalised(values_[id], id) : values_[id];
      if (temperature != 0.0) {
        value = fmin(value / temperature, DBL_MAX);
        value = value == value ? value : -INFINITY;
      }
      value = permits(id) ? value : -INFINITY;
      values_[id] = value;
      largest = fmax(largest, value);
      num_left += value > -INFINITY ? 1 : 0;
    }
    largest_ = block_max(largest, shared_.draw);
    num_left_ = block_sum(num_left, shared_.draw);
    kept_ = {ordered_bits(-INFINITY), -1};
    __syncthreads();
  }

  __device__ Candidate best_permitted() const {
    Candidate best = {0.0, -1};
    for (int id = thread(); id < p_.vocabulary; id += kDrawThreads) {
      if (permits(id)) {
        best = better(best, {values_[id], id});
      }
    }
    return block_best(best, shared_.draw);
  }

  __device__ int32_t settle_for_lowest() {
    const int32_t id = best_permitted().id;  // all values are alike
    if (id >= 0 && thread() == 0) {
      values_[id] = 0.0;
    }
    largest_ = 0.0;
    __syncthreads();
    write_law();
    return id;
  }

  __device__ double weight(double value) const { return exp(value - largest_); }

  __device__ bool is_left(int id) const {
    return kept_.has(values_[id], id) &&
           (min_weight_ <= 0.0 || !(weight(values_[id]) < min_weight_));
  }

  __device__ void keep_top_p() {
    const auto top_p = static_cast<double>(p_.top_p[slot_]);
    if (!(top_p < 1.0)) {
      return;
    }
    const auto mass = [this](double value) {
      return static_cast<unsigned long long>(__double2ull_rn(weight(value) * kMassUnit));
    };
    int64_t own = 0;
    for (int id = thread(); id < p_.vocabulary; id += kDrawThreads) {
      own += kept_.has(values_[id], id) ? static_cast<int64_t>(mass(values_[id])) : 0;
    }
    const auto total = static_cast<double>(block_sum(own, shared_.draw));
    const auto target = static_cast<unsigned long long>(ceil(top_p * total));
    keep_front(target > 0 ? target : 1, mass);
  }

  __device__ int step_of(double value) const {
    const double steps = (largest_ - value) * kStepsPerUnit;
    return steps < kSteps - 1 ? static_cast<int>(steps) : kSteps - 1;
  }

  // Moves the threshold so that the shortest front with `target` of mass is left.
  template <class Mass>
  __device__ void keep_front(unsigned long long target, const Mass& mass) {
    for (int i = thread(); i < kSteps; i += kDrawThreads) {
      shared_.masses[i] = 0;
    }
    __syncthreads();
    for (int id = thread(); id < p_.vocabulary; id += kDrawThreads) {
      if (kept_.has(values_[id], id)) {
        atomicAdd(&shared_.masses[step_of(values_[id])], mass(values_[id]));
      }
    }
    __syncthreads();
    find(shared_.masses, kSteps, target);
    const int step = shared_.found;
    target -= shared_.found_before;
    list_step(step);
    keep_front_of_list(target, mass);
  }

  // The entry in which the running sum reaches the target, and the sum in front of it. There is
  // one, since the whole is at least the target, and that is at least 1.
  __device__ void find(const unsigned long long* masses, int count, unsigned long long target) {
    const int each = (count + kDrawThreads - 1) / kDrawThreads;
    const int begin = min(count, thread() * each);
    const int end = min(count, begin + each);
    unsigned long long own = 0;
    for (int i = begin; i < end; ++i) {
      own += masses[i];
    }
    unsigned long long before = sum_before(own);
    if (before < target && before + own >= target) {
      int i = begin;
      for (; before + masses[i] < target; ++i) {
        before += masses[i];
      }
      shared_.found = i;
      shared_.found_before = before;
    }
    __syncthreads();
  }

  // The sum over the threads in front.
  __device__ unsigned long long sum_before(unsigned long long own) {
    const int lane = thread() % kWarpSize;
    unsigned long long sum = own;
    for (int step = 1; step < kWarpSize; step *= 2) {
      const unsigned long long other = __shfl_up_sync(kAllLanes, sum, step);
      sum += lane >= step ? other : 0;
    }
    if (lane == kWarpSize - 1) {
      shared_.draw.integers[thread() / kWarpSize] = static_cast<int64_t>(sum);
    }
    __syncthreads();
    unsigned long long before = sum - own;
    for (int w = 0; w < thread() / kWarpSize; ++w) {
      before += static_cast<unsigned long long>(shared_.draw.integers[w]);
    }
    return before;
  }

  __device__ void list_step(int step) {
    if (thread() == 0) {
      shared_.num_listed = 0;
    }
    __syncthreads();
    for (int id = thread(); id < p_.vocabulary; id += kDrawThreads) {
      if (kept_.has(values_[id], id) && step_of(values_[id]) == step) {
        ids_[atomicAdd(&shared_.num_listed, 1)] = id;
      }
    }
    __syncthreads();
  }

  // Finds the threshold's value digit by digit, the highest first, and then its id.
  template <class Mass>
  __device__ void keep_front_of_list(unsigned long long target, const Mass& mass) {
    uint64_t prefix = 0;
    for (int shift = 56; shift >= 0; shift -= 8) {
      target -= narrow(target, shift, prefix, mass);
    }
    // What is left is one value. Its ids have equal masses, and the lowest are in front.
    const unsigned long long each = mass(value_of(prefix));
    int64_t wanted = each > 0 ? static_cast<int64_t>((target + each - 1) / each) : 1;
    wanted = wanted > 0 ? wanted : 1;
    kept_ = {prefix, id_of_rank(prefix, wanted)};
  }

  // Adds to `prefix` the digit in which the front ends; gives the mass in front of it.
  template <class Mass>
  __device__ unsigned long long narrow(unsigned long long target,
                                       int shift,
                                       uint64_t& prefix,
                                       const Mass& mass) {
    for (int i = thread(); i < kDigits; i += kDrawThreads) {
      shared_.digits[i] = 0;
    }
    __syncthreads();
    const uint64_t above = shift == 56 ? 0 : ~uint64_t{0} << (shift + 8);
    for (int i = thread(); i < shared_.num_listed; i += kDrawThreads) {
      const uint64_t key = ordered_bits(values_[ids_[i]]);
      if ((key & above) == prefix) {
        const auto digit = static_cast<int>((key >> shift) & 0xFFU);
        atomicAdd(&shared_.digits[kDigits - 1 - digit], mass(values_[ids_[i]]));  // falling
      }
    }
    __syncthreads();
    find(shared_.digits, kDigits, target);
    const unsigned long long before = shared_.found_before;
    prefix |= static_cast<uint64_t>(kDigits - 1 - shared_.found) << shift;
    __syncthreads();
    return before;
  }

  __device__ static double value_of(uint64_t key) {
    const uint64_t bits = (key >> 63) != 0 ? key & 0x7FFFFFFFFFFFFFFFU : ~key;
    return __longlong_as_double(static_cast<long long>(bits));
  }

  // The `rank`-th smallest id, from 1, of those listed with this key; the last if there are fewer.
  __device__ int32_t id_of_rank(uint64_t key, int64_t rank) {
    int32_t prefix = 0;
    for (int bit = 31 - __clz(p_.vocabulary); bit >= 0; --bit) {
      const int32_t middle = prefix | (1 << bit);
      int64_t below = 0;
      for (int i = thread(); i < shared_.num_listed; i += kDrawThreads) {
        below += ordered_bits(values_[ids_[i]]) == key && ids_[i] < middle ? 1 : 0;
      }
      if (block_sum(below, shared_.draw) < rank) {
        prefix = middle;
      }
    }
    return prefix;
  }

  __device__ void write_law() const {
    if (p_.probabilities == nullptr) {
      return;
    }
    float* law = p_.probabilities + int64_t{choice_} * p_.vocabulary;
    double own = 0.0;
    for (int id = thread(); id < p_.vocabulary; id += kDrawThreads) {
      own += is_left(id) ? weight(values_[id]) : 0.0;
    }
    const double total = block_sum(own, shared_.draw);
    for (int id = thread(); id < p_.vocabulary; id += kDrawThreads) {
      law[id] = is_left(id) ? static_cast<float>(weight(values_[id]) / total) : 0.0F;
    }
  }

  // A thread takes four ids at once, which share the words of one call of the generator.
  __device__ int32_t draw() const {
    TokenNoise noise(p_.seed[slot_], p_.indices[choice_], RngPurpose::kToken);
    Candidate best = {0.0, -1};
    for (int first = 4 * thread(); first < p_.vocabulary; first += 4 * kDrawThreads) {
      for (int id = first; id < first + 4 && id < p_.vocabulary; ++id) {
        const double value = values_[id];
        if (!is_left(id) || (best.id >= 0 && value + TokenNoise::kLargestGumbel < best.value)) {
          continue;
        }
        best = better(best, {value + gumbel(noise, id), id});
      }
    }
    return block_best(best, shared_.draw).id;
  }

  __device__ static int thread() { return static_cast<int>(threadIdx.x); }

  const ChooseParams& p_;
  ChooseShared& shared_;
  int choice_;
  int slot_;
  int num_words_;
  double* values_;  // [V] the logits, processed so far
  int32_t* ids_;    // [V] a list
  uint32_t* bits_;  // [W] permitted ids
  int64_t num_left_ = 0;
  double largest_ = 0.0;     // of the values
  double min_weight_ = 0.0;  // of min_p
  Kept kept_ = {};
};

__global__ void __launch_bounds__(kDrawThreads) choose_kernel(const ChooseParams p) {
  await_previous();
  __shared__ ChooseShared shared;
  uint8_t* scratch = p.scratch + blockIdx.x * p.scratch_bytes;
  for (int c = static_cast<int>(blockIdx.x); c < p.num_choices; c += static_cast<int>(gridDim.x)) {
    int32_t choice = -1;
    if (p.slots[c] >= 0) {
      choice = p.is_argmax(c) ? order_key_id(p.keys[c]) : RowChoice(p, c, scratch, shared).run();
    }
    if (threadIdx.x == 0) {
      p.choices[c] = choice;
    }
    __syncthreads();
  }
}

void fill_rows(ChooseParams& p, const ChoiceRows& rows) {
  p.slots = rows.slots.as<int32_t>();
  p.logit_rows = rows.logit_rows.as<int32_t>();
  p.indices = rows.indices.as<int32_t>();
  p.num_before = rows.num_before.as<int32_t>();
  p.token_rows = rows.token_rows.as<int32_t>();
  p.tokens = rows.tokens.as<int32_t>();
  p.mask_rows = pointer_or_null<int32_t>(rows.mask_rows);
  p.row_masks = pointer_or_null<int32_t>(rows.masks);
  p.num_choices = static_cast<int>(rows.slots.size(0));
}

void fill_slots(ChooseParams& p, const SlotSampling& slots) {
  p.flags = slots.flags.as<int32_t>();
  p.seed = slots.seed.as<int64_t>();
  p.temperature = slots.temperature.as<float>();
  p.top_k = slots.top_k.as<int32_t>();
  p.top_p = slots.top_p.as<float>();
  p.min_p = slots.min_p.as<float>();
  p.repetition = slots.repetition.as<float>();
  p.presence = slots.presence.as<float>();
  p.frequency = slots.frequency.as<float>();
  p.min_end_index = slots.min_end_index.as<int32_t>();
  p.end_ids = slots.end_ids.as<int32_t>();
  p.slot_masks = slots.masks.as<int32_t>();
  p.bias_ids = slots.bias_ids.as<int32_t>();
  p.bias_values = slots.bias_values.as<float>();
  p.counts = slots.counts.as<int32_t>();
  p.num_ends = static_cast<int>(slots.end_ids.size(1));
  p.num_biases = static_cast<int>(slots.bias_ids.size(1));
}

}  // namespace

void choose(CudaContext& context, const ChooseArgs& args) {
  ChooseParams p = {};
  p.choices = args.choices.as<int32_t>();
  p.probabilities = args.probabilities.empty() ? nullptr : args.probabilities.as<float>();
  p.logits = args.logits.as<float>();
  p.allowed = args.allowed.as<uint8_t>();
  p.keys = reinterpret_cast<unsigned long long*>(args.keys.as<uint64_t>());
  p.scratch = args.scratch.as<uint8_t>();
  p.logits_stride = args.logits.stride(0);
  p.scratch_bytes = args.scratch.size(1);
  p.vocabulary = static_cast<int>(args.logits.size(1));
  fill_rows(p, args.rows);
  fill_slots(p, args.slots);
  if (p.num_choices == 0) {
    return;
  }
  talon::cuda::queue_zero(context, p.keys, int64_t{8} * p.num_choices);
  launch({.grid = dim3(grid_size(p.vocabulary, kArgmaxPart), static_cast<unsigned>(p.num_choices)),
          .block = dim3(kArgmaxThreads),
          .stream = context.stream_handle(),
          .dependent = true},
         greedy_kernel, p);
  const int64_t side_by_side = std::min<int64_t>(p.num_choices, args.scratch.size(0));
  launch({.grid = dim3(static_cast<unsigned>(side_by_side)),
          .block = dim3(kDrawThreads),
          .stream = context.stream_handle(),
          .dependent = true},
         choose_kernel, p);
}

}  // namespace talon::ops::cuda
