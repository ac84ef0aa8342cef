// `talon generate`: text from a prompt. The example of how to use a model: open it, ask for a
// completion, take the segments as they come.
#include <fmt/format.h>

#include <fstream>
#include <memory>
#include <sstream>

#include "base/error.h"
#include "commands.h"
#include "measure/batch_file.h"
#include "measure/report.h"
#include "measure/step_times.h"
#include "model_flags.h"
#include "sampling_flags.h"
#include "stream/completion.h"
#include "terminal.h"

namespace talon {
namespace {

struct GenerateFlags {
  ModelFlags model;
  std::string prompt;
  std::string prompt_file;
  std::string input;
  std::string output;
  CompletionRequest request;
  bool json = false;
};

std::string read_prompt(const GenerateFlags& flags) {
  if (flags.prompt_file.empty()) {
    return flags.prompt;
  }
  std::ifstream in(flags.prompt_file, std::ios::binary);
  if (!in) {
    throw Error(ErrorCode::kNotFound, fmt::format("{}: cannot be read", flags.prompt_file));
  }
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

void generate(const GenerateFlags& flags) {
  LocalModel model = open_measured_model(resolve(flags.model));
  if (!flags.input.empty()) {
    run_batch_file(model, flags.request, flags.input, flags.output);
    return;
  }
  CompletionRequest request = flags.request;
  request.prompt = read_prompt(flags);
  const int32_t num_drafts = model.engine->max_drafts();
  if (flags.json) {
    fmt::print("{}\n", completions_json(complete_choices(model, request), num_drafts).dump());
    return;
  }
  Terminal terminal(stdout);
  if (request.num_choices != 1) {
    terminal.show_choices(complete_choices(model, request), num_drafts);
    return;
  }
  const Completion completion = complete(
      model, request, [&](std::span<const TextSegment> segments) { terminal.show(segments); });
  terminal.show_statistics(completion, num_drafts);
}

}  // namespace

void register_generate(CLI::App& app) {
  auto flags = std::make_shared<GenerateFlags>();
  CLI::App* command = app.add_subcommand("generate", "generate text from a prompt");
  add_model_flags(*command, flags->model);
  auto* source = command->add_option_group("prompt", "where the prompt comes from");
  source->add_option("--prompt", flags->prompt, "raw text, no template");
  source->add_option("--prompt-file", flags->prompt_file, "a file with the raw text");
  source->add_option("--input", flags->input, "JSON lines with `prompt`, one answer line each");
  source->require_option(1);
  command->add_option("--output", flags->output, "answers of --input; default: standard output");
  add_sampling_flags(*command, flags->request);
  command->add_option("--n", flags->request.num_choices, "answers, each with its own seed")
      ->capture_default_str();
  command->add_flag("--json,!--no-json", flags->json, "print one JSON object");
  command
      ->add_option("--logprobs", flags->request.num_logprobs,
                   "with --json or --input: of each token and so many likeliest ones")
      ->check(CLI::Range(0, 20));
  command->callback([flags] { generate(*flags); });
}

}  // namespace talon
