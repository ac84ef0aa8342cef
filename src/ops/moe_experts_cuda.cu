// Four kernels, none of which the host tells how many rows an expert has: `group` sorts the (row,
// m) pairs by expert and lists items of up to 8 or 32 rows of one expert, the shared expert's rows
// among them; `gate_up` runs a block for each item and 16 outputs of both, `down` a warp for each
// item and 16 outputs, with a grid for the most items there can be; `combine` adds up each row's
// experts in listed order.
//
// At decode the bytes are those of the distinct experts' weights, each read once if it has no more
// than 8 rows, which is the rule up to some 256 rows of M3 (perf: 28.7 distinct of 128 at 8 rows).
// Between the kernels go pairs * W activations and pairs * C float32 sums.
#include "ops/moe_experts.h"

#include <algorithm>
#include <type_traits>

#include "base/check.h"
#include "ops/cuda_kernel.cuh"
#include "ops/gated_activation_cuda.cuh"
#include "ops/weight_tile.cuh"

namespace talon::ops::cuda {
namespace {

constexpr int kGroupThreads = 1024;
constexpr int kMaxExperts = 1024;
static_assert(kCudaMoeListInts >= 2 * kMaxExperts + 2 * kWarpSize);

// Up to kRows rows of one expert: grouped rows from `first` on. An expert of -1 is the shared one.
struct Item {
  int32_t expert;
  int32_t first;
  int32_t count;
  int32_t row;  // of the shared expert: its first row of x
};

struct GroupParams {
  const int32_t* ids;  // [T * M]
  int32_t* place;      // [T * M]: the grouped row of a pair, or -1
  int32_t* row_of;     // [T * M]: the row of x that a grouped row is
  Item* items;
  int32_t* num_items;
  int num_pairs;  // T * M
  int per_token;
  int num_rows;
  int num_experts;
  int rows_per_item;
  bool has_shared;
};

// The sum of `value` over the threads in front, by one warp after the other; `total` is for all.
__device__ int exclusive_sum(int value, int* shared, int& total) {
  const int lane = static_cast<int>(threadIdx.x % kWarpSize);
  const int warp = static_cast<int>(threadIdx.x / kWarpSize);
  int sum = value;
  for (int step = 1; step < kWarpSize; step *= 2) {
    const int other = __shfl_up_sync(kAllLanes, sum, step);
    sum += lane >= step ? other : 0;
  }
  __syncthreads();
  if (lane == kWarpSize - 1) {
    shared[warp] = sum;
  }
  __syncthreads();
  int before = 0;
  total = 0;
  for (int w = 0; w < kGroupThreads / kWarpSize; ++w) {
    before += w < warp ? shared[w] : 0;
    total += shared[w];
  }
  return before + sum - value;
}

// One block. Which of an expert's places a pair gets depends on timing, and no result on the place.
__global__ void __launch_bounds__(kGroupThreads) group_kernel(const GroupParams p) {
  await_previous();
  __shared__ int counts[kMaxExperts];
  __shared__ int firsts[kMaxExperts];
  __shared__ int warp_sums[kGroupThreads / kWarpSize];
  const int thread = static_cast<int>(threadIdx.x);
  counts[thread] = 0;
  __syncthreads();
  for (int i = thread; i < p.num_pairs; i += kGroupThreads) {
    const int expert = p.ids[i];
    const bool exists = expert >= 0 && expert < p.num_experts;
    p.place[i] = exists ? atomicAdd(&counts[expert], 1) : -1;
  }
  __syncthreads();
  const int count = counts[thread];
  int num_grouped = 0;
  const int first = exclusive_sum(count, warp_sums, num_grouped);
  firsts[thread] = first;
  const int own_items = (count + p.rows_per_item - 1) / p.rows_per_item;
  int num_items = 0;
  const int first_item = exclusive_sum(own_items, warp_sums, num_items);
  for (int i = 0; i < own_items; ++i) {
    const int begin = i * p.rows_per_item;
    p.items[first_item + i] = {thread, first + begin, min(p.rows_per_item, count - begin), 0};
  }
  const int shared_items = p.has_shared ? (p.num_rows + p.rows_per_item - 1) / p.rows_per_item : 0;
  for (int i = thread; i < shared_items; i += kGroupThreads) {
    const int begin = i * p.rows_per_item;
    p.items[num_items + i] = {-1, p.num_pairs + begin, min(p.rows_per_item, p.num_rows - begin),
                              begin};
  }
  if (thread == 0) {
    *p.num_items = num_items + shared_items;
  }
  __syncthreads();
  for (int i = thread; i < p.num_pairs; i += kGroupThreads) {
    if (p.place[i] >= 0) {
      p.place[i] += firsts[p.ids[i]];
      p.row_of[p.place[i]] = i / p.per_token;
    }
  }
}

// One product of all items. `routed` stands for all experts, `shared` for the shared one.
template <class T>
struct ProductParams {
  WeightRows routed;
  WeightRows shared;
  const Item* items;
  const int32_t* num_items;
  const int32_t* row_of;  // [pairs]
  const T* x;             // [T, C]
  T* activation;          // [pairs, W] and, for the shared expert, [T, W_s] behind it
  float* sums;            // [pairs + T, C]
  int64_t x_stride;
  int64_t shared_activation;  // where the shared expert's rows begin
  int num_pairs;
  Activation gate;
};

template <class T>
__device__ T* activation_row(const ProductParams<T>& p, const Item& item, int row) {
  if (item.expert >= 0) {
    return p.activation + int64_t{item.first + row} * (p.routed.num_out / 2);
  }
  return p.activation + p.shared_activation +
         int64_t{item.first + row - p.num_pairs} * (p.shared.num_out / 2);
}

// routed and shared are gate_up [2 W, C].
template <TileFormat kFormat, class T, int kTiles, bool kWhole>
__global__ void __launch_bounds__(kTileThreads,
                                  kTiles == 1 && kFormat == TileFormat::kMxfp4 ? 3 : 1)
    gate_up_kernel(const ProductParams<T> p) {
  await_previous();
  __shared__ TileShared<kTiles> gate_shared;
  __shared__ TileShared<kTiles> up_shared;
  if (static_cast<int>(blockIdx.y) >= *p.num_items) {
    return;
  }
  const Item item = p.items[blockIdx.y];
  const WeightRows& w = item.expert >= 0 ? p.routed : p.shared;
  const int width = w.num_out / 2;
  const int first_output = static_cast<int>(blockIdx.x) * kTileOutputRows;
  if (first_output >= width) {
    return;
  }
  TileRows<T, kTiles, kWhole> rows;
#pragma unroll
  for (int n = 0; n < kTiles; ++n) {
    int row = 8 * n + static_cast<int>(threadIdx.x % kWarpSize / 4);
    const bool exists = row < item.count;
    row = exists ? row : 0;
    const int from = item.expert >= 0 ? p.row_of[item.first + row] : item.row + row;
    rows.at[n] = exists || kWhole ? p.x + from * p.x_stride : nullptr;
  }
  const int64_t matrix = item.expert >= 0 ? item.expert : 0;
  TileSums<kTiles> sums[2] = {};
  const LaneWeights lanes[2] = {lane_weights(w, first_output, matrix),
                                lane_weights(w, width + first_output, matrix)};
  add_part<kFormat, T>(sums, lanes, rows);
  gate_shared.store(sums[0]);
  up_shared.store(sums[1]);
  __syncthreads();
  for (int i = static_cast<int>(threadIdx.x); i < 8 * kTiles * kTileOutputRows; i += kTileThreads) {
    const int row = i / kTileOutputRows;
    const int output = i % kTileOutputRows;
    if (row < item.count && first_output + output < width) {
      activation_row(p, item, row)[first_output + output] = rounded<T>(
          activate(gate_shared.total(row, output), up_shared.total(row, output), p.gate));
    }
  }
}

// routed and shared are down [C, W]. A rank's rows are short: a warp takes 16 outputs whole,
// because cutting them over a block's warps leaves each a chunk and everyone waiting for the sums.
template <TileFormat kFormat, class T, int kTiles, bool kWhole>
__global__ void __launch_bounds__(kTileThreads, kTiles == 1 ? 3 : 1)
    down_kernel(const ProductParams<T> p) {
  await_previous();
  if (static_cast<int>(blockIdx.y) >= *p.num_items) {
    return;
  }
  const Item item = p.items[blockIdx.y];
  const WeightRows& w = item.expert >= 0 ? p.routed : p.shared;
  const int lane = static_cast<int>(threadIdx.x % kWarpSize);
  const int warp = static_cast<int>(threadIdx.x / kWarpSize);
  const int first_output = (static_cast<int>(blockIdx.x) * kTileWarps + warp) * kTileOutputRows;
  if (first_output >= w.num_out) {
    return;
  }
  const T* activation = item.expert >= 0 ? p.activation + int64_t{item.first} * w.num_in
                                         : p.activation + p.shared_activation +
                                               int64_t{item.first - p.num_pairs} * w.num_in;
  TileRows<T, kTiles, kWhole> rows;
#pragma unroll
  for (int n = 0; n < kTiles; ++n) {
    const int row = 8 * n + lane / 4;
    const bool exists = row < item.count;
    rows.at[n] = exists || kWhole ? activation + int64_t{exists ? row : 0} * w.num_in : nullptr;
  }
  TileSums<kTiles> sums = {};
  add_all_parts<kFormat, T>(sums, lane_weights(w, first_output, item.expert >= 0 ? item.expert : 0),
                            rows);
#pragma unroll
  for (int n = 0; n < kTiles; ++n) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int row = 8 * n + 2 * (lane % 4) + i % 2;
      const int output = first_output + lane / 4 + i / 2 * 8;
      if (row < item.count && output < w.num_out) {
        p.sums[int64_t{item.first + row} * w.num_out + output] = sums[n][i];
      }
    }
  }
}

