// `talon bench generate`: speed with and without the drafter.
#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <string>

#include "base/error.h"
#include "commands.h"
#include "measure/bench_generate.h"
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

// The fixed prompts, in data/ beside models/, installed or not.
std::string default_prompts() {
  const auto prompts = std::filesystem::path("data") / "eval" / "bench_prompts.jsonl";
  return (embedded_models_dir().parent_path() / prompts).string();
}

void bench(const BenchFlags& flags) {
  BenchGenerateSettings settings{
      .engine = resolve(flags.model),
      .prompts = load_bench_prompts(flags.prompts.empty() ? default_prompts() : flags.prompts),
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

void register_bench(CLI::App& app) {
  auto flags = std::make_shared<BenchFlags>();
  CLI::App* command = app.add_subcommand("bench", "measure speed");
  command->require_subcommand(1);
  CLI::App* task = command->add_subcommand("generate", "one request at a time, drafter on and off");
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
