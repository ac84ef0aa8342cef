#include "ops/index_topk.h"

#include <algorithm>
#include <array>
#include <span>

#include "base/check.h"
#include "core/backend.h"
#include "core/cpu_path.h"
#include "core/dtype.h"
#include "core/profile_range.h"
#include "core/stream.h"
#include "core/tensor_view.h"
#include "ops/attention_row.h"
#include "ops/index_page.h"
#include "ops/kv_fp8.h"
#include "ops/op_checks.h"

namespace talon::ops {
namespace {

using cpu::kPageTokens;

constexpr int64_t kMaxChosen = 64;  // pages of a list; M3 has 16
constexpr int64_t kMaxHeads = 16;   // index heads; M3 has 4
// A parallel region costs one to two microseconds, the time of about this many multiply-adds.
constexpr int64_t kMinWork = int64_t{64} * 1024;

// The best pages so far, best first: higher score, then lower page.
class BestPages {
 public:
  void clear(int64_t capacity) {
    capacity_ = capacity;
    size_ = 0;
  }

  // Pages come in ascending order, so an equal score never moves past an earlier page.
  void offer(int32_t page, float score) {
    int64_t place = size_;
    while (place > 0 && score > scores_[static_cast<size_t>(place) - 1]) {
      --place;
    }
    if (place >= capacity_) {
      return;
    }
    size_ = std::min(size_ + 1, capacity_);
    for (int64_t i = size_ - 1; i > place; --i) {
      scores_[static_cast<size_t>(i)] = scores_[static_cast<size_t>(i) - 1];
      pages_[static_cast<size_t>(i)] = pages_[static_cast<size_t>(i) - 1];
    }
    scores_[static_cast<size_t>(place)] = score;
    pages_[static_cast<size_t>(place)] = page;
  }

  int64_t size() const { return size_; }
  const int32_t* pages() const { return pages_.data(); }