constexpr int kCombineThreads = 256;

template <class T>
struct CombineParams {
  T* out;                // [T, C]
  const float* sums;     // [pairs + T, C]
  const int32_t* place;  // [T, M]
  const float* weights;  // [T, M]
  int64_t out_stride;
  int64_t hidden;
  int num_pairs;
  int per_token;
  bool has_shared;
};

template <class T>
__global__ void __launch_bounds__(kCombineThreads) combine_kernel(const CombineParams<T> p) {
  await_previous();
  const int64_t t = blockIdx.y;
  const int64_t c = int64_t{blockIdx.x} * kCombineThreads + threadIdx.x;
  if (c >= p.hidden) {
    return;
  }
  float sum = 0.0F;
  for (int m = 0; m < p.per_token; ++m) {
    const int64_t place = p.place[t * p.per_token + m];
    if (place >= 0) {
      sum += p.weights[t * p.per_token + m] * p.sums[place * p.hidden + c];
    }
  }
  if (p.has_shared) {
    sum += p.sums[(p.num_pairs + t) * p.hidden + c];
  }
  p.out[t * p.out_stride + c] = rounded<T>(sum);
}

// The matrices of all experts as one, after checking that they stand at equal distances.
WeightRows all_of(const MoeExpertsArgs& args, Weight Expert::* which) {
  const Weight& first = args.experts[0].*which;
  WeightRows rows = weight_rows_of(first);
  if (args.experts.size() < 2) {
    return rows;
  }
  const Weight& second = args.experts[1].*which;
  rows.value_distance = second.values.data() - first.values.data();
  rows.scale_distance = second.scales.data() - first.scales.data();
  for (size_t e = 0; e < args.experts.size(); ++e) {
    const Weight& weight = args.experts[e].*which;
    const auto index = static_cast<int64_t>(e);
    TALON_CHECK(weight.format == first.format &&
                    weight.values.data() == first.values.data() + index * rows.value_distance &&
                    weight.scales.data() == first.scales.data() + index * rows.scale_distance,
                "moe_experts: the experts' arrays are not at equal distances");
  }
  return rows;
}

