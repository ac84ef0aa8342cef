// The types that rows of a norm come in, for its three backends.
#pragma once

#include "core/dtype.h"

namespace talon::ops {

// Calls body.operator()<T, In, G>() with the types of the result, of what is normalised (the
// result's, or float32 where the result is bf16) and of the gain.
template <class Body>
void dispatch_norm_types(DType out, DType in, DType gain, const Body& body) {
  dispatch_float(gain, [&]<class G>() {
    if (out == DType::kF32) {
      body.template operator()<float, float, G>();
    } else if (in == DType::kF32) {
      body.template operator()<bf16, float, G>();
    } else {
      body.template operator()<bf16, bf16, G>();
    }
  });
}

}  // namespace talon::ops
