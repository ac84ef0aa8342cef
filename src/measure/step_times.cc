#include "measure/step_times.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <limits>
#include <memory>
#include <optional>
#include <utility>
#include <variant>

#include "base/check.h"
#include "base/checked_int.h"
#include "base/error.h"
#include "base/log.h"
#include "base/rng.h"
#include "kv/reach.h"
#include "measure/median.h"
#include "measure/sample_text.h"
#include "spec/auto_policy.h"

namespace talon {
namespace {

using Clock = std::chrono::steady_clock;

// Steps of one number of drafts within a cycle: one to make the drafts, then timed ones.
constexpr int32_t kStepsPerVisit = 3;

// The cycles are spread over so many passes through the grid: other work on the machine comes in
// bursts, which then meet a minority of a point's samples.
constexpr int32_t kMaxPasses = 5;

// Short steps are noisy and cheap: they are repeated past the cycles asked for, up to so many in a
// pass, until a point took this long.
constexpr int32_t kManyCycles = 16;
constexpr std::chrono::milliseconds kEnoughTime(20);

int32_t num_passes(const StepGrid& grid) { return std::clamp(grid.num_cycles, 1, kMaxPasses); }

int32_t cycles_per_pass(const StepGrid& grid) {
  return static_cast<int32_t>(ceil_div(grid.num_cycles, num_passes(grid)));
}

int32_t most_cycles(const StepGrid& grid) { return std::max(kManyCycles, cycles_per_pass(grid)); }

// Tokens that a request gains in a cycle if every draft is accepted.
int64_t growth_per_cycle(int32_t max_drafts) {
  return int64_t{kStepsPerVisit} * (max_drafts + 1) * (max_drafts + 2) / 2;
}

// The same number of drafts for every sequence, set from outside between steps.
class PinnedPolicy final : public SpecPolicy {
 public:
  explicit PinnedPolicy(std::shared_ptr<const int32_t> num_drafts)
      : num_drafts_(std::move(num_drafts)) {}

  std::string_view name() const override { return "pinned"; }

  void choose(std::span<const SpecRow> rows, std::span<int32_t> num_drafts) override {
    std::transform(rows.begin(), rows.end(), num_drafts.begin(),
                   [this](const SpecRow& row) { return std::min(*num_drafts_, row.max_drafts); });
  }

 private:
  std::shared_ptr<const int32_t> num_drafts_;
};

// The drafts of a step that verifies and makes the same number for each of so many sequences.
std::optional<int32_t> uniform_drafts(const StepPlan& plan, int32_t num_sequences) {
  if (std::ssize(plan.rows) != num_sequences) {
    return std::nullopt;
  }
  const int32_t num_drafts = plan.rows.front().num_drafts;
  const bool uniform =
      std::all_of(plan.rows.begin(), plan.rows.end(), [num_drafts](const PlanRow& row) {
        return !row.is_prefill() && row.num_drafts == num_drafts &&
               row.drafts_to_make == num_drafts;
      });
  return uniform ? std::optional(num_drafts) : std::nullopt;
}

// The least rows of a step that prompts get, for a guess at how many steps they take.
constexpr int64_t kPromptRowsPerStep = 256;

// One context and powers of four do for a first table: drafts change what a step costs by its rows,
// little by how much lies behind them.
constexpr int32_t kQuickContext = 48;

// Point by point and part by part.
std::vector<StepTimes> median_of(const std::vector<std::vector<StepTimes>>& passes) {
  std::vector<StepTimes> out = passes.front();
  for (size_t i = 0; i < out.size(); ++i) {
    for (double StepTimes::* part :
         {&StepTimes::step_ms, &StepTimes::verify_ms, &StepTimes::extend_ms, &StepTimes::draft_ms,
          &StepTimes::host_ms, &StepTimes::mean_ms}) {
      std::vector<double> values;
      values.reserve(passes.size());
      for (const std::vector<StepTimes>& pass : passes) {
        values.push_back(pass[i].*part);
      }
      out[i].*part = median(std::move(values));
    }
  }
  return out;
}

// The non-descending values nearest to these in the mean square: neighbours in the wrong order are
// pooled to their mean until there are none (Ayer et al. 1955). `at` gives the place of the i-th.
template <class At>
void make_ascending(int64_t count, const At& at) {
  struct Pool {
    double sum;
    int64_t size;
  };
  std::vector<Pool> pools;
  for (int64_t i = 0; i < count; ++i) {
    Pool last{at(i), 1};
    while (!pools.empty() && pools.back().sum * static_cast<double>(last.size) >
                                 last.sum * static_cast<double>(pools.back().size)) {
      last = {pools.back().sum + last.sum, pools.back().size + last.size};
      pools.pop_back();
    }
    pools.push_back(last);
  }
  int64_t i = 0;
  for (const Pool& pool : pools) {
    for (int64_t j = 0; j < pool.size; ++j) {
      at(i++) = pool.sum / static_cast<double>(pool.size);
    }
  }
}

class StepMeter {
 public:
  StepMeter(LocalModel& model, const StepGrid& grid)
      : engine_(*model.engine), grid_(grid), text_(model.tokenizer->encode(kSampleText)) {
    TALON_CHECK(!engine_.scheduler().has_work(), "the engine is not idle");
    TALON_CHECK(!text_.empty(), "the sample text has no token");
    engine_.set_spec_policy(std::make_unique<PinnedPolicy>(num_drafts_));
    engine_.observe(
        [this](const StepPlan& plan, const StepResult& result) { observe(plan, result); });
  }

