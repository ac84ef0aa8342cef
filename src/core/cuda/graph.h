// Events and captured graphs. Owners; no CUDA header is included here.
#pragma once

#include <cstdint>
#include <functional>

#include "core/cuda/context.h"

struct CUevent_st;      // what a cudaEvent_t points to
struct CUgraphExec_st;  // what a cudaGraphExec_t points to

namespace talon {

// A mark in a stream that the host, or another stream, can wait for.
class CudaEvent {
 public:
  // With timing, an event can be measured from another; without, recording is cheaper.
  explicit CudaEvent(Device device, bool timing = false);
  ~CudaEvent();
  CudaEvent(CudaEvent&& other) noexcept;
  CudaEvent& operator=(CudaEvent&& other) noexcept;
  CudaEvent(const CudaEvent&) = delete;
  CudaEvent& operator=(const CudaEvent&) = delete;

  void record(const CudaContext& context);
  // What is queued on `context` from now on runs after the mark.
  void make_wait(const CudaContext& context) const;
  // Waits on the host.
  void synchronize() const;
  bool is_done() const;
  // From an earlier mark to this one; both timed and done.
  double milliseconds_since(const CudaEvent& earlier) const;

 private:
  CUevent_st* event_ = nullptr;
};

// Work that was queued on a context while it was captured, to be replayed as one launch.
class CudaGraph {
 public:
  CudaGraph() = default;
  // Runs `body`, which may only queue work on the context: no allocation, no wait, no copy to
  // pageable memory. Nothing of it is executed.
  static CudaGraph capture(CudaContext& context, const std::function<void()>& body);
  ~CudaGraph();
  CudaGraph(CudaGraph&& other) noexcept;
  CudaGraph& operator=(CudaGraph&& other) noexcept;
  CudaGraph(const CudaGraph&) = delete;
  CudaGraph& operator=(const CudaGraph&) = delete;

  bool empty() const { return graph_ == nullptr; }
  int64_t num_nodes() const { return num_nodes_; }
  void replay(const CudaContext& context) const;

 private:
  CUgraphExec_st* graph_ = nullptr;
  int64_t num_nodes_ = 0;
};

}  // namespace talon
