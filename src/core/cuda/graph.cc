#include "core/cuda/graph.h"

#include <cuda_runtime_api.h>

#include <utility>

#include "base/check.h"
#include "core/cuda/check.h"

namespace talon {

CudaEvent::CudaEvent(Device device, bool timing) {
  const cuda::CurrentDevice current(device);
  cuda_check(cudaEventCreateWithFlags(&event_, timing ? cudaEventDefault : cudaEventDisableTiming));
}

CudaEvent::~CudaEvent() {
  if (event_ != nullptr) {
    (void)cudaEventDestroy(event_);
  }
}

CudaEvent::CudaEvent(CudaEvent&& other) noexcept : event_(std::exchange(other.event_, nullptr)) {}

CudaEvent& CudaEvent::operator=(CudaEvent&& other) noexcept {
  std::swap(event_, other.event_);
  return *this;
}

void CudaEvent::record(const CudaContext& context) {
  cuda_check(cudaEventRecord(event_, context.stream_handle()));
}

void CudaEvent::make_wait(const CudaContext& context) const {
  cuda_check(cudaStreamWaitEvent(context.stream_handle(), event_, 0));
}

void CudaEvent::synchronize() const { cuda_check(cudaEventSynchronize(event_)); }

bool CudaEvent::is_done() const {
  const cudaError_t error = cudaEventQuery(event_);
  if (error == cudaErrorNotReady) {
    return false;
  }
  cuda_check(error);
  return true;
}

double CudaEvent::milliseconds_since(const CudaEvent& earlier) const {
  float milliseconds = 0.0F;
  cuda_check(cudaEventElapsedTime(&milliseconds, earlier.event_, event_));
  return static_cast<double>(milliseconds);
}

CudaGraph CudaGraph::capture(CudaContext& context, const std::function<void()>& body) {
  const cuda::CurrentDevice current(context.device());
  cuda_check(cudaStreamBeginCapture(context.stream_handle(), cudaStreamCaptureModeThreadLocal));
  body();
  cudaGraph_t graph = nullptr;
  cuda_check(cudaStreamEndCapture(context.stream_handle(), &graph));
  CudaGraph captured;
  size_t num_nodes = 0;
  cuda_check(cudaGraphGetNodes(graph, nullptr, &num_nodes));
  captured.num_nodes_ = static_cast<int64_t>(num_nodes);
  cuda_check(cudaGraphInstantiate(&captured.graph_, graph, 0));
  cuda_check(cudaGraphDestroy(graph));
  return captured;
}

CudaGraph::~CudaGraph() {
  if (graph_ != nullptr) {
    (void)cudaGraphExecDestroy(graph_);
  }
}

CudaGraph::CudaGraph(CudaGraph&& other) noexcept
    : graph_(std::exchange(other.graph_, nullptr)), num_nodes_(other.num_nodes_) {}

CudaGraph& CudaGraph::operator=(CudaGraph&& other) noexcept {
  std::swap(graph_, other.graph_);
  std::swap(num_nodes_, other.num_nodes_);
  return *this;
}

void CudaGraph::replay(const CudaContext& context) const {
  TALON_CHECK(graph_ != nullptr, "replay of an empty graph");
  cuda_check(cudaGraphLaunch(graph_, context.stream_handle()));
}

}  // namespace talon
