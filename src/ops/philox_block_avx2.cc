#include "ops/philox_block.h"

#include <immintrin.h>

namespace talon::ops::cpu {
namespace {

__m256i broadcast(uint32_t x) { return _mm256_set1_epi64x(static_cast<int64_t>(x)); }

void store(uint32_t* words, __m256i x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(words), x);
}

// Four lanes of 64 bits. Upper halves hold leftovers, which no product reads.
void four_lanes(uint32_t* words, const PhiloxBlock& block, uint32_t lane) {
  __m256i c0 = broadcast(block.low);
  __m256i c1 = broadcast(block.high);
  __m256i c2 = broadcast(block.purpose);
  __m256i c3 = _mm256_add_epi32(broadcast(lane), _mm256_setr_epi64x(0, 1, 2, 3));
  uint32_t key0 = block.key[0];
  uint32_t key1 = block.key[1];
  for (int round = 0; round < 10; ++round) {
    const __m256i p0 = _mm256_mul_epu32(c0, broadcast(0xD2511F53U));
    const __m256i p1 = _mm256_mul_epu32(c2, broadcast(0xCD9E8D57U));
    c0 = _mm256_xor_si256(_mm256_xor_si256(_mm256_srli_epi64(p1, 32), c1), broadcast(key0));
    c2 = _mm256_xor_si256(_mm256_xor_si256(_mm256_srli_epi64(p0, 32), c3), broadcast(key1));
    c1 = p1;
    c3 = p0;
    key0 += 0x9E3779B9U;
    key1 += 0xBB67AE85U;
  }
  const __m256i first = _mm256_blend_epi32(c0, _mm256_slli_epi64(c1, 32), 0xAA);
  const __m256i second = _mm256_blend_epi32(c2, _mm256_slli_epi64(c3, 32), 0xAA);
  const __m256i even = _mm256_unpacklo_epi64(first, second);  // lanes 0 and 2
  const __m256i odd = _mm256_unpackhi_epi64(first, second);   // lanes 1 and 3
  store(words, _mm256_permute2x128_si256(even, odd, 0x20));
  store(words + 8, _mm256_permute2x128_si256(even, odd, 0x31));
}

}  // namespace

void philox_block_avx2(uint32_t* words, const PhiloxBlock& block) {
  four_lanes(words, block, block.lane);
  four_lanes(words + 16, block, block.lane + 4);
}

}  // namespace talon::ops::cpu