  ~StepMeter() {
    engine_.observe({});
    engine_.set_spec_policy(nullptr);
    engine_.clear_prefix_cache();
  }

  StepMeter(const StepMeter&) = delete;
  StepMeter& operator=(const StepMeter&) = delete;

  void measure(int32_t num_sequences, int32_t context, std::vector<StepTimes>& out) {
    num_sequences_ = num_sequences;
    for (Samples& samples : samples_) {
      samples = {};
    }
    *num_drafts_ = 0;
    const std::vector<Submission> submissions = submit(num_sequences, context);
    while (samples_[0].step.empty() && step()) {  // until all prompts are done
    }
    samples_[0] = {};
    const Clock::time_point start = Clock::now();
    for (int32_t cycle = 0; cycle < most_cycles(grid_); ++cycle) {
      if (cycle >= cycles_per_pass(grid_) && Clock::now() - start > kEnoughTime) {
        break;
      }
      for (int32_t k = 0; k <= engine_.max_drafts(); ++k) {
        *num_drafts_ = k;
        for (int32_t i = 0; i < kStepsPerVisit; ++i) {
          step();
        }
      }
    }
    for (int32_t k = 0; k <= engine_.max_drafts(); ++k) {
      out.push_back(times(num_sequences, context, k));
    }
    for (const Submission& submission : submissions) {
      engine_.cancel(submission.id);
    }
    while (step()) {  // rounds that were launched ahead
    }
  }

 private:
  struct Samples {
    std::vector<double> step;
    std::vector<double> verify;
    std::vector<double> extend;
    std::vector<double> draft;
    std::vector<double> host;
  };

  // Acceptance of text made up for the purpose would teach the engine a lesson that is wrong.
  bool step() {
    const bool more = engine_.step();
    engine_.forget_acceptance();
    return more;
  }

  std::vector<Submission> submit(int32_t num_sequences, int32_t context) {
    std::vector<Submission> submissions;
    for (int32_t i = 0; i < num_sequences; ++i) {
      Request request{.prompt = prompt(i, context)};
      request.max_tokens = std::numeric_limits<int32_t>::max();  // the context ends them, or we
      request.ignore_eos = true;
      request.sampling = grid_.sampling;
      request.sampling.seed = i;
      auto answer = engine_.submit(std::move(request));
      const auto* refusal = std::get_if<Refusal>(&answer);
      if (refusal != nullptr) {
        throw Error(ErrorCode::kInvalidArgument,
                    fmt::format("cost table: {}: {}", refusal->field, refusal->message));
      }
      submissions.push_back(std::get<std::vector<Submission>>(std::move(answer)).front());
    }
    return submissions;
  }

