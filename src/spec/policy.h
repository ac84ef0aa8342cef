// How many drafts each sequence makes: host only, pure arithmetic on committed results, no clock.
// Owned by the scheduler and called from the engine's thread. The drafts of a step are verified in
// the next one.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "spec/survival.h"

namespace talon {

// One sequence of the step that will be followed by a verify.
struct SpecRow {
  int64_t num_tokens = 0;              // its context
  int32_t max_drafts = 0;              // its own limit, at most the engine's K
  const Survival* survival = nullptr;  // its running acceptance; never null
};

class SpecPolicy {
 public:
  virtual ~SpecPolicy() = default;

  virtual std::string_view name() const = 0;

  // num_drafts[i] in 0..rows[i].max_drafts; the spans have one length.
  virtual void choose(std::span<const SpecRow> rows, std::span<int32_t> num_drafts) = 0;
};

// Always as many as the request and the engine allow.
std::unique_ptr<SpecPolicy> make_fixed_policy();

}  // namespace talon
