#include "core/cpu_path.h"
#include "ops/cpu_math_avx512.h"

namespace talon::ops::cpu {
namespace {

template <CpuPath kPath>
using VectorOf = Avx512;

}  // namespace
}  // namespace talon::ops::cpu

#include "ops/row_kernels_vector.h"

namespace talon::ops::cpu {

TALON_ROW_KERNELS(CpuPath::kAvx512)

}  // namespace talon::ops::cpu
