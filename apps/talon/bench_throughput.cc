// `talon bench throughput`: tokens a second by concurrency, with and without drafts.
#include "measure/bench_throughput.h"

#include <fmt/format.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "base/error.h"
#include "bench.h"
#include "model_flags.h"

namespace talon {
namespace {

struct ThroughputFlags {
  ModelFlags model;
  BenchThroughputSettings settings;
  std::string data;
  bool json = false;
};

void bench(const ThroughputFlags& flags) {
  BenchThroughputSettings settings = flags.settings;
  settings.engine = resolve(flags.model);
  settings.problems = bench_problems(flags.data);
  if (settings.engine.draft_model_dir.empty() || settings.engine.num_speculative_tokens == 0) {
    throw Error(ErrorCode::kInvalidArgument,
                "draft-model: this benchmark compares with and without drafts");
  }
  BenchProgress progress;
  if (isatty(STDERR_FILENO) == 1) {
    progress = [](int64_t done, int64_t total) {
      fmt::print(stderr, "\rrun {} of {}{}", done, total, done == total ? "\n" : "");
    };
  }
  const BenchThroughputResult result = bench_throughput(settings, progress);
  fmt::print("{}\n", flags.json ? bench_throughput_json(result) : bench_throughput_text(result));
}

}  // namespace

void register_bench_throughput(CLI::App& bench_command) {
  auto flags = std::make_shared<ThroughputFlags>();
  BenchThroughputSettings& settings = flags->settings;
  CLI::App* task = bench_command.add_subcommand(
      "throughput", "a number of requests at once: no drafts, fixed drafts, auto");
  add_model_flags(*task, flags->model);
  task->add_option("--concurrency", settings.concurrency, "requests in flight")
      ->delimiter(',')
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  task->add_option("--num-prompts", settings.num_prompts,
                   "that end in a run; 0: four a request in flight, at least 32")
      ->check(CLI::Range(0, 1 << 20))
      ->capture_default_str();
  task->add_option("--repetitions", settings.num_repetitions, "runs of each engine, interleaved")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  task->add_option("--max-tokens", settings.max_tokens, "longest answer")->capture_default_str();
  task->add_option("--data", flags->data, "JSON lines with question and answer; default: ours");
  task->add_flag("--json,!--no-json", flags->json, "print one JSON object");
  task->callback([flags] { bench(*flags); });
}

}  // namespace talon
