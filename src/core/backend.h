// Whether this build holds the CUDA backend; the only place that reads the build's macro, so that
// all else dispatches with `if constexpr (kHasCuda)`.
#pragma once

namespace talon {

#if defined(TALON_HAS_CUDA) && TALON_HAS_CUDA
inline constexpr bool kHasCuda = true;
#else
inline constexpr bool kHasCuda = false;
#endif

}  // namespace talon
