#include "measure/bench_generate.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <utility>

#include "base/check.h"
#include "base/error.h"
#include "base/json.h"
#include "measure/report.h"
#include "stream/completion.h"
#include "stream/spec_json.h"

namespace talon {
namespace {

// What one engine did with all prompts of one kind in one pass.
struct Pass {
  double decode_ms = 0.0;
  int64_t num_tokens = 0;
  std::vector<TokenId> tokens;
  SpecStats stats;

  double tokens_per_s() const { return 1e3 * static_cast<double>(num_tokens) / decode_ms; }
};

Pass run_pass(LocalModel& model, const BenchGenerateSettings& settings, const std::string& kind) {
  Pass pass;
  for (const BenchPrompt& prompt : settings.prompts) {
    if (prompt.kind != kind) {
      continue;
    }
    const Completion completion = complete(
        model, {.prompt = prompt.prompt, .max_tokens = settings.max_tokens, .output = {}}, {});
    pass.decode_ms += completion.decode_ms;
    pass.num_tokens += std::max<int64_t>(std::ssize(completion.tokens) - 1, 0);
    pass.tokens.insert(pass.tokens.end(), completion.tokens.begin(), completion.tokens.end());
    pass.stats += completion.stats;
  }
  return pass;
}

// Collects the target's time of decode steps with `num_rows` rows.
void collect_step_times(Engine& engine, int64_t num_rows, std::vector<double>& out) {
  engine.observe([num_rows, &out](const StepPlan& plan, const StepResult& result) {
    const PlanRow& row = plan.rows.front();
    if (plan.rows.size() == 1 && !row.is_prefill() && row.num_rows() == num_rows) {
      out.push_back(result.times.verify_us * 1e-3);
    }
  });
}

BenchKind run_kind(LocalModel& none,
                   LocalModel& eagle3,
                   const BenchGenerateSettings& settings,
                   const std::string& kind) {
  BenchKind out{.kind = kind};
  std::vector<double> speedups;
  std::vector<double> none_rates;
  std::vector<double> eagle3_rates;
  out.num_prompts = std::count_if(settings.prompts.begin(), settings.prompts.end(),
                                  [&kind](const BenchPrompt& p) { return p.kind == kind; });
  for (int32_t pair = 0; pair < settings.num_pairs; ++pair) {
    // The order alternates, so that neither side always runs on the warmer machine.
    const bool none_first = pair % 2 == 0;
    Pass first = run_pass(none_first ? none : eagle3, settings, kind);
    Pass second = run_pass(none_first ? eagle3 : none, settings, kind);
    const Pass& without = none_first ? first : second;
    const Pass& with = none_first ? second : first;
    out.outputs_equal = out.outputs_equal && without.tokens == with.tokens;
    out.stats = with.stats;
    none_rates.push_back(without.tokens_per_s());
    eagle3_rates.push_back(with.tokens_per_s());
    speedups.push_back(with.tokens_per_s() / without.tokens_per_s());
  }
  out.speedup = spread(speedups);
  out.none_tokens_per_s = spread(none_rates);
  out.eagle3_tokens_per_s = spread(eagle3_rates);
  return out;
}

std::vector<std::string> kinds_of(const std::vector<BenchPrompt>& prompts) {
  std::vector<std::string> kinds;
  for (const BenchPrompt& prompt : prompts) {
    if (std::find(kinds.begin(), kinds.end(), prompt.kind) == kinds.end()) {
      kinds.push_back(prompt.kind);
    }
  }
  return kinds;
}

std::string required_string(const Json& line, const char* name, const std::string& place) {
  if (!line.is_object() || !line.contains(name) || !line[name].is_string()) {
    throw Error(ErrorCode::kCorruptFile,
                fmt::format("{}: field \"{}\" is missing or no string", place, name));
  }
  return line[name].get<std::string>();
}

}  // namespace

std::vector<BenchPrompt> load_bench_prompts(const std::filesystem::path& file) {
  std::ifstream in(file);
  if (!in) {
    throw Error(ErrorCode::kNotFound, fmt::format("{}: cannot be read", file.string()));
  }
  std::vector<BenchPrompt> prompts;
  std::string text;
  for (int64_t number = 1; std::getline(in, text); ++number) {
    const std::string place = fmt::format("{}:{}", file.string(), number);
    const Result<Json> line = parse_json(text);
    if (!line.ok()) {
      throw Error(ErrorCode::kCorruptFile, fmt::format("{}: {}", place, line.message()));
    }
    prompts.push_back({.kind = required_string(line.value(), "kind", place),
                       .prompt = required_string(line.value(), "prompt", place)});
  }
  if (prompts.empty()) {
    throw Error(ErrorCode::kCorruptFile, fmt::format("{}: holds no prompt", file.string()));
  }
  return prompts;
}

BenchGenerateResult bench_generate(const BenchGenerateSettings& settings) {
  EngineConfig baseline = settings.engine;
  baseline.draft_model_dir.clear();
  LocalModel none = open_local_model(baseline);
  LocalModel eagle3 = open_local_model(settings.engine);
  std::vector<double> one_row_ms;
  std::vector<double> verify_ms;
  const int32_t num_drafts = settings.engine.num_speculative_tokens;
  collect_step_times(*none.engine, 1, one_row_ms);
  collect_step_times(*eagle3.engine, num_drafts + 1, verify_ms);

  BenchGenerateResult result;
  for (const std::string& kind : kinds_of(settings.prompts)) {
    run_pass(none, settings, kind);  // warms caches and branch predictors; not counted
    run_pass(eagle3, settings, kind);
    one_row_ms.clear();
    verify_ms.clear();
    result.kinds.push_back(run_kind(none, eagle3, settings, kind));
    if (result.kinds.size() == 1) {  // the first kind, problems, speaks for the step times
      result.step_ms_one_row = median(one_row_ms);
      result.step_ms_verify = median(verify_ms);
    }
  }
  result.peak_memory_bytes = peak_memory_bytes();
  result.cpu_path = cpu_path_in_use(settings.engine);
  result.num_threads = threads_in_use(settings.engine);
  result.num_speculative_tokens = num_drafts;
  return result;
}

std::string bench_generate_json(const BenchGenerateResult& result) {
  Json kinds = Json::object();
  for (const BenchKind& kind : result.kinds) {
    kinds[kind.kind] = {{"prompts", kind.num_prompts},
                        {"speedup", spread_json(kind.speedup)},
                        {"tokens_per_s",
                         {{"none", spread_json(kind.none_tokens_per_s)},
                          {"eagle3", spread_json(kind.eagle3_tokens_per_s)}}},
                        {"outputs_equal", kind.outputs_equal},
                        {"spec", spec_json(kind.stats, result.num_speculative_tokens)}};
  }
  Json report = kinds.begin().value();  // the first kind at the top, as users look for it there
  report["step_ms"] = {
      {"q1", result.step_ms_one_row},
      {fmt::format("q{}", result.num_speculative_tokens + 1), result.step_ms_verify}};
  report["kinds"] = kinds;
  report["peak_memory_bytes"] = result.peak_memory_bytes;
  report["cpu_path"] = result.cpu_path;
  report["threads"] = result.num_threads;
  return report.dump(2);
}

std::string bench_generate_text(const BenchGenerateResult& result) {
  std::string text = fmt::format("{} threads, {} kernels, K = {}\n", result.num_threads,
                                 result.cpu_path, result.num_speculative_tokens);
  for (const BenchKind& kind : result.kinds) {
    text += fmt::format(
        "{}s ({} prompts)\n"
        "  without drafter   {:8.0f} tokens/s\n"
        "  with EAGLE-3      {:8.0f} tokens/s\n"
        "  speed-up          {:8.2f}x   ({:.2f} .. {:.2f})\n"
        "  acceptance rate   {:8.1f} %\n"
        "  tokens/forward    {:8.2f}\n"
        "  same tokens       {:>8}\n",
        kind.kind, kind.num_prompts, kind.none_tokens_per_s.median, kind.eagle3_tokens_per_s.median,
        kind.speedup.median, kind.speedup.min, kind.speedup.max,
        100.0 * kind.stats.acceptance_rate(), kind.stats.tokens_per_forward(),
        kind.outputs_equal ? "yes" : "NO");
  }
  return text + fmt::format(
                    "target step: {:.3f} ms with 1 row, {:.3f} ms with {} rows\n"
                    "peak memory: {:.0f} MB\n",
                    result.step_ms_one_row, result.step_ms_verify,
                    result.num_speculative_tokens + 1,
                    static_cast<double>(result.peak_memory_bytes) * 1e-6);
}

}  // namespace talon
