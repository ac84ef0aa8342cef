// `talon bench latency`: one batch of fixed lengths.
#include "measure/bench_latency.h"

#include <fmt/format.h>

#include <memory>
#include <string>

#include "bench.h"
#include "model_flags.h"

namespace talon {
namespace {

struct LatencyFlags {
  ModelFlags model;
  BenchLatencySettings settings;
  std::string data;
  bool json = false;
};

void bench(const LatencyFlags& flags) {
  BenchLatencySettings settings = flags.settings;
  settings.engine = resolve(flags.model);
  settings.problems = bench_problems(flags.data);
  const BenchLatencyResult result = bench_latency(settings);
  fmt::print("{}\n", flags.json ? bench_latency_json(result) : bench_latency_text(result));
}

}  // namespace

void register_bench_latency(CLI::App& bench_command) {
  auto flags = std::make_shared<LatencyFlags>();
  BenchLatencySettings& settings = flags->settings;
  CLI::App* task = bench_command.add_subcommand("latency", "one batch of fixed lengths");
  add_model_flags(*task, flags->model);
  const CLI::Range count(1, 1 << 24);
  task->add_option("--batch-size", settings.batch_size, "requests")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  task->add_option("--input-len", settings.input_len, "tokens")
      ->check(count)
      ->capture_default_str();
  task->add_option("--output-len", settings.output_len, "tokens")
      ->check(count)
      ->capture_default_str();
  task->add_option("--num-iters", settings.num_iterations, "timed batches")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  task->add_option("--num-iters-warmup", settings.num_warmups, "batches before")
      ->check(CLI::Range(0, 10000))
      ->capture_default_str();
  task->add_option("--data", flags->data,
                   "JSON lines whose text prompts are cut of; default: ours");
  task->add_flag("--json,!--no-json", flags->json, "print one JSON object");
  task->callback([flags] { bench(*flags); });
}

}  // namespace talon
