// The range that a profiler started from outside (nsys with --capture-range=cudaProfilerApi)
// records. Without a profiler nothing happens. In a CUDA build only.
#pragma once

namespace talon::cuda {

// Throw Error{kUnavailable} if the runtime refuses.
void start_profiler();
void stop_profiler();

}  // namespace talon::cuda
