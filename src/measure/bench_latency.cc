#include "measure/bench_latency.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "measure/report.h"
#include "measure/step_times.h"
#include "stream/offline_runner.h"
#include "stream/spec_json.h"

namespace talon {
namespace {

// Requests of exactly the asked lengths: windows into the text of all problems, end to end.
std::vector<CompletionRequest> make_batch(const LocalModel& model,
                                          const BenchLatencySettings& settings) {
  std::vector<TokenId> text;
  for (const Gsm8kProblem& problem : settings.problems) {
    const std::vector<TokenId> tokens = model.tokenizer->encode(
        fmt::format("{} {}\n\n", gsm8k_prompt({}, problem.question), problem.answer));
    text.insert(text.end(), tokens.begin(), tokens.end());
  }
  std::vector<CompletionRequest> batch;
  size_t at = 0;
  for (int32_t i = 0; i < settings.batch_size; ++i) {
    CompletionRequest request;
    for (int32_t j = 0; j < settings.input_len; ++j) {
      request.prompt_tokens.push_back(text[at++ % text.size()]);
    }
    request.max_tokens = settings.output_len;
    request.ignore_eos = true;
    batch.push_back(std::move(request));
  }
  return batch;
}

// One iteration: its requests' completions.
std::vector<Completion> run_batch(LocalModel& model, const std::vector<CompletionRequest>& batch) {
  std::vector<Completion> completions;
  model.engine->clear_prefix_cache();
  OfflineRunner runner(model, [&](int64_t, Completion&& completion) {
    completions.push_back(std::move(completion));
  });
  for (const CompletionRequest& request : batch) {
    if (std::optional<Refusal> refusal = runner.submit(request)) {
      (void)completion_or_throw(std::move(*refusal));
    }
  }
  while (runner.step()) {
  }
  return completions;
}

class RoundClock {
 public:
  void observe(const StepPlan& plan, const StepResult& result) {
    const bool verifies =
        std::ranges::none_of(plan.rows, [](const PlanRow& row) { return row.is_prefill(); });
    if (verifies && follows_) {
      const PhaseTimes& times = result.times;
      round_us_.push_back(times.verify_us + times.extend_us + times.draft_us);
      gap_us_.push_back(times.gap_us);
      num_ahead_ += plan.ahead ? 1 : 0;
    }
    follows_ = verifies;
  }

  RoundTimes times() const {
    return {.num_rounds = std::ssize(gap_us_),
            .num_ahead = num_ahead_,
            .round_us_median = median(round_us_),
            .gap_us_median = median(gap_us_),
            .gap_us_p99 = percentile(gap_us_, 0.99)};
  }

 private:
  std::vector<double> round_us_;
  std::vector<double> gap_us_;
  int64_t num_ahead_ = 0;
  bool follows_ = false;  // the round before was one of verifies
};

void check(const BenchLatencySettings& settings, const Engine& engine) {
  if (int64_t{settings.input_len} + settings.output_len > engine.context_limit()) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("input-len: {} tokens and {} of output pass the context of {}",
                            settings.input_len, settings.output_len, engine.context_limit()));
  }
}

}  // namespace

