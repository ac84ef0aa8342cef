// `talon bench step`: what a step costs, and the cost table for the policy `auto`.
#include "measure/bench_step.h"

#include <fmt/format.h>

#include <fstream>
#include <memory>
#include <string>

#include "base/error.h"
#include "bench.h"
#include "model_flags.h"

namespace talon {
namespace {

struct StepFlags {
  ModelFlags model;
  BenchStepSettings settings;
  std::string cost_table;
  bool json = false;
};

void bench(const StepFlags& flags) {
  BenchStepSettings settings = flags.settings;
  settings.engine = resolve(flags.model);
  std::ofstream file;
  if (!flags.cost_table.empty()) {  // before the minutes that it takes to fill
    file.open(flags.cost_table);
    if (!file) {
      throw Error(ErrorCode::kNotFound, fmt::format("{}: cannot be written", flags.cost_table));
    }
  }
  const BenchStepResult result = bench_step(settings);
  if (file.is_open()) {
    file << to_json(result.cost_table) << '\n';
  }
  fmt::print("{}\n", flags.json ? bench_step_json(result) : bench_step_text(result));
}

}  // namespace

void register_bench_step(CLI::App& bench_command) {
  auto flags = std::make_shared<StepFlags>();
  CLI::App* task = bench_command.add_subcommand("step", "one step, by rows and context");
  add_model_flags(*task, flags->model);
  task->add_option("--num-sequences", flags->settings.num_sequences,
                   "numbers of sequences, ascending; default: powers of two that fit")
      ->delimiter(',')
      ->check(CLI::Range(1, 1024));
  task->add_option("--contexts", flags->settings.contexts, "tokens, ascending")
      ->delimiter(',')
      ->check(CLI::Range(1, 1 << 24))
      ->capture_default_str();
  task->add_option("--cycles", flags->settings.num_cycles, "each times two steps a point")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  task->add_option("--cost-table", flags->cost_table, "write the table for the policy auto");
  task->add_flag("--json,!--no-json", flags->json, "print one JSON object");
  task->callback([flags] { bench(*flags); });
}

}  // namespace talon