  // The sample text over and over, from a place of the sequence's own.
  std::vector<TokenId> prompt(int32_t sequence, int32_t length) const {
    const float share = uniform_float(static_cast<uint64_t>(sequence), 0, RngPurpose::kSynthetic);
    auto at = static_cast<size_t>(share * static_cast<float>(text_.size()));
    std::vector<TokenId> out;
    out.reserve(static_cast<size_t>(length));
    for (int32_t i = 0; i < length; ++i, ++at) {
      out.push_back(text_[at % text_.size()]);
    }
    return out;
  }

  void observe(const StepPlan& plan, const StepResult& result) {
    const Clock::time_point now = Clock::now();
    const double step_ms = std::chrono::duration<double, std::milli>(now - last_end_).count();
    last_end_ = now;
    const std::optional<int32_t> num_drafts = uniform_drafts(plan, num_sequences_);
    if (!num_drafts.has_value()) {
      return;
    }
    Samples& samples = samples_[static_cast<size_t>(*num_drafts)];
    const PhaseTimes& times = result.times;
    samples.step.push_back(step_ms);
    samples.verify.push_back(times.verify_us * 1e-3);
    samples.extend.push_back(times.extend_us * 1e-3);
    samples.draft.push_back(times.draft_us * 1e-3);
    const double phases_us = times.verify_us + times.extend_us + times.draft_us;
    samples.host.push_back(std::max(0.0, step_ms - phases_us * 1e-3));
  }

  StepTimes times(int32_t num_sequences, int32_t context, int32_t num_drafts) const {
    const Samples& samples = samples_[static_cast<size_t>(num_drafts)];
    if (samples.step.empty()) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("cost table: the engine cannot run {} sequences of {} tokens at once",
                              num_sequences, context));
    }
    return {.num_sequences = num_sequences,
            .context = context,
            .num_drafts = num_drafts,
            .step_ms = median(samples.step),
            .verify_ms = median(samples.verify),
            .extend_ms = median(samples.extend),
            .draft_ms = median(samples.draft),
            .host_ms = median(samples.host),
            .mean_ms = trimmed_mean(samples.step)};
  }

  Engine& engine_;
  const StepGrid& grid_;
  std::vector<TokenId> text_;
  std::shared_ptr<int32_t> num_drafts_ = std::make_shared<int32_t>(0);
  int32_t num_sequences_ = 0;
  std::array<Samples, kMaxDrafts + 1> samples_;
  Clock::time_point last_end_ = Clock::now();
};

}  // namespace

std::vector<StepTimes> measure_steps(LocalModel& model, const StepGrid& grid) {
  std::vector<std::vector<StepTimes>> passes(static_cast<size_t>(num_passes(grid)));
  StepMeter meter(model, grid);
  for (std::vector<StepTimes>& pass : passes) {
    for (const int32_t context : grid.contexts) {
      for (const int32_t num_sequences : grid.num_sequences) {
        meter.measure(num_sequences, context, pass);
      }
    }
  }
  return median_of(passes);
}

StepGrid fitting_grid(const Engine& engine, std::span<const int32_t> contexts, int32_t factor) {
  StepGrid grid;
  const int32_t num_cycles = most_cycles(grid);
  // While later prompts are computed the earlier requests go on, a token a step.
  const auto fits = [&engine, num_cycles](int64_t num_sequences, int64_t context) {
    const int64_t grown = context + num_cycles * growth_per_cycle(engine.max_drafts()) +
                          num_sequences + num_sequences * context / kPromptRowsPerStep;
    const int64_t pages = kv_reach(grown, engine.max_drafts(), 2) / kPageTokens + 1;
    return grown < engine.context_limit() &&
           num_sequences * pages <= engine.scheduler().pool().num_available();
  };
  const int32_t most = engine.max_sequences();
  for (int32_t count = 1; count < factor * most; count *= factor) {
    const int32_t num_sequences = std::min(count, most);
    if (fits(num_sequences, contexts.front()) || count == 1) {
      grid.num_sequences.push_back(num_sequences);
    }
  }
  for (const int32_t context : contexts) {
    if (fits(grid.num_sequences.back(), context) || grid.contexts.empty()) {
      grid.contexts.push_back(context);
    }
  }
  return grid;
}

