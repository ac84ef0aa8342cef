// Where a runner's work goes: the CPU's pool, where it is done when it is queued, or a GPU, where
// it runs behind the host and whole rounds are captured once and replayed. Owned by a runner, used
// from its thread.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <memory>

#include "core/cpu_path.h"
#include "core/device.h"
#include "core/stream.h"

namespace talon {

// What the work of a captured round depends on beside device memory.
struct GraphKey {
  int32_t num_sequences = 0;  // padding included
  int32_t num_drafts = 0;     // draft rows of each sequence, and drafts made for each

  friend auto operator<=>(const GraphKey&, const GraphKey&) = default;
};

class Executor {
 public:
  virtual ~Executor() = default;

  virtual Stream stream() = 0;

  // All that was queued so far belongs to `launch` or one before it.
  virtual void mark(int64_t launch) = 0;
  // Returns when what was marked so is done. One of the last two launches.
  virtual void wait(int64_t launch) = 0;

  virtual bool can_capture() const = 0;
  // Keeps what `body` queues, which is not run.
  virtual void capture(const GraphKey& key, const std::function<void()>& body) = 0;
  virtual void replay(const GraphKey& key) = 0;
};

std::unique_ptr<Executor> make_cpu_executor(int32_t num_threads, CpuPath path);

// In a CUDA build only. Throws Error in one line if the device cannot be used.
std::unique_ptr<Executor> make_cuda_executor(Device device);

}  // namespace talon
