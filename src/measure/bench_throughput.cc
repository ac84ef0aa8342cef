#include "measure/bench_throughput.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "base/json.h"
#include "measure/median.h"
#include "measure/report.h"
#include "measure/step_times.h"
#include "spec/auto_policy.h"
#include "stream/offline_runner.h"

namespace talon {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kNone = 0;
constexpr size_t kEagle3 = 1;
constexpr size_t kAuto = 2;

// The seed on 4 MI355 at 8k in and 1k out, K = 3 (spec/eagle3.md 12.2).
struct SeedUplift {
  int32_t concurrency;
  double percent;
};
constexpr std::array kSeedUplifts = {SeedUplift{4, 63.2}, SeedUplift{8, 43.0}, SeedUplift{16, 42.4},
                                     SeedUplift{32, 22.9}, SeedUplift{64, 14.5}};

// A benchmark takes the time for a steady table.
constexpr int32_t kTableCycles = 12;

struct Run {
  double total_tokens_per_s = 0.0;
  double output_tokens_per_s = 0.0;
  SpecStats stats{};
};

// Two engines: without a drafter, and with one, whose policy changes from run to run. Fixed and
// `auto` so share weights and pages, and no luck of the allocator stands between them.
struct Models {
  LocalModel none;
  LocalModel drafting;
};

Models open_models(const BenchThroughputSettings& settings) {
  EngineConfig config = settings.engine;
  config.enable_prefix_caching = false;
  config.trace_file.clear();
  for (const int32_t concurrency : settings.concurrency) {
    config.max_num_seqs = std::max(config.max_num_seqs, concurrency);
    config.max_queue_len = std::max(config.max_queue_len, concurrency);
  }
  config.max_num_batched_tokens = std::max(config.max_num_batched_tokens, config.max_num_seqs);
  config.spec_policy = SpecPolicyKind::kFixed;
  EngineConfig none = config;
  none.draft_model_dir.clear();
  none.acceptance_length = 0.0;
  return {open_local_model(none), open_local_model(config)};
}

void find_cost_table(LocalModel& model, BenchThroughputResult& result) {
  const Clock::time_point start = Clock::now();
  if (result.cost_table.empty()) {
    result.cost_table = measure_cost_table(model, kTableCycles);
    const std::chrono::duration<double> elapsed = Clock::now() - start;
    result.cost_table_s = elapsed.count();
  }
}

// The model of a row's engine, with that engine's policy.
LocalModel& prepare(Models& models, size_t engine, const CostTable& table) {
  if (engine == kNone) {
    return models.none;
  }
  models.drafting.engine->set_spec_policy(engine == kAuto ? make_auto_policy(table) : nullptr);
  return models.drafting;
}

Run run(LocalModel& model, const BenchThroughputSettings& settings, int32_t concurrency) {
  Run out;
  int64_t num_ended = 0;
  const int64_t wanted =
      settings.num_prompts > 0 ? settings.num_prompts : std::max(32, 4 * concurrency);
  OfflineRunner runner(model, [&](int64_t, Completion&& completion) {
    ++num_ended;
    out.stats += completion.stats;
  });
  const Clock::time_point start = Clock::now();
  while (num_ended < wanted) {
    while (runner.num_in_flight() < concurrency) {
      const auto next = static_cast<size_t>(runner.num_submitted()) % settings.problems.size();
      std::optional<Refusal> refusal =
          runner.submit({.prompt = gsm8k_prompt({}, settings.problems[next].question),
                         .max_tokens = settings.max_tokens,
                         .output = {.stop = {"Question:"}}});
      if (refusal.has_value()) {
        (void)completion_or_throw(std::move(*refusal));
      }
    }
    runner.step();
  }
  const std::chrono::duration<double> elapsed = Clock::now() - start;
  const auto output = static_cast<double>(runner.num_output_tokens());
  const auto prompts = static_cast<double>(runner.num_prompt_tokens());
  out.output_tokens_per_s = output / elapsed.count();
  out.total_tokens_per_s = (output + prompts) / elapsed.count();
  return out;
}

using Repetition = std::array<Run, kThroughputEngines.size()>;

ThroughputRow summarise_row(int32_t concurrency, const std::vector<Repetition>& repetitions) {
  ThroughputRow row{.concurrency = concurrency};
  const auto median_of = [&repetitions](const auto& value) {
    std::vector<double> values;
    values.reserve(repetitions.size());
    for (const Repetition& repetition : repetitions) {
      values.push_back(value(repetition));
    }
    return median(std::move(values));
  };
  const auto total = [](const Repetition& runs, size_t engine) {
    return runs[engine].total_tokens_per_s;
  };
  for (size_t i = 0; i < row.engines.size(); ++i) {
    row.engines[i].total_tokens_per_s =
        median_of([&](const Repetition& runs) { return total(runs, i); });
    row.engines[i].output_tokens_per_s =
        median_of([&](const Repetition& runs) { return runs[i].output_tokens_per_s; });
    for (const Repetition& repetition : repetitions) {
      row.engines[i].stats += repetition[i].stats;
    }
  }
  row.uplift = median_of(
      [&](const Repetition& runs) { return total(runs, kEagle3) / total(runs, kNone) - 1.0; });
  row.uplift_auto = median_of(
      [&](const Repetition& runs) { return total(runs, kAuto) / total(runs, kNone) - 1.0; });
  // The better one is found by its median: the better one of each repetition would be the one that
  // happened to be disturbed less.
  const bool drafts_pay =
      row.engines[kEagle3].total_tokens_per_s > row.engines[kNone].total_tokens_per_s;
  row.auto_of_best = median_of([&](const Repetition& runs) {
    return total(runs, kAuto) / total(runs, drafts_pay ? kEagle3 : kNone);
  });
  return row;
}

std::string seed_text(int32_t concurrency) {
  const auto at =
      std::find_if(kSeedUplifts.begin(), kSeedUplifts.end(),
                   [concurrency](const SeedUplift& s) { return s.concurrency == concurrency; });
  return at == kSeedUplifts.end() ? "" : fmt::format("{:+.0f} %", at->percent);
}

Json engine_json(const EngineThroughput& engine) {
  return {{"total_tokens_per_s", engine.total_tokens_per_s},
          {"output_tokens_per_s", engine.output_tokens_per_s},
          {"acceptance_rate", engine.stats.acceptance_rate()},
          {"tokens_per_forward", engine.stats.tokens_per_forward()}};
}

}  // namespace

