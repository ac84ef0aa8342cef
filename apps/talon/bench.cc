// `talon bench`: measure speed.
#include "bench.h"

#include <filesystem>

#include "commands.h"
#include "model_flags.h"

namespace talon {

std::string eval_file(const std::string& name) {
  const auto file = std::filesystem::path("data") / "eval" / name;
  return (embedded_models_dir().parent_path() / file).string();
}

std::vector<Gsm8kProblem> bench_problems(const std::string& file) {
  return load_gsm8k(file.empty() ? eval_file("word_problems.jsonl") : file, 0);
}

void register_bench(CLI::App& app) {
  CLI::App* command = app.add_subcommand("bench", "measure speed");
  command->require_subcommand(1);
  register_bench_generate(*command);
  register_bench_latency(*command);
  register_bench_step(*command);
  register_bench_throughput(*command);
}

}  // namespace talon
