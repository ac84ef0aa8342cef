// Which devices this build has code for. Code branches with `if constexpr (kHasCuda)`; what only a
// CUDA build defines may then stay undefined in a CPU build, since it is never called.
#pragma once

namespace talon {

#if defined(TALON_HAS_CUDA) && TALON_HAS_CUDA
inline constexpr bool kHasCuda = true;
#else
inline constexpr bool kHasCuda = false;
#endif

}  // namespace talon
