// The inner part of `index_topk` on the CPU: the best score that each index head of a row has in
// one page. Plain pointers only, as in tile_product.h.
#pragma once

#include <cstdint>

namespace talon::ops::cpu {

struct IndexPage {
  const void* q = nullptr;     // [num_heads, dim] contiguous
  const void* keys = nullptr;  // the page's first key
  int64_t key_stride = 0;      // elements between tokens
  int64_t num_tokens = 0;      // visible ones, >= 1
  int64_t num_heads = 0;
  int64_t dim = 0;
  float* best = nullptr;  // [num_heads]: the largest score that is not NaN, or minus infinity
};

using IndexPageKernel = void (*)(const IndexPage&);

// T, of q, is float or bf16; P, of the keys, is T or e4m3. The vector kernels need dim to be a
// multiple of kVectorIndexDim.
inline constexpr int64_t kVectorIndexDim = 16;
template <class T, class P>
void index_page_scalar(const IndexPage& page);
template <class T, class P>
void index_page_avx2(const IndexPage& page);
template <class T, class P>
void index_page_avx512(const IndexPage& page);

}  // namespace talon::ops::cpu
