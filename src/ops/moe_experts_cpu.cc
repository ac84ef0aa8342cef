// Two parallel regions, one a product. The first has an item for each expert with rows and each
// group of its columns, and ends with the activation; the second has an item for each group of
// output columns, which visits all experts and ends with the weighted sum. Rows are grouped by
// expert, so an item reads its weights once for all of them.
#include "ops/moe_experts_cpu.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <span>

#include "base/checked_int.h"
#include "core/arena.h"
#include "core/cpu_context.h"
#include "core/cpu_path.h"
#include "core/dtype.h"
#include "core/shape.h"
#include "core/tensor_view.h"
#include "ops/gated_activation.h"
#include "ops/moe_experts.h"
#include "ops/pack.h"
#include "ops/row_kernels.h"
#include "ops/tile_product.h"

namespace talon::ops::cpu {
namespace {

constexpr int64_t kGroupColumns = kTileGroup * kTileOutputs;
// A parallel region costs one to two microseconds, the time of about this many multiply-adds.
constexpr int64_t kMinWork = int64_t{64} * 1024;

// An expert that has rows: `rows` consecutive ones of the grouped arrays from `first` on.
struct ActiveExpert {
  const Expert* expert;
  int64_t first;
  int64_t rows;
  int64_t width;
  const std::byte* x;  // its first row
  int64_t x_stride;
  float* gate_up;         // rows x 2 width, one column group after the other: [rows, gate | up]
  std::byte* activation;  // [rows, width]
  int64_t first_item;     // of the first region
  int64_t item_columns;   // of its items, but the last may have fewer
};

// What both regions read.
struct Job {
  CpuContext& context;
  const MoeExpertsArgs& args;
  TileProductKernel kernel;
  DType dtype;
  int64_t rows;
  int64_t hidden;
  int64_t per_token;
  int64_t num_pairs = 0;
  int64_t num_grouped = 0;              // pairs, then the rows of the shared expert
  std::span<int32_t> place = {};        // [T * M]: the grouped row of a pair, or -1
  std::span<int32_t> row_of = {};       // [T * M]: the row of x that a grouped row is
  float* outputs = nullptr;             // [column groups][grouped rows][kGroupColumns]
  int64_t num_items = 0;                // of the first region
  int64_t work = 0;                     // multiply-adds of the second product
  std::span<ActiveExpert> active = {};  // in order of first_item
};

using ActiveList = std::array<ActiveExpert, kMaxExperts + 1>;

// Sorts the (row, m) pairs by expert, and by row and m within one.
void group_pairs(Job& job, ActiveList& list) {
  const int32_t* ids = job.args.expert_ids.as<int32_t>();
  const int64_t num_ids = job.rows * job.per_token;
  std::array<int32_t, kMaxExperts> next{};
  for (int64_t i = 0; i < num_ids; ++i) {
    if (ids[i] >= 0) {
      ++next[static_cast<size_t>(ids[i])];
    }
  }
  size_t num_active = 0;
  for (size_t e = 0; e < job.args.experts.size(); ++e) {
    const int32_t count = next[e];
    next[e] = static_cast<int32_t>(job.num_pairs);
    if (count > 0) {
      list[num_active] = {};
      list[num_active].expert = &job.args.experts[e];
      list[num_active].first = job.num_pairs;
      list[num_active].rows = count;
      ++num_active;
    }
    job.num_pairs += count;
  }
  for (int64_t i = 0; i < num_ids; ++i) {
    int32_t& place = job.place[static_cast<size_t>(i)];
    place = ids[i] < 0 ? -1 : next[static_cast<size_t>(ids[i])]++;
    if (place >= 0) {
      job.row_of[static_cast<size_t>(place)] = static_cast<int32_t>(i / job.per_token);
    }
  }
  job.num_grouped = job.num_pairs;
  if (job.args.shared != nullptr) {
    list[num_active] = {};
    list[num_active].expert = job.args.shared;
    list[num_active].first = job.num_pairs;
    list[num_active].rows = job.rows;
    ++num_active;
    job.num_grouped += job.rows;
  }
  job.active = {list.data(), num_active};
}

// Copies the rows of x to their places, so that a kernel sees rows at equal distances.
std::byte* gather_x(const Job& job, Arena& arena) {
  const int64_t size = dtype_bytes(job.dtype);
  const auto row_bytes = static_cast<size_t>(job.hidden * size);
  std::byte* gathered = arena.take(job.dtype, {job.num_pairs, job.hidden}).data();
  for (int64_t i = 0; i < job.num_pairs; ++i) {
    const int64_t row = job.row_of[static_cast<size_t>(i)];
    std::memcpy(gathered + i * job.hidden * size,
                job.args.x.data() + row * job.args.x.stride(0) * size, row_bytes);
  }
  return gathered;
}

// Gives each expert its rows of x, its scratch and its items.
void place_experts(Job& job, Arena& arena) {
  const int64_t size = dtype_bytes(job.dtype);
  int64_t elements = 0;
  for (const ActiveExpert& a : job.active) {
    elements += a.rows * a.expert->down.num_in;
  }
  const std::byte* gathered = gather_x(job, arena);
  float* gate_up = arena.take(DType::kF32, {2 * elements}).as<float>();
  std::byte* activation = arena.take(job.dtype, {elements}).data();
  for (ActiveExpert& a : job.active) {
    const bool is_shared = a.expert == job.args.shared;
    a.width = a.expert->down.num_in;
    a.x = is_shared ? job.args.x.data() : gathered + a.first * job.hidden * size;
    a.x_stride = is_shared ? job.args.x.stride(0) : job.hidden;
    a.gate_up = gate_up;
    a.activation = activation;
    // A group of columns is whole tiles of gate and of up only if the width is.
    a.item_columns = a.width % kTileOutputs == 0 ? kGroupColumns : a.width;
    a.first_item = job.num_items;
    job.num_items += ceil_div(a.width, a.item_columns);
    job.work += a.rows * a.width * job.hidden;
    gate_up += 2 * a.rows * a.width;
    activation += a.rows * a.width * size;
  }
  job.outputs =
      arena.take(DType::kF32, {job.num_grouped, round_up(job.hidden, kGroupColumns)}).as<float>();
}

// The scalar path goes through the op, whose plain loops are the definition; one row of it runs on
// the calling thread.
template <class T>
void activate_row(const Job& job, T* out, const float* gate_up, int64_t columns) {
  const Activation& activation = job.args.activation;
  switch (job.context.path()) {
    case CpuPath::kScalar:
      return gated_activation(job.context,
                              {.out = TensorView(out, Shape{1, columns}),
                               .gate_up = ConstTensorView(gate_up, Shape{1, 2 * columns}),
                               .activation = activation});
    case CpuPath::kAvx2:
      return gated_row<CpuPath::kAvx2, T, float>(out, gate_up, gate_up + columns, columns,
                                                 activation);
    case CpuPath::kAvx512:
    case CpuPath::kAmx:
      return gated_row<CpuPath::kAvx512, T, float>(out, gate_up, gate_up + columns, columns,
                                                   activation);
  }
}

template <class T>
void first_product(const Job& job, int64_t item) {
  const auto after =
      std::upper_bound(job.active.begin(), job.active.end(), item,
                       [](int64_t i, const ActiveExpert& a) { return i < a.first_item; });
  const ActiveExpert& a = *(after - 1);
  const int64_t column = (item - a.first_item) * a.item_columns;
  const int64_t columns = std::min(a.item_columns, a.width - column);
  float* gate_up = a.gate_up + 2 * a.rows * column;

  TileProduct p = tile_product_of(a.expert->gate_up);
  p.x = a.x;
  p.x_stride = a.x_stride;
  p.x_bf16 = job.dtype == DType::kBf16;
  p.out = gate_up;
  p.out_stride = 2 * columns;
  p.num_rows = a.rows;
  if (columns % kTileOutputs == 0) {
    p.num_tiles = columns / kTileOutputs;
    p.first_tile = column / kTileOutputs;
    job.kernel(p);
    p.first_tile = (a.width + column) / kTileOutputs;
    p.out = gate_up + columns;
    job.kernel(p);
  } else {  // the only item of its expert
    p.num_tiles = ceil_div(2 * columns, kTileOutputs);
    job.kernel(p);
  }
  for (int64_t r = 0; r < a.rows; ++r) {
    T* out = reinterpret_cast<T*>(a.activation) + r * a.width + column;
    activate_row<T>(job, out, gate_up + r * 2 * columns, columns);
  }
}

using Sums = std::array<float, kGroupColumns>;

void add_weighted(Sums& sums, float weight, const float* from) {
  for (size_t c = 0; c < kGroupColumns; ++c) {
    sums[c] += weight * from[c];
  }
}

// out[t] = sum over m in order, the shared expert last, for one group of columns. The sum runs over
// whole groups, since the lanes past the last column are scratch.
template <class T>
void weigh_columns(const Job& job, const float* outputs, int64_t column) {
  const int64_t count = std::min(kGroupColumns, job.hidden - column);
  const float* weights = job.args.weights.as<float>();
  for (int64_t t = 0; t < job.rows; ++t) {
    Sums sums{};
    for (int64_t i = t * job.per_token; i < (t + 1) * job.per_token; ++i) {
      const int32_t place = job.place[static_cast<size_t>(i)];
      if (place >= 0) {
        add_weighted(sums, weights[i], outputs + place * kGroupColumns);
      }
    }
    if (job.args.shared != nullptr) {
      add_weighted(sums, 1.0F, outputs + (job.num_pairs + t) * kGroupColumns);
    }
    T* out = job.args.out.row<T>(t) + column;
    for (int64_t c = 0; c < count; ++c) {
      out[c] = from_float<T>(sums[static_cast<size_t>(c)]);
    }
  }
}

template <class T>
void second_product(const Job& job, int64_t group) {
  const int64_t column = group * kGroupColumns;
  const int64_t count = std::min(kGroupColumns, job.hidden - column);
  float* outputs = job.outputs + group * job.num_grouped * kGroupColumns;
  for (const ActiveExpert& a : job.active) {
    TileProduct p = tile_product_of(a.expert->down);
    p.x = a.activation;
    p.x_stride = a.width;
    p.x_bf16 = job.dtype == DType::kBf16;
    p.out = outputs + a.first * kGroupColumns;
    p.out_stride = kGroupColumns;
    p.num_rows = a.rows;
    p.first_tile = column / kTileOutputs;
    p.num_tiles = ceil_div(count, kTileOutputs);
    job.kernel(p);
  }
  weigh_columns<T>(job, outputs, column);
}

template <class Body>
void parallel(const Job& job, int64_t num_items, int64_t work, const Body& body) {
  const int64_t item_work = std::max<int64_t>(1, work / std::max<int64_t>(1, num_items));
  const int64_t grain = std::max<int64_t>(1, kMinWork / item_work);
  job.context.pool().parallel_for(num_items, grain, [&body](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      body(i);
    }
  });
}

}  // namespace

void moe_experts(CpuContext& context, Arena& arena, const MoeExpertsArgs& args) {
  Job job = {.context = context,
             .args = args,
             .kernel = tile_product_kernel(context.path()),
             .dtype = args.x.dtype(),
             .rows = args.x.size(0),
             .hidden = args.x.size(1),
             .per_token = args.expert_ids.size(1)};
  const auto num_ids = static_cast<size_t>(job.rows * job.per_token);
  job.place = {arena.take(DType::kI32, {job.rows, job.per_token}).as<int32_t>(), num_ids};
  job.row_of = {arena.take(DType::kI32, {job.rows, job.per_token}).as<int32_t>(), num_ids};
  ActiveList list;
  group_pairs(job, list);
  place_experts(job, arena);
  dispatch_float(job.dtype, [&]<class T>() {
    parallel(job, job.num_items, 2 * job.work, [&](int64_t item) { first_product<T>(job, item); });
    parallel(job, ceil_div(job.hidden, kGroupColumns), job.work,
             [&](int64_t group) { second_product<T>(job, group); });
  });
}

}  // namespace talon::ops::cpu
