#include "measure/eval_gsm8k.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <utility>

#include "base/hash.h"
#include "measure/report.h"
#include "stream/offline_runner.h"
#include "stream/spec_json.h"

namespace talon {
namespace {

double share(int64_t part, int64_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

double standard_error(double mean, int64_t count) {
  return count < 2 ? 0.0 : std::sqrt(mean * (1.0 - mean) / static_cast<double>(count - 1));
}

void score(Accuracy& accuracy, const std::string& text, const Gsm8kProblem& problem) {
  ++accuracy.count;
  accuracy.strict += gsm8k_agrees(gsm8k_strict_match(text), problem.answer) ? 1 : 0;
  accuracy.flexible += gsm8k_agrees(gsm8k_flexible_extract(text), problem.answer) ? 1 : 0;
}

Json accuracy_json(const Accuracy& accuracy) {
  return {{"strict_match", accuracy.strict_match()},
          {"flexible_extract", accuracy.flexible_extract()}};
}

Json stderr_json(const Accuracy& accuracy) {
  return {{"strict_match", accuracy.stderr_strict()},
          {"flexible_extract", accuracy.stderr_flexible()}};
}

CompletionRequest gsm8k_request(const EvalSettings& settings, const Gsm8kProblem& problem) {
  return {.prompt = gsm8k_prompt(settings.examples, problem.question),
          .max_tokens = settings.max_tokens,
          .output = {.stop = {"Question:"}}};
}

}  // namespace

double Accuracy::strict_match() const { return share(strict, count); }
double Accuracy::flexible_extract() const { return share(flexible, count); }
double Accuracy::stderr_strict() const { return standard_error(strict_match(), count); }
double Accuracy::stderr_flexible() const { return standard_error(flexible_extract(), count); }

EvalResult eval_gsm8k(LocalModel& model,
                      const EvalSettings& settings,
                      const EvalProgress& progress) {
  const auto start = std::chrono::steady_clock::now();
  EvalResult result;
  result.synthetic_acceptance = model.synthetic_acceptance;
  result.synthetic_weights = model.synthetic_weights;
  HashStream digest;
  std::vector<CompletionRequest> requests;
  requests.reserve(settings.problems.size());
  for (const Gsm8kProblem& problem : settings.problems) {
    requests.push_back(gsm8k_request(settings, problem));
  }
  complete_all(model, requests, [&](int64_t index, CompletionOutcome&& outcome) {
    const Completion completion = completion_or_throw(std::move(outcome));
    const Gsm8kProblem& problem = settings.problems[static_cast<size_t>(index)];
    digest.update(std::as_bytes(std::span(completion.tokens)));
    result.stats += completion.stats;
    result.completion_tokens += std::ssize(completion.tokens);
    result.num_cut += completion.finish_reason == FinishReason::kLength ? 1 : 0;
    score(result.all, completion.text, problem);
    if (!problem.slice.empty()) {
      score(result.slices[problem.slice], completion.text, problem);
    }
    if (progress) {
      progress(result.all.count, result.all);
    }
  });
  result.output_digest = to_hex(digest.digest());
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  result.seconds = elapsed.count();
  return result;
}

std::string eval_report_json(const EvalResult& result, int32_t num_speculative_tokens) {
  Json slices = Json::object();
  for (const auto& [name, accuracy] : result.slices) {
    slices[name] = {{"limit", accuracy.count},
                    {"accuracy", accuracy_json(accuracy)},
                    {"stderr", stderr_json(accuracy)}};
  }
  Json report = {{"limit", result.all.count},
                 {"accuracy", accuracy_json(result.all)},
                 {"stderr", stderr_json(result.all)},
                 {"slices", slices},
                 {"output_digest", result.output_digest},
                 {"completion_tokens", result.completion_tokens},
                 {"ended_by_length", result.num_cut},
                 {"seconds", result.seconds},
                 {"spec", spec_json(result.stats, num_speculative_tokens)}};
  if (result.synthetic_acceptance) {
    report["synthetic_acceptance"] = true;
  }
  if (result.synthetic_weights) {
    report["synthetic_weights"] = true;
  }
  return report.dump(2);
}

std::string eval_report_text(const EvalResult& result, int32_t num_speculative_tokens) {
  const auto row = [](const std::string& name, const Accuracy& accuracy) {
    return fmt::format("{:<16} {:>6}  {:.4f} +- {:.4f}  {:.4f} +- {:.4f}\n", name, accuracy.count,
                       accuracy.strict_match(), accuracy.stderr_strict(),
                       accuracy.flexible_extract(), accuracy.stderr_flexible());
  };
  std::string text = fmt::format("{:<16} {:>6}  {:<16}  {:<16}\n", "slice", "count", "strict_match",
                                 "flexible_extract");
  for (const auto& [name, accuracy] : result.slices) {
    text += row(name, accuracy);
  }
  text += row("all", result.all);
  text += fmt::format("output_digest {}\n", result.output_digest);
  text += fmt::format("{} tokens in {:.1f} s", result.completion_tokens, result.seconds);
  if (num_speculative_tokens > 0) {
    text += fmt::format("; K = {}: acceptance_rate {:.4f}, tokens_per_forward {:.3f}",
                        num_speculative_tokens, result.stats.acceptance_rate(),
                        result.stats.tokens_per_forward());
  }
  if (result.synthetic_acceptance) {
    text += "\nacceptance was forced: the answers mean nothing";
  }
  if (result.synthetic_weights) {
    text += "\nthe weights are random: the answers mean nothing";
  }
  return text + "\n";
}

}  // namespace talon
