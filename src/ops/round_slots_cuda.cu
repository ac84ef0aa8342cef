// Integers only: a block a sequence, or a slot that is joined; its threads share rows and pages. An
// error of the program that a kernel cannot report (a slot or a place that does not exist) is
// passed over.
#include "ops/round_slots.h"

#include "ops/clock_cuda.cuh"
#include "ops/cuda_kernel.cuh"

namespace talon::ops::cuda {
namespace {

constexpr int kThreads = 128;

struct Slots {
  int32_t* kv_len;
  int32_t* pending;
  int32_t* num_drafts;
  int32_t* drafts;      // [S, K]
  int32_t* page_table;  // [S, P]
  int num_slots;
  int max_drafts;
  int num_pages;

  __device__ bool has(int slot) const { return slot >= 0 && slot < num_slots; }
};

Slots slots_of(const SlotState& state) {
  return {.kv_len = state.kv_len.as<int32_t>(),
          .pending = state.pending.as<int32_t>(),
          .num_drafts = state.num_drafts.as<int32_t>(),
          .drafts = state.drafts.as<int32_t>(),
          .page_table = state.page_table.as<int32_t>(),
          .num_slots = static_cast<int>(state.page_table.size(0)),
          .max_drafts = static_cast<int>(state.drafts.size(1)),
          .num_pages = static_cast<int>(state.page_table.size(1))};
}

LaunchShape blocks_of(const CudaContext& context, int64_t num_blocks) {
  return {.grid = dim3(static_cast<unsigned>(num_blocks)),
          .block = dim3(kThreads),
          .stream = context.stream_handle()};
}

struct JoinParams {
  Slots slots;
  const int32_t* joins;  // [J, 2]
};

__global__ void __launch_bounds__(kThreads) join_kernel(const JoinParams p) {
  const int slot = p.joins[2 * blockIdx.x];
  if (!p.slots.has(slot)) {
    return;
  }
  int32_t* pages = p.slots.page_table + int64_t{slot} * p.slots.num_pages;
  for (int i = static_cast<int>(threadIdx.x); i < p.slots.num_pages; i += kThreads) {
    pages[i] = 0;
  }
  if (threadIdx.x == 0) {
    p.slots.kv_len[slot] = p.joins[2 * blockIdx.x + 1];
    p.slots.num_drafts[slot] = 0;
  }
}

struct PageParams {
  Slots slots;
  const int32_t* pages;  // [N, 3]
  int count;
};

__global__ void __launch_bounds__(kThreads) page_kernel(const PageParams p) {
  const int i = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
  if (i >= p.count) {
    return;
  }
  const int slot = p.pages[3 * i];
  const int index = p.pages[3 * i + 1];
  if (p.slots.has(slot) && index >= 0 && index < p.slots.num_pages) {
    p.slots.page_table[int64_t{slot} * p.slots.num_pages + index] = p.pages[3 * i + 2];
  }
}

struct PrepareParams {
  Slots slots;
  int32_t* token_ids;
  int32_t* positions;
  int32_t* kv_lens;
  int32_t* page_table;
  int32_t* drafts;
  int32_t* choice_indices;
  const int32_t* slot_of;  // [B]
  const int32_t* num_drafts;
  const int32_t* row_sequence;
  const int32_t* row_offsets;
  const int32_t* given_tokens;
  const int32_t* choice_rows;
  int num_sequences;
  int num_rows;
  int num_choices;
};

// Valid positions before row t, and the row's offset; -1 of a dead row.
struct RowPlace {
  int slot;
  int position;
};

__device__ RowPlace place_of(const PrepareParams& p, int t) {
  const int b = p.row_sequence[t];
  const int offset = p.row_offsets[t];
  const int slot = b >= 0 && b < p.num_sequences ? p.slot_of[b] : -1;
  const bool is_dead = !p.slots.has(slot) || offset < 0;
  return {.slot = slot, .position = is_dead ? -1 : p.slots.kv_len[slot] + offset};
}

__device__ void prepare_row(const PrepareParams& p, int t) {
  const RowPlace place = place_of(p, t);
  const int offset = p.row_offsets[t];
  int token = -1;
  if (place.position >= 0) {
    token = p.given_tokens[t];
    if (token < 0 && offset == 0) {
      token = p.slots.pending[place.slot];
    } else if (token < 0 && offset <= p.slots.max_drafts) {
      token = p.slots.drafts[place.slot * p.slots.max_drafts + offset - 1];
    }
  }
  p.positions[t] = place.position;
  p.token_ids[t] = token;
}

// Blocks [0, B) a sequence each, the others rows and choices.
__global__ void __launch_bounds__(kThreads) prepare_kernel(const PrepareParams p) {
  const int thread = static_cast<int>(threadIdx.x);
  const int block = static_cast<int>(blockIdx.x);
  if (block >= p.num_sequences) {
    const int i = (block - p.num_sequences) * kThreads + thread;
    if (i < p.num_rows) {
      prepare_row(p, i);
    }
    if (i < p.num_choices) {
      const int position = place_of(p, p.choice_rows[i]).position;
      p.choice_indices[i] = position < 0 ? -1 : position + 1;
    }
    return;
  }
  const int slot = p.slot_of[block];
  const bool exists = p.slots.has(slot);
  const int32_t* from = p.slots.page_table + int64_t{exists ? slot : 0} * p.slots.num_pages;
  int32_t* pages = p.page_table + int64_t{block} * p.slots.num_pages;
  for (int i = thread; i < p.slots.num_pages; i += kThreads) {
    pages[i] = exists ? from[i] : 0;
  }
  if (thread == 0) {
    p.kv_lens[block] = exists ? p.slots.kv_len[slot] : 0;
  }
  if (exists && thread < p.num_drafts[block] && thread < p.slots.max_drafts) {
    p.drafts[block * p.slots.max_drafts + thread] =
        p.slots.drafts[slot * p.slots.max_drafts + thread];
  }
}

struct AdvanceParams {
  Slots slots;
  int32_t* kv_len;
  int32_t* active;
  int32_t* last_rows;
  int32_t* next_tokens;
  const int32_t* accepted;
  const int32_t* next_token;
  const int32_t* emitted;
  const int32_t* choices;
  const int32_t* choice_rows;
  const int32_t* first_choice;
  const int32_t* num_drafts;
  const int32_t* new_drafts;
  const int32_t* query_starts;
  const int32_t* query_lens;
  const int32_t* kv_lens;
  const int32_t* slot_of;
  int num_sequences;
};

// A thread a sequence: a few integers each.
__global__ void __launch_bounds__(kThreads) advance_kernel(const AdvanceParams p) {
  const int b = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
  if (b >= p.num_sequences) {
    return;
  }
  const int slot = p.slot_of[b];
  p.last_rows[b] = -1;
  p.active[b] = 0;
  p.kv_len[b] = 0;
  if (!p.slots.has(slot)) {
    return;
  }
  const int accepted = p.accepted[b];
  const int num_drafts = p.num_drafts[b];
  const int num_valid = p.query_lens[b] - (num_drafts - (accepted > 0 ? accepted : 0));
  const int kv_len = p.kv_lens[b] + num_valid;
  p.kv_len[b] = kv_len;
  p.slots.kv_len[slot] = kv_len;
  p.slots.num_drafts[slot] = 0;
  if (accepted < 0) {
    return;
  }
  p.last_rows[b] = p.query_starts[b] + num_valid - 1;
  p.active[b] = p.new_drafts[b] > 0 ? 1 : 0;
  p.slots.pending[slot] = p.next_token[b];
  const int first = p.first_choice[b];
  for (int i = first; i <= first + num_drafts; ++i) {
    p.next_tokens[p.choice_rows[i]] = p.emitted[i] >= 0 ? p.emitted[i] : p.choices[i];
  }
}

struct FinishParams {
  Slots slots;
  int32_t* ring;     // [2, B', W]
  int64_t* headers;  // [2, kRingHeaderWords]
  int64_t* counter;  // [1]
  const int64_t* times;
  const int32_t* drafts;  // [B, K'], rows draft_stride apart
  const int32_t* active;
  const int32_t* new_drafts;
  const int32_t* accepted;
  const int32_t* emitted;
  const int32_t* first_choice;
  const int32_t* kv_len;
  const int32_t* slot_of;
  int64_t draft_stride;
  int num_sequences;
  int ring_sequences;
  int num_columns;  // K'
};

__device__ void finish_sequence(const FinishParams& p, int64_t entry, int b) {
  const int max_drafts = p.slots.max_drafts;
  const int words = ring_row_words(max_drafts);
  int32_t* row = p.ring + (entry * p.ring_sequences + b) * words;
  const int slot = p.slot_of[b];
  const bool exists = p.slots.has(slot);
  const int accepted = exists ? p.accepted[b] : -1;
  int num_drafts = exists && p.active[b] != 0 ? p.new_drafts[b] : 0;
  num_drafts = num_drafts < p.num_columns ? num_drafts : p.num_columns;
  row[kRingAccepted] = accepted;
  row[kRingKvLen] = exists ? p.kv_len[b] : -1;
  row[kRingNumDrafts] = exists ? num_drafts : -1;
  for (int i = 0; i < max_drafts; ++i) {
    const int draft = i < num_drafts ? p.drafts[b * p.draft_stride + i] : -1;
    row[kRingDrafts + i] = draft;
    if (i < num_drafts) {
      p.slots.drafts[slot * max_drafts + i] = draft;
    }
  }
  if (num_drafts > 0) {
    p.slots.num_drafts[slot] = num_drafts;
  }
  for (int j = 0; j <= max_drafts; ++j) {
    row[ring_emitted(max_drafts) + j] = j <= accepted ? p.emitted[p.first_choice[b] + j] : -1;
  }
}

// One block, so that its end is the round's.
__global__ void __launch_bounds__(kThreads) finish_kernel(const FinishParams p) {
  const int64_t round = *p.counter;
  const int64_t entry = round % kRingEntries;
  for (int b = static_cast<int>(threadIdx.x); b < p.num_sequences; b += kThreads) {
    finish_sequence(p, entry, b);
  }
  __syncthreads();
  if (threadIdx.x == 0) {
    int64_t* header = p.headers + entry * kRingHeaderWords;
    header[0] = round;
    for (int i = 0; i + 1 < kRoundTimes; ++i) {
      header[1 + i] = p.times[i];
    }
    header[kRoundTimes] = now_ns();
    *p.counter = round + 1;
  }
}

}  // namespace

void patch_slots(CudaContext& context, const PatchSlotsArgs& args) {
  const int64_t num_pages = args.pages.size(0);
  if (args.joins.size(0) > 0) {
    launch(blocks_of(context, args.joins.size(0)), join_kernel,
           {.slots = slots_of(args.state), .joins = args.joins.as<int32_t>()});
  }
  if (num_pages > 0) {
    launch(blocks_of(context, grid_size(num_pages, kThreads)), page_kernel,
           {.slots = slots_of(args.state),
            .pages = args.pages.as<int32_t>(),
            .count = static_cast<int>(num_pages)});
  }
}

void prepare_round(CudaContext& context, const PrepareRoundArgs& args) {
  const int64_t num_sequences = args.slots.size(0);
  const int64_t num_rows = args.row_sequence.size(0);
  const int64_t num_choices = args.choice_rows.size(0);
  const int64_t most = num_rows > num_choices ? num_rows : num_choices;
  launch(blocks_of(context, num_sequences + grid_size(most, kThreads)), prepare_kernel,
         {.slots = slots_of(args.state),
          .token_ids = args.token_ids.as<int32_t>(),
          .positions = args.positions.as<int32_t>(),
          .kv_lens = args.kv_lens.as<int32_t>(),
          .page_table = args.page_table.as<int32_t>(),
          .drafts = args.drafts.as<int32_t>(),
          .choice_indices = args.choice_indices.as<int32_t>(),
          .slot_of = args.slots.as<int32_t>(),
          .num_drafts = args.num_drafts.as<int32_t>(),
          .row_sequence = args.row_sequence.as<int32_t>(),
          .row_offsets = args.row_offsets.as<int32_t>(),
          .given_tokens = args.given_tokens.as<int32_t>(),
          .choice_rows = args.choice_rows.as<int32_t>(),
          .num_sequences = static_cast<int>(num_sequences),
          .num_rows = static_cast<int>(num_rows),
          .num_choices = static_cast<int>(num_choices)});
}

void advance_round(CudaContext& context, const AdvanceRoundArgs& args) {
  const int64_t num_sequences = args.slots.size(0);
  launch(blocks_of(context, grid_size(num_sequences, kThreads)), advance_kernel,
         {.slots = slots_of(args.state),
          .kv_len = args.kv_len.as<int32_t>(),
          .active = args.active.as<int32_t>(),
          .last_rows = args.last_rows.as<int32_t>(),
          .next_tokens = args.next_tokens.as<int32_t>(),
          .accepted = args.accepted.as<int32_t>(),
          .next_token = args.next_token.as<int32_t>(),
          .emitted = args.emitted.as<int32_t>(),
          .choices = args.choices.as<int32_t>(),
          .choice_rows = args.choice_rows.as<int32_t>(),
          .first_choice = args.first_choice.as<int32_t>(),
          .num_drafts = args.num_drafts.as<int32_t>(),
          .new_drafts = args.new_drafts.as<int32_t>(),
          .query_starts = args.query_starts.as<int32_t>(),
          .query_lens = args.query_lens.as<int32_t>(),
          .kv_lens = args.kv_lens.as<int32_t>(),
          .slot_of = args.slots.as<int32_t>(),
          .num_sequences = static_cast<int>(num_sequences)});
}

void finish_round(CudaContext& context, const FinishRoundArgs& args) {
  launch(blocks_of(context, 1), finish_kernel,
         {.slots = slots_of(args.state),
          .ring = args.ring.as<int32_t>(),
          .headers = args.headers.as<int64_t>(),
          .counter = args.counter.as<int64_t>(),
          .times = args.times.as<int64_t>(),
          .drafts = args.drafts.as<int32_t>(),
          .active = args.active.as<int32_t>(),
          .new_drafts = args.new_drafts.as<int32_t>(),
          .accepted = args.accepted.as<int32_t>(),
          .emitted = args.emitted.as<int32_t>(),
          .first_choice = args.first_choice.as<int32_t>(),
          .kv_len = args.kv_len.as<int32_t>(),
          .slot_of = args.slots.as<int32_t>(),
          .draft_stride = args.drafts.stride(0),
          .num_sequences = static_cast<int>(args.slots.size(0)),
          .ring_sequences = static_cast<int>(args.ring.size(1)),
          .num_columns = static_cast<int>(args.drafts.size(1))});
}

}  // namespace talon::ops::cuda
