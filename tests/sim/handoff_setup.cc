#include "sim/handoff_setup.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/checked_int.h"

namespace talon::test {

HandoffSetup make_handoff_setup(uint64_t seed) {
  SimRng rng(seed ^ 0x4A4D0FF);
  HandoffSetup setup;
  setup.seed = seed;
  setup.decode = make_setup(seed);
  setup.prefill = make_setup(mix64(seed)).scheduler;
  const SchedulerConfig& decode = setup.decode.scheduler;
  SchedulerConfig& prefill = setup.prefill;
  // Two engines of one model; K, sizes and settings may differ.
  prefill.has_drafter = decode.has_drafter;
  prefill.max_drafts = decode.has_drafter ? prefill.max_drafts : 0;
  prefill.vocab_size = decode.vocab_size;
  prefill.end_token_ids = decode.end_token_ids;
  prefill.context_limit = decode.context_limit;
  const int64_t whole = ceil_div(prefill.context_limit, kPageTokens);
  prefill.num_pages =
      static_cast<int32_t>(1 + whole + rng.pick<int64_t>({0, 0, 1, 2, whole, 8 * whole}));
  // Both sides are full now and then, and mostly not.
  prefill.max_queue_len = rng.pick<int32_t>({4, 64, 64, 64});
  setup.decode.scheduler.max_queue_len = std::max(16, decode.max_queue_len);
  setup.handoff = rng.pick<double>({0.5, 0.8, 1.0});
  setup.local_prefill = rng.pick<double>({0.1, 0.5});
  setup.early = rng.pick<double>({0.0, 0.5, 1.0});
  setup.transport = {.activity = rng.pick<double>({0.05, 0.3, 0.8}),
                     .landing = rng.pick<double>({0.02, 0.2, 0.7}),
                     .failure = rng.pick<double>({0.0, 0.002, 0.02, 0.1}),
                     .expiry = rng.pick<double>({0.0005, 0.0005, 0.003, 0.02}),
                     .duplicate = rng.pick<double>({0.0, 0.2}),
                     .recompute = rng.pick<double>({0.0, 0.5, 1.0})};
  return setup;
}

std::string to_string(const HandoffSetup& setup) {
  const SchedulerConfig& prefill = setup.prefill;
  const TransportSetup& transport = setup.transport;
  return fmt::format(
      "prefill: pages={} sequences={} rows={} chunk={} K={} prefixes={}\n  decode: {}\n"
      "  handoff={} early={} activity={} landing={} failure={} expiry={} duplicate={} recompute={}",
      prefill.num_pages, prefill.max_sequences, prefill.max_rows, prefill.max_chunk,
      prefill.max_drafts, prefill.prefix_caching, to_string(setup.decode), setup.handoff,
      setup.early, transport.activity, transport.landing, transport.failure, transport.expiry,
      transport.duplicate, transport.recompute);
}

}  // namespace talon::test
