#include "sim/sim_setup.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/checked_int.h"

namespace talon::test {
namespace {

SchedulerConfig make_scheduler_config(SimRng& rng) {
  SchedulerConfig config;
  config.has_drafter = rng.chance(0.75);
  config.max_drafts = config.has_drafter ? rng.pick<int32_t>({0, 1, 2, 3, 3, 5, 7}) : 0;
  config.context_limit =
      rng.pick<int64_t>({40, 129, 200, 256, 257, 300, 384, 512, 512, 640, 700, 900});
  const int64_t whole = ceil_div(config.context_limit, kPageTokens);
  // From exactly one full context to plenty.
  const int64_t extra = rng.pick<int64_t>({0, 0, 1, 2, 3, whole, whole + 1, 3 * whole, 8 * whole});
  config.num_pages = static_cast<int32_t>(1 + whole + extra);
  config.vocab_size = rng.pick<int32_t>({16, 64, 320, 1000});
  config.max_sequences = rng.pick<int32_t>({1, 2, 3, 4, 6, 8, 8, 16});
  config.max_rows = std::max(config.max_sequences, config.max_drafts + 1) +
                    rng.pick<int32_t>({0, 1, 3, 16, 64, 200, 600});
  config.max_logit_rows =
      config.max_sequences * (config.max_drafts + 1) + rng.pick<int32_t>({0, 0, 5, 100});
  config.max_chunk = rng.pick<int32_t>({0, 0, 0, 7, 32, 32, 128, rng.chance(0.2) ? 1 : 0});
  config.prefix_caching = rng.chance(0.75);
  config.use_priorities = rng.chance(0.4);
  config.launch_ahead = rng.chance(0.6);
  config.max_queue_len = rng.pick<int32_t>({1, 2, 8, 16, 64});
  for (int64_t i = rng.below(3); i > 0; --i) {
    config.end_token_ids.emplace_back(static_cast<int32_t>(rng.below(config.vocab_size)));
  }
  return config;
}

std::vector<TokenId> random_tokens(SimRng& rng, int64_t count, int32_t vocab_size) {
  std::vector<TokenId> tokens;
  tokens.reserve(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    tokens.emplace_back(static_cast<int32_t>(rng.below(vocab_size)));
  }
  return tokens;
}

TrafficSetup make_traffic(SimRng& rng, const SchedulerConfig& config) {
  TrafficSetup traffic;
  traffic.num_requests = static_cast<int32_t>(rng.between(10, 60));
  traffic.arrival = rng.pick<double>({0.002, 0.01, 0.05, 0.2, 0.6});
  traffic.burst = rng.pick<double>({0.0, 0.005, 0.02});
  traffic.cancel = rng.pick<double>({0.0, 0.0, 0.002, 0.01, 0.1});
  traffic.clear_cache = rng.pick<double>({0.0, 0.0, 0.001});
  traffic.max_tail = rng.pick<int32_t>({1, 4, 30, 140});
  traffic.max_answer = rng.pick<int32_t>({1, 3, 20, 60, 150, 300, 600});
  traffic.num_tail_heads = rng.pick<int32_t>({1, 2, config.vocab_size});
  // Lengths around page borders, where prefixes are found or missed by one token.
  std::vector<int64_t> lengths{0, 20, 127, 128, 129, 200, 255, 256, 256, 384, 385};
  if (rng.chance(0.35)) {
    // Short prompts and long answers at once: sequences outgrow the pool while they run.
    lengths = {0, 20, 100, 128};
    traffic.max_tail = 30;
    traffic.max_answer = static_cast<int32_t>(config.context_limit);
    traffic.arrival = 0.6;
    traffic.only_lengths_end = true;
  }
  for (int64_t i = rng.between(1, 4); i > 0; --i) {
    traffic.prefixes.push_back(random_tokens(rng, rng.pick(lengths), config.vocab_size));
  }
  return traffic;
}

}  // namespace

SimSetup make_setup(uint64_t seed) {
  SimRng rng(seed);
  SimSetup setup;
  setup.seed = seed;
  setup.scheduler = make_scheduler_config(rng);
  setup.random_policy = rng.chance(0.5);
  setup.ahead = rng.pick<double>({0.3, 0.9, 1.0});
  setup.traffic = make_traffic(rng, setup.scheduler);
  return setup;
}

std::string to_string(const SimSetup& setup) {
  const SchedulerConfig& config = setup.scheduler;
  return fmt::format(
      "pages={} context={} vocab={} sequences={} rows={} logit_rows={} chunk={} drafter={} K={} "
      "prefixes={} priorities={} ahead={} queue={} requests={} cancel={}",
      config.num_pages, config.context_limit, config.vocab_size, config.max_sequences,
      config.max_rows, config.max_logit_rows, config.max_chunk, config.has_drafter,
      config.max_drafts, config.prefix_caching, config.use_priorities, config.launch_ahead,
      config.max_queue_len, setup.traffic.num_requests, setup.traffic.cancel);
}

}  // namespace talon::test
