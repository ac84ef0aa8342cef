// `talon bench generate`: speed with and without the drafter.
#include "measure/bench_generate.h"

#include <fmt/format.h>

#include <memory>
#include <string>

#include "base/error.h"
#include "bench.h"
#include "model_flags.h"

namespace talon {
namespace {

struct BenchFlags {
  ModelFlags model;
  std::string prompts;
  int32_t num_pairs = 10;
  int32_t max_tokens = 256;
  bool json = false;
};

void bench(const BenchFlags& flags) {
  const std::string prompts =
      flags.prompts.empty() ? eval_file("bench_prompts.jsonl") : flags.prompts;
  BenchGenerateSettings settings{.engine = resolve(flags.model),
                                 .prompts = load_bench_prompts(prompts),
                                 .num_pairs = flags.num_pairs,
                                 .max_tokens = flags.max_tokens};
  if (settings.engine.draft_model_dir.empty()) {
    throw Error(ErrorCode::kInvalidArgument,
                "draft-model: this benchmark compares with and without a drafter");
  }
  const BenchGenerateResult result = bench_generate(settings);
  fmt::print("{}\n", flags.json ? bench_generate_json(result) : bench_generate_text(result));
}

}  // namespace

void register_bench_generate(CLI::App& bench_command) {
  auto flags = std::make_shared<BenchFlags>();
  CLI::App* task =
      bench_command.add_subcommand("generate", "one request at a time, drafter on and off");
  add_model_flags(*task, flags->model);
  task->add_option("--prompts", flags->prompts, "JSON lines with kind and prompt; default: ours");
  task->add_option("--pairs", flags->num_pairs, "alternating runs over all prompts")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  task->add_option("--max-tokens", flags->max_tokens, "longest answer")->capture_default_str();
  task->add_flag("--json,!--no-json", flags->json, "print one JSON object");
  task->callback([flags] { bench(*flags); });
}

}  // namespace talon
