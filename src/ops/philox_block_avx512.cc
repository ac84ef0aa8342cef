#include "ops/philox_block.h"

#include <immintrin.h>

namespace talon::ops::cpu {
namespace {

__m512i broadcast(uint32_t x) { return _mm512_set1_epi64(static_cast<int64_t>(x)); }

}  // namespace

// A lane is 64 bits wide. Upper halves hold leftovers, which no product reads.
void philox_block_avx512(uint32_t* words, const PhiloxBlock& block) {
  const __m512i steps = _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7);
  __m512i c0 = broadcast(block.low);
  __m512i c1 = broadcast(block.high);
  __m512i c2 = broadcast(block.purpose);
  __m512i c3 = _mm512_add_epi32(broadcast(block.lane), steps);
  uint32_t key0 = block.key[0];
  uint32_t key1 = block.key[1];
  for (int round = 0; round < 10; ++round) {
    const __m512i p0 = _mm512_mul_epu32(c0, broadcast(0xD2511F53U));
    const __m512i p1 = _mm512_mul_epu32(c2, broadcast(0xCD9E8D57U));
    c0 = _mm512_xor_si512(_mm512_xor_si512(_mm512_srli_epi64(p1, 32), c1), broadcast(key0));
    c2 = _mm512_xor_si512(_mm512_xor_si512(_mm512_srli_epi64(p0, 32), c3), broadcast(key1));
    c1 = p1;
    c3 = p0;
    key0 += 0x9E3779B9U;
    key1 += 0xBB67AE85U;
  }
  const __mmask16 odd = 0xAAAA;
  const __m512i first = _mm512_mask_blend_epi32(odd, c0, _mm512_slli_epi64(c1, 32));
  const __m512i second = _mm512_mask_blend_epi32(odd, c2, _mm512_slli_epi64(c3, 32));
  const __m512i low = _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11);
  const __m512i high = _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15);
  _mm512_storeu_si512(words, _mm512_permutex2var_epi64(first, low, second));
  _mm512_storeu_si512(words + 16, _mm512_permutex2var_epi64(first, high, second));
}

}  // namespace talon::ops::cpu