template <class T>
struct Job {
  const CudaContext& context;
  const MoeExpertsArgs& args;
  int64_t max_items;
  ProductParams<T> product;
};

template <TileFormat kFormat, class T, int kTiles, bool kWhole>
void run_gate_up(const Job<T>& job) {
  const int width = std::max(job.product.routed.num_out, job.product.shared.num_out) / 2;
  launch({.grid = dim3(grid_size(width, kTileOutputRows), static_cast<unsigned>(job.max_items)),
          .block = dim3(kTileThreads),
          .stream = job.context.stream_handle(),
          .dependent = true},
         gate_up_kernel<kFormat, T, kTiles, kWhole>, job.product);
}

template <TileFormat kFormat, class T, int kTiles, bool kWhole>
void run_down(const Job<T>& job) {
  launch({.grid = dim3(grid_size(job.args.x.size(1), kTileWarps * kTileOutputRows),
                       static_cast<unsigned>(job.max_items)),
          .block = dim3(kTileThreads),
          .stream = job.context.stream_handle(),
          .dependent = true},
         down_kernel<kFormat, T, kTiles, kWhole>, job.product);
}

// Whether both products' rows are as TileRows wants them; activations follow each other in memory.
bool is_whole(const MoeExpertsArgs& args) {
  const auto fits = [](const Expert& expert) {
    return expert.gate_up.num_in % kCudaRowInputs == 0 && expert.down.num_in % kCudaRowInputs == 0;
  };
  return reinterpret_cast<uintptr_t>(args.x.data()) % 16 == 0 &&
         args.x.stride(0) % kVector<bf16> == 0 && (args.experts.empty() || fits(args.experts[0])) &&
         (args.shared == nullptr || fits(*args.shared));
}