 private:
  int64_t capacity_ = 0;
  int64_t size_ = 0;
  std::array<float, kMaxChosen> scores_;  // the first size_ of both are set
  std::array<int32_t, kMaxChosen> pages_;
};

void check_args(Stream stream, const IndexTopkArgs& args) {
  const OpChecks checks("index_topk", stream);
  checks.activation_dtype("index_q", args.index_q);
  checks.rank("index_q", args.index_q, 3);
  checks.rank("blocks", args.blocks, 3);
  checks.rank("page_table", args.page_table, 2);
  const int64_t rows = args.index_q.size(0);
  const int64_t heads = args.index_q.size(1);
  const int64_t dim = args.index_q.size(2);
  const int64_t chosen = args.blocks.size(2);
  checks.operand("index_q", args.index_q, args.index_q.dtype(), {rows, heads, dim});
  checks.rank("index_key_plane", args.index_key_plane, 4);
  const DType stored = args.index_key_plane.dtype();
  TALON_CHECK(is_plane_dtype(stored, args.index_q.dtype()), "index_topk: index_key_plane is {}",
              dtype_name(stored));
  checks.strided("index_key_plane", args.index_key_plane, stored,
                 {args.index_key_plane.size(0), kPageTokens, 1, dim});
  checks.operand("blocks", args.blocks, DType::kI32, {rows, heads, chosen});
  checks.strided("page_table", args.page_table, DType::kI32, args.page_table.shape());
  checks.operand("row_sequence", args.row_sequence, DType::kI32, {rows});
  checks.operand("positions", args.positions, DType::kI32, {rows});
  TALON_CHECK(heads <= kMaxHeads, "{} index heads are over {}", heads, kMaxHeads);
  TALON_CHECK(chosen <= kMaxChosen, "{} pages are over {}", chosen, kMaxChosen);
  TALON_CHECK(args.num_local >= 1 && args.num_local <= chosen, "{} local pages in a list of {}",
              args.num_local, chosen);
}

// The list of one head: the best pages and the local ones, ascending.
void write_list(const BestPages& best, int64_t first_local, int64_t own, int32_t* list, int64_t n) {
  int32_t* end = std::copy_n(best.pages(), best.size(), list);
  std::sort(list, end);  // all of them lie before the local pages
  for (int64_t page = first_local; page <= own; ++page) {
    *end++ = static_cast<int32_t>(page);
  }
  std::fill(end, list + n, -1);
}

// Scores the pages before the local ones and keeps the best `capacity` of each head.
template <class T, class P>
void score_pages(const IndexTopkArgs& args,
                 cpu::IndexPageKernel kernel,
                 int64_t t,
                 int64_t num_pages,
                 std::span<BestPages> best) {
  std::array<float, kMaxHeads> scores{};
  const int32_t* pages = args.page_table.row<int32_t>(args.row_sequence.as<int32_t>()[t]);
  cpu::IndexPage page;
  page.q = args.index_q.row<T>(t);
  page.key_stride = args.index_key_plane.stride(1);
  page.num_tokens = kPageTokens;  // the local pages, the only partial ones, need no score
  page.num_heads = args.index_q.size(1);
  page.dim = args.index_q.size(2);
  page.best = scores.data();
  for (int64_t b = 0; b < num_pages; ++b) {
    page.keys = args.index_key_plane.row<P>(pages[b]);
    kernel(page);
    for (size_t h = 0; h < best.size(); ++h) {
      best[h].offer(static_cast<int32_t>(b), scores[h]);
    }
  }
}

template <class T, class P>
void choose_row(const IndexTopkArgs& args, cpu::IndexPageKernel kernel, int64_t t) {
  const int64_t heads = args.index_q.size(1);
  const int64_t chosen = args.blocks.size(2);
  int32_t* lists = args.blocks.row<int32_t>(t);
  const int32_t position = args.positions.as<int32_t>()[t];
  if (position < 0) {
    std::fill_n(lists, heads * chosen, -1);
    return;
  }
  const int64_t own = position / kPageTokens;
  // With no more candidates than entries all are taken, and nothing needs a score.
  const int64_t first_local = own < chosen ? 0 : std::max<int64_t>(0, own + 1 - args.num_local);
  std::array<BestPages, kMaxHeads> best;
  for (int64_t h = 0; h < heads; ++h) {
    best[static_cast<size_t>(h)].clear(chosen - (own + 1 - first_local));
  }
  score_pages<T, P>(args, kernel, t, first_local, {best.data(), static_cast<size_t>(heads)});
  for (int64_t h = 0; h < heads; ++h) {
    write_list(best[static_cast<size_t>(h)], first_local, own, lists + h * chosen, chosen);
  }
}

// P is what the plane holds.
template <class T, class P>
cpu::IndexPageKernel kernel_for(CpuPath path, int64_t dim) {
  if (path == CpuPath::kScalar || dim % cpu::kVectorIndexDim != 0) {
    return cpu::index_page_scalar<T, P>;
  }
  return path == CpuPath::kAvx2 ? cpu::index_page_avx2<T, P> : cpu::index_page_avx512<T, P>;
}

// Checks each live row and gives the multiply-adds of all.
int64_t check_rows(const IndexTopkArgs& args) {
  int64_t tokens = 0;
  for (int64_t t = 0; t < args.index_q.size(0); ++t) {
    const int32_t position = args.positions.as<int32_t>()[t];
    const int32_t sequence = args.row_sequence.as<int32_t>()[t];
    if (position < 0) {
      continue;
    }
    TALON_CHECK(sequence >= 0 && sequence < args.page_table.size(0),
                "row {} is of sequence {} of {}", t, sequence, args.page_table.size(0));
    TALON_CHECK(position / kPageTokens < args.page_table.size(1),
                "row {} at position {} has {} pages", t, position, args.page_table.size(1));
    tokens += position + 1;
  }
  return tokens * args.index_q.size(1) * args.index_q.size(2);
}

}  // namespace

void index_topk(Stream stream, const IndexTopkArgs& args) {
  check_args(stream, args);
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) {
      const ProfileRange range("index_topk");
      return cuda::index_topk(stream.cuda(), args);
    }
  }
  const int64_t rows = args.index_q.size(0);
  const int64_t work = std::max<int64_t>(1, check_rows(args));
  const int64_t grain = std::max<int64_t>(1, kMinWork * rows / work);
  dispatch_plane(args.index_q.dtype(), args.index_key_plane.dtype(), [&]<class T, class P>() {
    const auto kernel = kernel_for<T, P>(stream.cpu().path(), args.index_q.size(2));
    stream.cpu().pool().parallel_for(rows, grain, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        choose_row<T, P>(args, kernel, t);
      }
    });
  });
}

}  // namespace talon::ops
