#include "ops/argmax.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <limits>

#include "base/checked_int.h"
#include "core/cpu_context.h"
#include "core/cpu_path.h"
#include "core/dtype.h"
#include "ops/cpu_loop.h"
#include "ops/row_kernels.h"

namespace talon::ops::cpu {
namespace {

// Columns that one thread looks at for one key; a row of more is combined from several, since a
// maximum does not mind the order.
constexpr int64_t kSegment = 16384;
// The largest value is found first, piece by piece; its id is then looked for in one piece only.
constexpr int64_t kPiece = 256;

template <class T>
struct Columns {
  const T* logits;
  const uint8_t* allowed;  // null: all are
  int64_t size;
  int32_t first_id;
};

template <CpuPath kPath, class T>
uint64_t best_key(const Columns<T>& columns) {
  float best = -std::numeric_limits<float>::infinity();
  int64_t piece = -1;
  for (int64_t begin = 0; begin < columns.size; begin += kPiece) {
    const uint8_t* allowed = columns.allowed == nullptr ? nullptr : columns.allowed + begin;
    const int64_t size = std::min(kPiece, columns.size - begin);
    const float value = max_row<kPath, T>(columns.logits + begin, allowed, size);
    if (value > best) {
      best = value;
      piece = begin;
    }
  }
  // Without a value above minus infinity the lowest allowed id wins, whatever stands there.
  for (int64_t c = std::max<int64_t>(piece, 0); c < columns.size; ++c) {
    const bool allowed = columns.allowed == nullptr || columns.allowed[c] != 0;
    if (allowed && (piece < 0 || to_float(columns.logits[c]) == best)) {
      return argmax_key(best, static_cast<int32_t>(columns.first_id + c));
    }
  }
  return 0;
}

void raise(uint64_t& key, uint64_t candidate) {
  const std::atomic_ref shared(key);
  uint64_t seen = shared.load(std::memory_order_relaxed);
  while (seen < candidate &&
         !shared.compare_exchange_weak(seen, candidate, std::memory_order_relaxed)) {
  }
}

template <CpuPath kPath, class T>
void run(CpuContext& context, const ArgmaxArgs& args) {
  const int64_t vocabulary = args.logits.size(1);
  const int64_t num_rows = args.logits.size(0);
  const int64_t segments = ceil_div(vocabulary, kSegment);
  const uint8_t* allowed = args.allowed.empty() ? nullptr : args.allowed.as<uint8_t>();
  auto* keys = args.keys.as<uint64_t>();
  std::fill(keys, keys + num_rows, uint64_t{0});
  const int64_t work = std::min(vocabulary, kSegment);
  for_rows(context, num_rows * segments, work, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = (i % segments) * kSegment;
      const Columns<T> columns = {.logits = args.logits.row<T>(i / segments) + first,
                                  .allowed = allowed == nullptr ? nullptr : allowed + first,
                                  .size = std::min(kSegment, vocabulary - first),
                                  .first_id = static_cast<int32_t>(args.first_id + first)};
      raise(keys[i / segments], best_key<kPath, T>(columns));
    }
  });
}

}  // namespace

void argmax_fast(CpuContext& context, const ArgmaxArgs& args) {
  dispatch_vector(context.path(), [&]<CpuPath kPath>() {
    dispatch_float(args.logits.dtype(), [&]<class T>() { run<kPath, T>(context, args); });
  });
}

}  // namespace talon::ops::cpu
