#include "core/dtype.h"
#include "ops/attention_lanes_avx2.h"
#include "ops/attention_row.h"
#include "ops/attention_simd.h"

namespace talon::ops::cpu {

template <class T, class P>
void attention_row_avx2(const AttentionRow& row) {
  attend_row<Lanes, T, P>(row);
}

template void attention_row_avx2<float, float>(const AttentionRow& row);
template void attention_row_avx2<float, e4m3>(const AttentionRow& row);
template void attention_row_avx2<bf16, bf16>(const AttentionRow& row);
template void attention_row_avx2<bf16, e4m3>(const AttentionRow& row);

}  // namespace talon::ops::cpu