// Both products, gate_up with `product` as it is and down with its weights.
template <class T>
void run_products(Job<T>& job, int rows_per_item) {
  const MoeExpertsArgs& args = job.args;
  const Expert& first =
      args.shared != nullptr && args.experts.empty() ? *args.shared : args.experts[0];
  TALON_CHECK(args.shared == nullptr || (args.shared->gate_up.format == first.gate_up.format &&
                                         args.shared->down.format == first.down.format),
              "moe_experts: on CUDA the shared expert has the format of the others");
  const bool few = rows_per_item == 8;
  const bool whole = is_whole(args);
  dispatch_tile_format(first.gate_up.format, [&]<TileFormat kFormat>() {
    if constexpr (std::is_same_v<T, bf16>) {
      if (whole) {
        return few ? run_gate_up<kFormat, T, 1, true>(job) : run_gate_up<kFormat, T, 4, true>(job);
      }
    }
    run_gate_up<kFormat, T, 4, false>(job);
  });
  job.product.routed = args.experts.empty() ? WeightRows{} : all_of(args, &Expert::down);
  job.product.shared = args.shared != nullptr ? weight_rows_of(args.shared->down) : WeightRows{};
  dispatch_tile_format(first.down.format, [&]<TileFormat kFormat>() {
    if constexpr (std::is_same_v<T, bf16>) {
      if (whole) {
        return few ? run_down<kFormat, T, 1, true>(job) : run_down<kFormat, T, 4, true>(job);
      }
    }
    run_down<kFormat, T, 4, false>(job);
  });
}

// The arrays between the kernels, in the arena.
struct Scratch {
  TensorView place;
  TensorView row_of;
  TensorView activation;
  TensorView sums;
  Item* items;
  int32_t* num_items;
  int64_t max_items;
  int64_t num_pairs;
  int64_t shared_activation;
  int rows_per_item;
};

