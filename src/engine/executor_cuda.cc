#include "engine/executor.h"

#include <array>
#include <map>
#include <utility>

#include "base/check.h"
#include "core/cuda/context.h"
#include "core/cuda/graph.h"

namespace talon {
namespace {

class CudaExecutor : public Executor {
 public:
  explicit CudaExecutor(Device device)
      : context_(device), marks_{CudaEvent(device), CudaEvent(device)} {}

  Stream stream() override { return context_.stream(); }
  void mark(int64_t launch) override { mark_of(launch).record(context_); }
  void wait(int64_t launch) override { mark_of(launch).synchronize(); }
  bool can_capture() const override { return true; }

  void capture(const GraphKey& key, const std::function<void()>& body) override {
    graphs_.insert_or_assign(key, CudaGraph::capture(context_, body));
  }
  void replay(const GraphKey& key) override {
    const auto graph = graphs_.find(key);
    TALON_CHECK(graph != graphs_.end(), "no graph of {} sequences and {} drafts", key.num_sequences,
                key.num_drafts);
    graph->second.replay(context_);
  }

 private:
  CudaEvent& mark_of(int64_t launch) { return marks_[static_cast<size_t>(launch) % marks_.size()]; }

  CudaContext context_;
  std::array<CudaEvent, 2> marks_;
  std::map<GraphKey, CudaGraph> graphs_;
};

}  // namespace

std::unique_ptr<Executor> make_cuda_executor(Device device) {
  return std::make_unique<CudaExecutor>(device);
}

}  // namespace talon
