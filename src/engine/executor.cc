#include "engine/executor.h"

#include "base/check.h"
#include "core/cpu_context.h"

namespace talon {
namespace {

// Whatever is queued has run when the call returns.
class CpuExecutor : public Executor {
 public:
  CpuExecutor(int32_t num_threads, CpuPath path) : context_(num_threads, path) {}

  Stream stream() override { return Stream(context_); }
  void mark(int64_t /*launch*/) override {}
  void wait(int64_t /*launch*/) override {}
  bool can_capture() const override { return false; }
  void capture(const GraphKey& /*key*/, const std::function<void()>& /*body*/) override {
    TALON_CHECK(false, "nothing is captured on the CPU");
  }
  void replay(const GraphKey& /*key*/) override {
    TALON_CHECK(false, "nothing is captured on the CPU");
  }

 private:
  CpuContext context_;
};

}  // namespace

std::unique_ptr<Executor> make_cpu_executor(int32_t num_threads, CpuPath path) {
  return std::make_unique<CpuExecutor>(num_threads, path);
}

}  // namespace talon
