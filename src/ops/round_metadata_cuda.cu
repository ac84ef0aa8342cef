// A thread a row; integers only. A row of a sequence that does not exist is an error of the program
// that a kernel can not report: it is written to the null page.
#include "ops/round_metadata.h"

#include "base/ids.h"
#include "ops/cuda_kernel.cuh"

namespace talon::ops::cuda {
namespace {

constexpr int kThreads = 128;

struct PageTable {
  const int32_t* pages;  // [B, P]
  int64_t stride;
  int num_sequences;
  int num_pages;
  int limit;
};

// The slot of a position that exists; the null page's if it does not or has no page.
__device__ int64_t slot_of(const PageTable& table, int sequence, int position) {
  const int offset = (position < 0 ? 0 : position) % kPageTokens;
  if (position < 0 || position >= table.limit || position / kPageTokens >= table.num_pages ||
      sequence < 0 || sequence >= table.num_sequences) {
    return offset;
  }
  return int64_t{table.pages[sequence * table.stride + position / kPageTokens]} * kPageTokens +
         offset;
}

struct SlotParams {
  int64_t* slots;               // [T]
  const int32_t* positions;     // [T]
  const int32_t* row_sequence;  // [T]
  PageTable table;
  int num_rows;
};

__global__ void __launch_bounds__(kThreads) slot_kernel(const SlotParams p) {
  await_previous();
  const int t = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
  if (t < p.num_rows) {
    const int position = p.positions[t];
    p.slots[t] = position < 0 ? 0 : slot_of(p.table, p.row_sequence[t], position);
  }
}

struct StepParams {
  int32_t* positions;     // [B]
  int64_t* slots;         // [B]
  const int32_t* kv_len;  // [B]
  const int32_t* active;  // [B]
  PageTable table;
  int step;
};

__global__ void __launch_bounds__(kThreads) step_kernel(const StepParams p) {
  await_previous();
  const int b = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
  if (b < p.table.num_sequences) {
    // In 64 bits: an inactive slot's length may be anything.
    const int64_t wanted = int64_t{p.kv_len[b]} + p.step - 1;
    const bool exists = p.active[b] != 0 && wanted >= 0 && wanted < p.table.limit;
    const int position = exists ? static_cast<int>(wanted) : -1;
    p.positions[b] = position;
    p.slots[b] = slot_of(p.table, b, position);
  }
}

PageTable table_of(const ConstTensorView& view, int32_t limit) {
  return {.pages = view.as<int32_t>(),
          .stride = view.stride(0),
          .num_sequences = static_cast<int>(view.size(0)),
          .num_pages = static_cast<int>(view.size(1)),
          .limit = limit};
}

LaunchShape shape_of(const CudaContext& context, int64_t items) {
  return {.grid = dim3(grid_size(items, kThreads)),
          .block = dim3(kThreads),
          .stream = context.stream_handle(),
          .dependent = true};
}

}  // namespace

void write_slots(CudaContext& context, const WriteSlotsArgs& args) {
  const int64_t num_rows = args.positions.size(0);
  launch(shape_of(context, num_rows), slot_kernel,
         {.slots = args.slots.as<int64_t>(),
          .positions = args.positions.as<int32_t>(),
          .row_sequence = args.row_sequence.as<int32_t>(),
          .table = table_of(args.page_table, args.context_limit),
          .num_rows = static_cast<int>(num_rows)});
}

void draft_step(CudaContext& context, const DraftStepArgs& args) {
  launch(shape_of(context, args.kv_len.size(0)), step_kernel,
         {.positions = args.positions.as<int32_t>(),
          .slots = args.slots.as<int64_t>(),
          .kv_len = args.kv_len.as<int32_t>(),
          .active = args.active.as<int32_t>(),
          .table = table_of(args.page_table, args.context_limit),
          .step = args.step});
}

}  // namespace talon::ops::cuda
