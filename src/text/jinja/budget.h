// What one rendering may use. Every loop over data of the template or the request pays steps, and
// every text or container that is built pays bytes; whoever exceeds a limit gets a fault. One
// thread.
#pragma once

#include <cstdint>

#include "text/jinja/fault.h"

namespace talon::text {

struct RenderLimits {
  int64_t max_steps = 20'000'000;       // expressions, statements, elements of containers
  int64_t max_output_bytes = 64 << 20;  // of the result
  // Of all intermediate values together, also those that are gone: templates that build the prompt
  // by adding to a string copy it for every message.
  int64_t max_built_bytes = int64_t{1} << 30;
  int max_depth = 600;  // of nested evaluation, which is what recursion of macros costs
};

class Budget {
 public:
  explicit Budget(const RenderLimits& limits) : limits_(limits) {}

  void step(int64_t count = 1) {
    num_steps_ += count;
    if (num_steps_ > limits_.max_steps) {
      fault("more than {} evaluation steps", limits_.max_steps);
    }
  }

  // Call before the memory is taken.
  void build(int64_t bytes) {
    if (bytes > limits_.max_built_bytes - num_bytes_) {
      fault("more than {} bytes of intermediate values", limits_.max_built_bytes);
    }
    num_bytes_ += bytes;
  }
  void build(size_t bytes) { build(static_cast<int64_t>(bytes)); }

  const RenderLimits& limits() const { return limits_; }

 private:
  RenderLimits limits_;
  int64_t num_steps_ = 0;
  int64_t num_bytes_ = 0;
};

}  // namespace talon::text
