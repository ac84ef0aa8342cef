#include <algorithm>
#include <array>
#include <limits>
#include <type_traits>

#include "core/dtype.h"
#include "ops/attention_row.h"
#include "ops/cpu_math.h"

namespace talon::ops::cpu {
namespace {

// Online softmax of one head.
struct HeadState {
  float max = -std::numeric_limits<float>::infinity();
  float sum = 0.0F;
  std::array<float, kMaxHeadDim> out{};
};

template <class T, class P>
float dot(const T* a, const P* b, int64_t size) {
  float sum = 0.0F;
  for (int64_t i = 0; i < size; ++i) {
    sum += to_float(a[i]) * to_float(b[i]);
  }
  return sum;
}

// The tokens of one page in a plane.
template <class P>
struct PageTokens {
  const P* first;
  int64_t stride;

  PageTokens(const PlaneAtHead& plane, int64_t page)
      : first(static_cast<const P*>(plane.data) + page * plane.page_stride),
        stride(plane.token_stride) {}
  const P* token(int64_t j) const { return first + j * stride; }
};

template <class T, class P>
void add_page(const AttentionRow& row, const T* q, int64_t page, int64_t tokens, HeadState& state) {
  constexpr bool kScaled = std::is_same_v<P, e4m3>;
  const PageTokens<P> keys(row.keys, page);
  const PageTokens<P> values(row.values, page);
  const PageTokens<float> key_scales(row.key_scales, page);
  const PageTokens<float> value_scales(row.value_scales, page);
  std::array<float, kPageTokens> weights{};
  float max = state.max;
  for (int64_t j = 0; j < tokens; ++j) {
    float score = dot(q, keys.token(j), row.head_dim);
    if constexpr (kScaled) {
      score *= *key_scales.token(j);
    }
    score *= row.scale;
    weights[static_cast<size_t>(j)] = score;
    max = score > max ? score : max;
  }
  const float shrink = cpu_exp(state.max - max);
  state.max = max;
  state.sum *= shrink;
  for (int64_t d = 0; d < row.head_dim; ++d) {
    state.out[static_cast<size_t>(d)] *= shrink;
  }
  for (int64_t j = 0; j < tokens; ++j) {
    float weight = cpu_exp(weights[static_cast<size_t>(j)] - max);
    state.sum += weight;
    if constexpr (kScaled) {
      weight *= *value_scales.token(j);
    }
    const P* value = values.token(j);
    for (int64_t d = 0; d < row.head_dim; ++d) {
      state.out[static_cast<size_t>(d)] += weight * to_float(value[d]);
    }
  }
}

}  // namespace

template <class T, class P>
void attention_row_scalar(const AttentionRow& row) {
  const int64_t own = row.position / kPageTokens;
  const int64_t entries = row.blocks == nullptr ? own + 1 : row.num_blocks;
  for (int64_t h = 0; h < row.num_heads; ++h) {
    HeadState state;
    const T* q = static_cast<const T*>(row.q) + h * row.head_dim;
    for (int64_t n = 0; n < entries; ++n) {
      const int64_t block = row.blocks == nullptr ? n : row.blocks[n];
      if (block < 0) {
        break;
      }
      const int64_t tokens = std::min(kPageTokens, row.position + 1 - block * kPageTokens);
      add_page<T, P>(row, q, row.pages[block], tokens, state);
    }
    T* out = static_cast<T*>(row.out) + h * row.head_dim;
    for (int64_t d = 0; d < row.head_dim; ++d) {
      out[d] = from_float<T>(state.out[static_cast<size_t>(d)] / state.sum);
    }
  }
}

template void attention_row_scalar<float, float>(const AttentionRow& row);
template void attention_row_scalar<float, e4m3>(const AttentionRow& row);
template void attention_row_scalar<bf16, bf16>(const AttentionRow& row);
template void attention_row_scalar<bf16, e4m3>(const AttentionRow& row);

}  // namespace talon::ops::cpu