namespace {

// Along the drafts of each point, then along the sequences; the second leaves the first in order.
void make_ascending(CostTable& table) {
  const auto num_drafts = static_cast<size_t>(table.max_drafts) + 1;
  const size_t num_contexts = table.contexts.size();
  const size_t num_points = table.num_sequences.size() * num_contexts;
  for (size_t point = 0; point < num_points; ++point) {
    make_ascending(static_cast<int64_t>(num_drafts), [&](int64_t k) -> double& {
      return table.step_ms[point * num_drafts + static_cast<size_t>(k)];
    });
  }
  for (size_t column = 0; column < num_contexts * num_drafts; ++column) {
    make_ascending(std::ssize(table.num_sequences), [&](int64_t s) -> double& {
      return table.step_ms[static_cast<size_t>(s) * num_contexts * num_drafts + column];
    });
  }
}

}  // namespace

CostTable cost_table_of(std::span<const StepTimes> times) {
  CostTable table;
  const auto add = [](std::vector<int32_t>& axis, int32_t point) {
    const auto at = std::lower_bound(axis.begin(), axis.end(), point);
    if (at == axis.end() || *at != point) {
      axis.insert(at, point);
    }
  };
  for (const StepTimes& point : times) {
    add(table.num_sequences, point.num_sequences);
    add(table.contexts, point.context);
    table.max_drafts = std::max(table.max_drafts, point.num_drafts);
  }
  const size_t num_drafts = static_cast<size_t>(table.max_drafts) + 1;
  const size_t size = table.num_sequences.size() * table.contexts.size() * num_drafts;
  TALON_CHECK(times.size() == size, "{} points of {}", times.size(), size);
  table.step_ms.resize(size);
  const auto place = [](const std::vector<int32_t>& axis, int32_t point) {
    return static_cast<size_t>(std::lower_bound(axis.begin(), axis.end(), point) - axis.begin());
  };
  for (const StepTimes& point : times) {
    const size_t row = place(table.num_sequences, point.num_sequences) * table.contexts.size() +
                       place(table.contexts, point.context);
    table.step_ms[row * num_drafts + static_cast<size_t>(point.num_drafts)] = point.mean_ms;
  }
  make_ascending(table);
  return table;
}

CostTable measure_cost_table(LocalModel& model, int32_t num_cycles) {
  const std::array context = {
      static_cast<int32_t>(std::min<int64_t>(kQuickContext, model.engine->context_limit() / 2))};
  StepGrid grid = fitting_grid(*model.engine, context, 4);
  TALON_CHECK(num_cycles <= kManyCycles, "pages were fitted for {} cycles", kManyCycles);
  grid.num_cycles = num_cycles;
  return cost_table_of(measure_steps(model, grid));
}

LocalModel open_measured_model(const EngineConfig& config) {
  EngineConfig untraced = config;
  untraced.trace_file.clear();  // the measured steps are no part of the run
  LocalModel model = open_local_model(untraced);
  if (config.spec_policy == SpecPolicyKind::kAuto && config.cost_table.empty() &&
      model.engine->max_drafts() > 0) {
    const Clock::time_point start = Clock::now();
    CostTable table = measure_cost_table(model);
    const std::chrono::duration<double> seconds = Clock::now() - start;
    log(LogLevel::kInfo, "measure", "cost_table_s={:.2f} sequences={} contexts={}", seconds.count(),
        table.num_sequences.size(), table.contexts.size());
    model.engine->set_spec_policy(make_auto_policy(std::move(table)));
  }
  if (!config.trace_file.empty()) {
    trace_steps(*model.engine, config.trace_file);
  }
  return model;
}

}  // namespace talon
