// What a scheduler tells of pages that travel between engines: values. The bytes are moved by
// others, who hold no references: they compare generations (kv/page_pool.h) before and after each
// copy.
#pragma once

#include <cstdint>
#include <vector>

#include "kv/page_pool.h"

namespace talon {

// What a prompt that is prefilled for a handoff has to give at this moment.
struct OfferedKv {
  // By ordinal: page i holds positions [128 i, 128 (i + 1)). Full pages only while it prefills, the
  // last one, which may be partly filled, once all is computed.
  std::vector<PageRef> pages;
  // Positions of them that are final in all planes of target and drafter.
  int64_t num_positions = 0;
  bool is_complete = false;  // all of [0, n - 1) for a prompt of n tokens: it is held
};

// A page that a sequence waits for. Only the peer that was asked for it may write it, and it may do
// so until it says that it no longer will.
struct WantedPage {
  int64_t ordinal = 0;  // in the prompt: positions [128 i, 128 (i + 1))
  PageRef ref;

  friend bool operator==(const WantedPage&, const WantedPage&) = default;
};

// What becomes of a sequence whose KV does not come.
enum class OnKvFailure : uint8_t {
  kRecompute,  // it waits in its place in the order of service and computes its prompt here
  kEnd,        // it and the choices that wait for its prompt end with kHandoffFailed
};

}  // namespace talon