template <class T>
Scratch take_scratch(Arena& arena, const MoeExpertsArgs& args) {
  const int64_t num_rows = args.x.size(0);
  const int64_t per_token = args.expert_ids.size(1);
  const auto num_experts = static_cast<int64_t>(args.experts.size());
  Scratch s;
  s.num_pairs = num_rows * per_token;
  // What is not whole bf16 has kernels for 32 rows only; it is not the path of decoding.
  s.rows_per_item =
      std::is_same_v<T, bf16> && is_whole(args) && s.num_pairs <= 4 * num_experts ? 8 : 32;
  s.max_items =
      std::min(s.num_pairs, std::min(num_experts, s.num_pairs) + s.num_pairs / s.rows_per_item);
  s.max_items += args.shared != nullptr ? ceil_div(num_rows, s.rows_per_item) : 0;
  const int64_t width = num_experts > 0 ? args.experts[0].down.num_in : 0;
  const int64_t shared_width = args.shared != nullptr ? args.shared->down.num_in : 0;
  s.shared_activation = s.num_pairs * width;

  s.place = arena.take(DType::kI32, {num_rows, per_token});
  s.row_of = arena.take(DType::kI32, {num_rows, per_token});
  const TensorView items = arena.take(DType::kI32, {s.max_items + 1, 4});
  s.activation = arena.take(args.x.dtype(), {s.shared_activation + num_rows * shared_width});
  s.sums = arena.take(DType::kF32, {s.num_pairs + num_rows, args.x.size(1)});
  s.items = reinterpret_cast<Item*>(items.data());
  s.num_items = reinterpret_cast<int32_t*>(s.items + s.max_items);
  return s;
}

void group(const CudaContext& context, const MoeExpertsArgs& args, const Scratch& s) {
  launch({.block = dim3(kGroupThreads), .stream = context.stream_handle(), .dependent = true},
         group_kernel,
         {.ids = args.expert_ids.as<int32_t>(),
          .place = s.place.as<int32_t>(),
          .row_of = s.row_of.as<int32_t>(),
          .items = s.items,
          .num_items = s.num_items,
          .num_pairs = static_cast<int>(s.num_pairs),
          .per_token = static_cast<int>(args.expert_ids.size(1)),
          .num_rows = static_cast<int>(args.x.size(0)),
          .num_experts = static_cast<int>(args.experts.size()),
          .rows_per_item = s.rows_per_item,
          .has_shared = args.shared != nullptr});
}

template <class T>
void combine(const CudaContext& context, const MoeExpertsArgs& args, const Scratch& s) {
  const int64_t hidden = args.x.size(1);
  launch({.grid = dim3(grid_size(hidden, kCombineThreads), static_cast<unsigned>(args.x.size(0))),
          .block = dim3(kCombineThreads),
          .stream = context.stream_handle(),
          .dependent = true},
         combine_kernel<T>,
         {.out = args.out.as<T>(),
          .sums = s.sums.as<float>(),
          .place = s.place.as<int32_t>(),
          .weights = args.weights.as<float>(),
          .out_stride = args.out.stride(0),
          .hidden = hidden,
          .num_pairs = static_cast<int>(s.num_pairs),
          .per_token = static_cast<int>(args.expert_ids.size(1)),
          .has_shared = args.shared != nullptr});
}

template <class T>
void run(const CudaContext& context, Arena& arena, const MoeExpertsArgs& args) {
  const Scratch s = take_scratch<T>(arena, args);
  group(context, args, s);
  Job<T> job = {.context = context,
                .args = args,
                .max_items = s.max_items,
                .product = {.routed = {},
                            .shared = {},
                            .items = s.items,
                            .num_items = s.num_items,
                            .row_of = s.row_of.as<int32_t>(),
                            .x = args.x.as<T>(),
                            .activation = s.activation.as<T>(),
                            .sums = s.sums.as<float>(),
                            .x_stride = args.x.stride(0),
                            .shared_activation = s.shared_activation,
                            .num_pairs = static_cast<int>(s.num_pairs),
                            .gate = args.activation}};
  if (!args.experts.empty()) {
    job.product.routed = all_of(args, &Expert::gate_up);
  }
  if (args.shared != nullptr) {
    job.product.shared = weight_rows_of(args.shared->gate_up);
  }
  if (!args.experts.empty() || args.shared != nullptr) {
    run_products(job, s.rows_per_item);
  }
  combine<T>(context, args, s);
}

}  // namespace

void moe_experts(CudaContext& context, Arena& arena, const MoeExpertsArgs& args) {
  dispatch_float(args.x.dtype(), [&]<class T>() { run<T>(context, arena, args); });
}

}  // namespace talon::ops::cuda
