// The check of an engine on a GPU before it serves: a fixed prompt, and the answer that captured
// rounds and drafts give to it, are looked through by an engine of the same model on the CPU. It
// finds wrong kernels, wrong weights in memory and wrong graphs; not a wrong checkpoint.
#pragma once

#include <cstdint>
#include <optional>

#include "stream/local_model.h"

namespace talon {

struct SelfTestBounds {
  double mean_difference = 0.0;  // of log-probabilities, nats
  double answer_gap = 0.0;       // nats
};

// What the arithmetic of two devices may differ by, with room; faults are off by whole nats.
SelfTestBounds self_test_bounds(ActivationType dtype);

struct SelfTestReport {
  int32_t num_prompt_tokens = 0;
  int32_t num_answer_tokens = 0;
  double mean_difference = 0.0;  // between the prompt tokens' log-probabilities, nats
  double answer_gap = 0.0;       // the most by which the reference prefers another answer token
};

// Both engines must be idle and have the same model. They are left idle, with empty prefix caches
// and nothing learnt of acceptance.
SelfTestReport compare_engines(LocalModel& tested, LocalModel& reference);

// Beyond so many bytes of weights a copy on the CPU takes too long to be part of a start.
inline constexpr int64_t kMaxSelfTestBytes = int64_t{8} << 30;

// Compares the model, which runs with `config`, with one on the CPU. None if there is nothing to
// compare: it runs on the CPU itself, or is larger than `max_bytes`, which is logged. Throws Error
// (kUnavailable) if they differ by more than the bounds.
std::optional<SelfTestReport> self_test(LocalModel& model,
                                        const EngineConfig& config,
                                        int64_t max_bytes = kMaxSelfTestBytes);

}  // namespace talon
