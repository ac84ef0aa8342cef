// `talon eval gsm8k`: accuracy on a file in GSM8K's form.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <span>
#include <string>

#include "base/error.h"
#include "commands.h"
#include "measure/eval_gsm8k.h"
#include "measure/step_times.h"
#include "model_flags.h"

namespace talon {
namespace {

struct EvalFlags {
  ModelFlags model;
  std::string data;
  std::string fewshot_data;
  int64_t limit = 0;
  int64_t num_fewshot = 0;
  int32_t max_tokens = 512;
  bool json = false;
};

// A bar on standard error, drawn only for a person.
EvalProgress progress_bar(int64_t total) {
  if (isatty(STDERR_FILENO) != 1) {
    return {};
  }
  return [total](int64_t done, const Accuracy& so_far) {
    constexpr int64_t kWidth = 40;
    const auto filled = static_cast<size_t>(kWidth * done / total);
    fmt::print(stderr, "\r[{:<40}] {}/{}  strict {:.3f}{}", std::string(filled, '#'), done, total,
               so_far.strict_match(), done == total ? "\n" : "");
  };
}

void eval(const EvalFlags& flags) {
  EvalSettings settings{.problems = load_gsm8k(flags.data, flags.limit),
                        .examples = {},
                        .max_tokens = flags.max_tokens};
  if (flags.num_fewshot > 0) {
    settings.examples = load_gsm8k(flags.fewshot_data, flags.num_fewshot);
    if (std::ssize(settings.examples) < flags.num_fewshot) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("num-fewshot: {} holds {} examples", flags.fewshot_data,
                              settings.examples.size()));
    }
  }
  LocalModel model = open_measured_model(resolve(flags.model));
  const EvalResult result =
      eval_gsm8k(model, settings, progress_bar(std::ssize(settings.problems)));
  const int32_t num_drafts = model.engine->max_drafts();
  fmt::print("{}\n", flags.json ? eval_report_json(result, num_drafts)
                                : eval_report_text(result, num_drafts));
}

}  // namespace

void register_eval(CLI::App& app) {
  auto flags = std::make_shared<EvalFlags>();
  CLI::App* command = app.add_subcommand("eval", "measure accuracy");
  command->require_subcommand(1);
  CLI::App* task = command->add_subcommand("gsm8k", "grade-school word problems");
  add_model_flags(*task, flags->model);
  task->add_option("--data", flags->data, "JSON lines with question and answer")->required();
  task->add_option("--limit", flags->limit, "first problems only; 0: all")
      ->check(CLI::NonNegativeNumber);
  CLI::Option* examples =
      task->add_option("--fewshot-data", flags->fewshot_data, "worked examples");
  task->add_option("--num-fewshot", flags->num_fewshot, "examples before each question")
      ->check(CLI::NonNegativeNumber)
      ->needs(examples);
  task->add_option("--max-tokens", flags->max_tokens, "longest answer")->capture_default_str();
  task->add_flag("--json,!--no-json", flags->json, "print one JSON object");
  task->callback([flags] { eval(*flags); });
}

}  // namespace talon
