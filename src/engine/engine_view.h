// What an engine is doing, for operators: values that its thread makes between two steps and others
// may read. No text and no token ids.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/ids.h"

namespace talon {

struct SequenceView {
  SeqId id;
  // "waiting", "prefilling", "running", "draining", and of handoffs "held", "awaiting_kv", "ready"
  std::string_view state;
  int64_t prompt_len = 0;
  int64_t num_tokens = 0;  // prompt and output
  int64_t kv_len = 0;      // cached positions
  int32_t num_pages = 0;
};

// The step that was committed last.
struct StepView {
  int64_t round = 0;
  int64_t num_sequences = 0;
  int64_t num_rows = 0;
  int64_t num_prefill_rows = 0;
  int64_t num_draft_rows = 0;
  bool is_ahead = false;  // planned while the one before ran
};

// Why the first waiting sequence did not get a slot in the last plan.
enum class WaitReason : uint8_t {
  kNone,        // none waits, or it was not looked at
  kSlots,       // --max-num-seqs run
  kRows,        // the step is full
  kPages,       // the KV pool is short
  kPrompt,      // its prompt is being computed by another choice of the request
  kPreemption,  // a sequence was just preempted
  kTransfers,   // as many await KV of another engine as may
};

std::string_view wait_reason_name(WaitReason reason);  // "none", "slots", ...

// A captured round, and how often it ran.
struct GraphView {
  int32_t num_sequences = 0;
  int32_t num_drafts = 0;
  int64_t num_replays = 0;
};

}  // namespace talon