BenchThroughputResult bench_throughput(const BenchThroughputSettings& settings,
                                       const BenchProgress& progress) {
  BenchThroughputResult result;
  result.cost_table = settings.engine.cost_table;
  Models models = open_models(settings);
  find_cost_table(models.drafting, result);
  constexpr size_t kNumEngines = kThroughputEngines.size();
  const int64_t num_runs =
      std::ssize(settings.concurrency) * settings.num_repetitions * int64_t{kNumEngines};
  int64_t num_done = 0;
  for (const int32_t concurrency : settings.concurrency) {
    for (size_t engine = 0; engine < kNumEngines; ++engine) {  // warms caches; not counted
      (void)run(prepare(models, engine, result.cost_table), settings, concurrency);
    }
    std::vector<Repetition> repetitions(static_cast<size_t>(settings.num_repetitions));
    for (size_t i = 0; i < repetitions.size() * kNumEngines; ++i) {
      const size_t r = i / kNumEngines;
      const size_t engine = (r + i) % kNumEngines;  // who begins changes every time
      repetitions[r][engine] =
          run(prepare(models, engine, result.cost_table), settings, concurrency);
      ++num_done;
      if (progress) {
        progress(num_done, num_runs);
      }
    }
    result.rows.push_back(summarise_row(concurrency, repetitions));
  }
  result.num_speculative_tokens = models.drafting.engine->max_drafts();
  result.num_repetitions = settings.num_repetitions;
  result.synthetic_acceptance = models.drafting.synthetic_acceptance;
  result.synthetic_weights = models.drafting.synthetic_weights;
  result.peak_memory_bytes = peak_memory_bytes();
  result.cpu_path = cpu_path_in_use(settings.engine);
  result.num_threads = threads_in_use(settings.engine);
  return result;
}

std::string bench_throughput_json(const BenchThroughputResult& result) {
  Json rows = Json::array();
  for (const ThroughputRow& row : result.rows) {
    Json json = {{"concurrency", row.concurrency}};
    for (size_t i = 0; i < row.engines.size(); ++i) {
      json[kThroughputEngines[i]] = engine_json(row.engines[i]);
    }
    json["uplift"] = row.uplift;
    json["uplift_auto"] = row.uplift_auto;
    json["auto_of_best"] = row.auto_of_best;
    rows.push_back(std::move(json));
  }
  Json report = {{"rows", std::move(rows)},
                 {"num_speculative_tokens", result.num_speculative_tokens},
                 {"repetitions", result.num_repetitions},
                 {"prefix_cache", false},
                 {"cost_table", Json::parse(to_json(result.cost_table))},
                 {"cost_table_s", result.cost_table_s},
                 {"peak_memory_bytes", result.peak_memory_bytes},
                 {"cpu_path", result.cpu_path},
                 {"threads", result.num_threads}};
  if (result.synthetic_acceptance) {
    report["synthetic_acceptance"] = true;
  }
  if (result.synthetic_weights) {
    report["synthetic_weights"] = true;
  }
  return report.dump(2);
}

std::string bench_throughput_text(const BenchThroughputResult& result) {
  std::string text = fmt::format(
      "{} threads, {} kernels, K = {}, prefix cache off; medians of {} interleaved repetitions\n"
      "total tokens/s (prompts and answers), and acceptance, tokens per forward\n"
      "{:>11} {:>8} {:>8} {:>8}  {:>7} {:>7} {:>7}  {:>12} {:>12} {:>12}\n",
      result.num_threads, result.cpu_path, result.num_speculative_tokens, result.num_repetitions,
      "concurrency", "none", "eagle3", "auto", "uplift", "auto", "seed", "auto of best", "eagle3",
      "auto");
  const auto acceptance = [](const EngineThroughput& engine) {
    return fmt::format("{:.3f}, {:.2f}", engine.stats.acceptance_rate(),
                       engine.stats.tokens_per_forward());
  };
  for (const ThroughputRow& row : result.rows) {
    text += fmt::format(
        "{:>11} {:>8.0f} {:>8.0f} {:>8.0f}  {:>+5.0f} % {:>+5.0f} % {:>7}  {:>12.3f} {:>12} "
        "{:>12}\n",
        row.concurrency, row.engines[kNone].total_tokens_per_s,
        row.engines[kEagle3].total_tokens_per_s, row.engines[kAuto].total_tokens_per_s,
        100.0 * row.uplift, 100.0 * row.uplift_auto, seed_text(row.concurrency), row.auto_of_best,
        acceptance(row.engines[kEagle3]), acceptance(row.engines[kAuto]));
  }
  text += "seed: 4 MI355, 8k tokens in and 1k out, K = 3\n";
  if (result.synthetic_weights) {
    text += "the weights are random: speed only, the answers mean nothing\n";
  }
  if (result.synthetic_acceptance) {
    text += "acceptance was forced: speed only, the answers mean nothing\n";
  }
  return text;
}

}  // namespace talon
