#include "measure/bench_step.h"

#include <fmt/format.h>

#include "base/check.h"
#include "base/json.h"
#include "measure/report.h"

namespace talon {
namespace {

StepGrid grid_of(const BenchStepSettings& settings, const Engine& engine) {
  StepGrid grid = fitting_grid(engine, settings.contexts);
  if (!settings.num_sequences.empty()) {
    grid.num_sequences = settings.num_sequences;
    grid.contexts = settings.contexts;  // as asked for, or an error
  }
  grid.num_cycles = settings.num_cycles;
  return grid;
}

}  // namespace

BenchStepResult bench_step(const BenchStepSettings& settings) {
  LocalModel model = open_local_model(settings.engine);
  StepGrid grid = grid_of(settings, *model.engine);
  const std::vector<StepTimes> greedy = measure_steps(model, grid);
  grid.sampling.temperature = 1.0F;
  grid.sampling.top_p = 0.95F;
  const std::vector<StepTimes> sampled = measure_steps(model, grid);
  TALON_CHECK(greedy.size() == sampled.size(), "{} and {} points", greedy.size(), sampled.size());
  BenchStepResult result;
  for (size_t i = 0; i < greedy.size(); ++i) {
    result.points.push_back(
        {.greedy = greedy[i], .sampling_ms = sampled[i].verify_ms - greedy[i].verify_ms});
  }
  result.cost_table = cost_table_of(greedy);
  result.cpu_path = cpu_path_in_use(settings.engine);
  result.num_threads = threads_in_use(settings.engine);
  return result;
}

std::string bench_step_json(const BenchStepResult& result) {
  Json points = Json::array();
  for (const BenchStepPoint& point : result.points) {
    const StepTimes& times = point.greedy;
    points.push_back({{"num_sequences", times.num_sequences},
                      {"context", times.context},
                      {"num_drafts", times.num_drafts},
                      {"rows", times.num_sequences * (1 + times.num_drafts)},
                      {"step_ms", times.step_ms},
                      {"verify_ms", times.verify_ms},
                      {"extend_ms", times.extend_ms},
                      {"draft_ms", times.draft_ms},
                      {"host_ms", times.host_ms},
                      {"sampling_ms", point.sampling_ms}});
  }
  return Json{{"points", std::move(points)},
              {"cost_table", Json::parse(to_json(result.cost_table))},
              {"cpu_path", result.cpu_path},
              {"threads", result.num_threads}}
      .dump(2);
}

std::string bench_step_text(const BenchStepResult& result) {
  std::string text =
      fmt::format("{} threads, {} kernels; medians in ms\n", result.num_threads, result.cpu_path);
  int32_t context = 0;
  for (const BenchStepPoint& point : result.points) {
    const StepTimes& times = point.greedy;
    if (times.context != context) {
      context = times.context;
      text += fmt::format("context {}\n{:>9} {:>6} {:>5} {:>8} {:>8} {:>8} {:>8} {:>8} {:>9}\n",
                          context, "sequences", "drafts", "rows", "step", "verify", "extend",
                          "draft", "host", "sampling");
    }
    text +=
        fmt::format("{:>9} {:>6} {:>5} {:>8.3f} {:>8.3f} {:>8.3f} {:>8.3f} {:>8.3f} {:>+9.3f}\n",
                    times.num_sequences, times.num_drafts,
                    times.num_sequences * (1 + times.num_drafts), times.step_ms, times.verify_ms,
                    times.extend_ms, times.draft_ms, times.host_ms, point.sampling_ms);
  }
  return text +
         "verify: target over the rows, choice, acceptance; draft: all chain steps; host: plan, "
         "batch, commit;\nsampling: what top-p sampling adds to verify\n";
}

}  // namespace talon