BenchLatencyResult bench_latency(const BenchLatencySettings& settings) {
  LocalModel model = open_measured_model(settings.engine);
  check(settings, *model.engine);
  const std::vector<CompletionRequest> batch = make_batch(model, settings);
  std::vector<double> batch_ms;
  std::vector<double> first_token_ms;
  std::vector<double> per_token_ms;
  std::vector<double> rates;
  BenchLatencyResult result;
  RoundClock clock;
  for (int32_t i = -settings.num_warmups; i < settings.num_iterations; ++i) {
    if (i == 0 && settings.engine.trace_file.empty()) {  // one observer: a trace has it already
      model.engine->observe(
          [&clock](const StepPlan& plan, const StepResult& step) { clock.observe(plan, step); });
    }
    const auto start = std::chrono::steady_clock::now();
    const std::vector<Completion> completions = run_batch(model, batch);
    const std::chrono::duration<double, std::milli> elapsed =
        std::chrono::steady_clock::now() - start;
    if (i < 0) {
      continue;
    }
    batch_ms.push_back(elapsed.count());
    rates.push_back(1e3 * settings.batch_size * settings.output_len / elapsed.count());
    for (const Completion& completion : completions) {
      first_token_ms.push_back(completion.prefill_ms);
      per_token_ms.push_back(completion.decode_ms / std::max(1, settings.output_len - 1));
      result.stats += completion.stats;
    }
  }
  result.rounds = clock.times();
  result.batch_ms = spread(batch_ms);
  result.first_token_ms = spread(first_token_ms);
  result.per_token_ms = spread(per_token_ms);
  result.output_tokens_per_s = spread(rates);
  result.batch_size = settings.batch_size;
  result.input_len = settings.input_len;
  result.output_len = settings.output_len;
  result.num_speculative_tokens = model.engine->max_drafts();
  result.synthetic_acceptance = model.synthetic_acceptance;
  result.synthetic_weights = model.synthetic_weights;
  result.cpu_path = cpu_path_in_use(settings.engine);
  result.num_threads = threads_in_use(settings.engine);
  return result;
}

std::string bench_latency_json(const BenchLatencyResult& result) {
  Json json = {{"batch_size", result.batch_size},
               {"input_len", result.input_len},
               {"output_len", result.output_len},
               {"batch_ms", spread_json(result.batch_ms)},
               {"first_token_ms", spread_json(result.first_token_ms)},
               {"per_token_ms", spread_json(result.per_token_ms)},
               {"output_tokens_per_s", spread_json(result.output_tokens_per_s)},
               {"rounds",
                {{"num_rounds", result.rounds.num_rounds},
                 {"num_ahead", result.rounds.num_ahead},
                 {"round_us_median", result.rounds.round_us_median},
                 {"gap_us_median", result.rounds.gap_us_median},
                 {"gap_us_p99", result.rounds.gap_us_p99}}},
               {"spec", spec_json(result.stats, result.num_speculative_tokens)},
               {"cpu_path", result.cpu_path},
               {"threads", result.num_threads}};
  if (result.synthetic_acceptance) {
    json["synthetic_acceptance"] = true;
  }
  if (result.synthetic_weights) {
    json["synthetic_weights"] = true;
  }
  return json.dump(2);
}

std::string bench_latency_text(const BenchLatencyResult& result) {
  const auto line = [](std::string_view name, const Spread& value) {
    return fmt::format("  {:<24} {:>10.2f}   ({:.2f} .. {:.2f})\n", name, value.median, value.min,
                       value.max);
  };
  std::string text = fmt::format("{} requests of {} tokens in and {} out; {} threads, {} kernels\n",
                                 result.batch_size, result.input_len, result.output_len,
                                 result.num_threads, result.cpu_path);
  text += line("whole batch, ms", result.batch_ms);
  text += line("first token, ms", result.first_token_ms);
  text += line("each further token, ms", result.per_token_ms);
  text += line("output tokens/s", result.output_tokens_per_s);
  text += fmt::format(
      "  {} rounds of verifies, {} launched ahead: {:.1f} us each, gap in front {:.1f} us, p99 "
      "{:.1f}\n",
      result.rounds.num_rounds, result.rounds.num_ahead, result.rounds.round_us_median,
      result.rounds.gap_us_median, result.rounds.gap_us_p99);
  if (result.num_speculative_tokens > 0) {
    text += fmt::format("  K = {}: {:.1f} % of drafts accepted, {:.2f} tokens per forward{}\n",
                        result.num_speculative_tokens, 100.0 * result.stats.acceptance_rate(),
                        result.stats.tokens_per_forward(),
                        result.synthetic_acceptance ? " (forced)" : "");
  }
  return text;
}

}  // namespace talon
