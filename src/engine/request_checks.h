// What a request may ask for. Everything is checked before a request can reach the scheduler, so
// that no request can make another fail; the first fault found is the answer.
#pragma once

#include <cstdint>
#include <optional>

#include "engine/request.h"

namespace talon {

struct RequestLimits {
  int64_t context_limit = 0;
  int32_t vocab_size = 0;
  int32_t max_queue_len = 0;
};

inline constexpr int32_t kMaxChoices = 16;

std::optional<Refusal> find_fault(const Request& request, const RequestLimits& limits);

}  // namespace talon
