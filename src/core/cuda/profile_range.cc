#include "core/profile_range.h"

#include <nvtx3/nvToolsExt.h>

namespace talon::cuda {

void begin_range(const char* name) { nvtxRangePushA(name); }
void end_range() { nvtxRangePop(); }

}  // namespace talon::cuda
