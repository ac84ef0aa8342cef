// The way of pages between two simulated engines, as bad as a real one may be: a peer that writes
// into memory of the engine that answers, page by page, whenever it comes to it; that goes on
// writing after a failure or a cancel until it has heard of it; that makes a copy twice; that loses
// its source. It keeps the contract of engine/handoff.h, unless it is told to break a rule, which
// the simulation must then notice.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <unordered_set>
#include <vector>

#include "sim/handoff_setup.h"
#include "sim/sim_engine.h"
#include "sim/sim_rng.h"

namespace talon::test {

enum class BrokenRule : uint8_t {
  kNone,
  kQuiescesEarly,      // says that a peer no longer writes while it does
  kArrivesEarly,       // says that pages have come of which the last one is missing
  kIgnoresGenerations  // copies a page whatever became of it meanwhile
};

struct TransportStats {
  int64_t asked = 0;
  int64_t arrived = 0;
  int64_t failed = 0;
  int64_t stopped = 0;  // by callers, while the sequence awaited KV
  int64_t copies = 0;
  int64_t late_copies = 0;    // into pages in quarantine
  int64_t stale_copies = 0;   // of pages that had become others
  int64_t skipped_pages = 0;  // of prompts, found in the cache of the engine that answers
};

class FakeTransport {
 public:
  // Both engines must outlive it. `on_end` gets answers that end by what the transport does.
  FakeTransport(SimEngine& prefill,
                SimEngine& decode,
                const HandoffSetup& setup,
                BrokenRule broken,
                std::function<void(AnswerCheck&&)> on_end);

  // `source`, if there is one, computes the prompt of the choices `sinks`, the first of which
  // awaits it.
  void start(std::optional<SeqId> source, std::vector<SeqId> sinks);
  // What happens at a moment; then no page that a peer may write was given to another.
  void tick();
  // Ends a prefill on behalf of its other side, or releases what it held.
  void drop(SeqId source);

  bool is_idle() const { return transfers_.empty(); }
  const TransportStats& stats() const { return stats_; }

 private:
  struct Copy {
    size_t index;  // in `wanted`
    PageRef from;
  };
  struct Transfer {
    enum class State : uint8_t {
      kQueued,    // nothing is asked yet
      kAsked,     // pages are open to the peer
      kStopping,  // nobody awaits them any more; they are open until the peer has heard
    };
    State state = State::kQueued;
    std::optional<SeqId> source;
    std::vector<SeqId> sinks;
    std::vector<WantedPage> wanted;
    std::vector<bool> is_there;  // of each of them
    std::vector<Copy> copies;    // on their way
    bool is_quiet = false;       // the peer has heard that it shall stop

    SeqId sink() const { return sinks.front(); }
  };

  bool advance(Transfer& transfer);
  bool advance_queued(Transfer& transfer);
  bool advance_asked(Transfer& transfer);
  bool advance_stopping(Transfer& transfer);
  void ask(Transfer& transfer);
  void begin_copy(Transfer& transfer);
  bool end_copy(Transfer& transfer);
  void arrive(Transfer& transfer);
  void fail(Transfer& transfer);
  void stop(Transfer& transfer);
  void close_pages(Transfer& transfer);
  void drop_source(Transfer& transfer);
  bool lacks_source(const Transfer& transfer) const;
  void check_pages() const;

  SimEngine& prefill_;
  SimEngine& decode_;
  TransportSetup setup_;
  SimRng rng_;
  BrokenRule broken_;
  std::function<void(AnswerCheck&&)> on_end_;
  std::vector<Transfer> transfers_;
  std::unordered_set<SeqId> admitted_;  // by the engine that answers, until their transfer is over
  TransportStats stats_;
};

}  // namespace talon::test
