#include <limits>

#include "core/dtype.h"
#include "ops/index_page.h"

namespace talon::ops::cpu {

template <class T, class P>
void index_page_scalar(const IndexPage& page) {
  for (int64_t h = 0; h < page.num_heads; ++h) {
    const T* q = static_cast<const T*>(page.q) + h * page.dim;
    float best = -std::numeric_limits<float>::infinity();
    for (int64_t j = 0; j < page.num_tokens; ++j) {
      const P* key = static_cast<const P*>(page.keys) + j * page.key_stride;
      float score = 0.0F;
      for (int64_t d = 0; d < page.dim; ++d) {
        score += to_float(q[d]) * to_float(key[d]);
      }
      best = score > best ? score : best;
    }
    page.best[h] = best;
  }
}

template void index_page_scalar<float, float>(const IndexPage& page);
template void index_page_scalar<float, e4m3>(const IndexPage& page);
template void index_page_scalar<bf16, bf16>(const IndexPage& page);
template void index_page_scalar<bf16, e4m3>(const IndexPage& page);

}  // namespace talon::ops::cpu
