#include "core/dtype.h"
#include "ops/attention_lanes_avx2.h"
#include "ops/index_page.h"
#include "ops/index_simd.h"

namespace talon::ops::cpu {

template <class T, class P>
void index_page_avx2(const IndexPage& page) {
  best_of_page<Lanes, T, P>(page);
}

template void index_page_avx2<float, float>(const IndexPage& page);
template void index_page_avx2<float, e4m3>(const IndexPage& page);
template void index_page_avx2<bf16, bf16>(const IndexPage& page);
template void index_page_avx2<bf16, e4m3>(const IndexPage& page);

}  // namespace talon::ops::cpu
