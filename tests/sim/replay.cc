#include "sim/replay.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <unordered_set>
#include <utility>

#include "engine/step_trace.h"
#include "sim/fake_runner.h"

namespace talon::test {
namespace {

// Gives back what the recorded run chose and drafted.
class RecordedRun final : public RowSource {
 public:
  void load(const StepResult& result) { result_ = &result; }

  RowOutcome run(const RowInput& input) override {
    const auto& rows = result_->rows;
    const auto it = std::find_if(rows.begin(), rows.end(), [&input](const RowResult& row) {
      return row.sequence == input.row.sequence;
    });
    return {.tokens = it->tokens, .drafts = it->drafts};
  }

 private:
  const StepResult* result_ = nullptr;
};

class Replay {
 public:
  ReplayReport run(std::istream& in) {
    std::string line;
    try {
      while (report_.fault.empty() && std::getline(in, line)) {
        ++report_.line;
        if (!line.empty()) {
          take_line(line);
        }
      }
      if (report_.line == 0) {
        report_.fault = "the trace is empty";
      }
    } catch (const Violation& violation) {
      report_.fault = violation.what();
    }
    report_.sequences = std::ssize(sequences_);
    return report_;
  }

 private:
  void take_line(const std::string& line) {
    if (runner_ == nullptr) {
      Result<StepBounds> bounds = parse_bounds(line);
      if (accepted(bounds)) {
        bounds_ = bounds.value();
        runner_ = std::make_unique<FakeRunner>(bounds_, source_);
      }
    } else if (is_plan_line(line)) {
      Result<StepPlan> plan = parse_plan(line, bounds_);
      if (accepted(plan)) {
        plans_.push_back(std::move(plan).value());
      }
    } else {
      Result<StepResult> result = parse_result(line, bounds_);
      if (accepted(result)) {
        run_step(result.value());
      }
    }
  }

  template <class T>
  bool accepted(const Result<T>& result) {
    if (!result.ok()) {
      report_.fault = result.message();
    }
    return result.ok();
  }

  // The device runs plans in order, whenever their results are read.
  void run_step(const StepResult& recorded) {
    if (plans_.empty() || plans_.front().round != recorded.round) {
      throw Violation(fmt::format("a result of round {} without its plan", recorded.round));
    }
    const StepPlan plan = std::move(plans_.front());
    plans_.pop_front();
    check_members(plan, recorded);
    source_.load(recorded);
    runner_->launch(plan);
    const StepResult result = runner_->wait();
    for (size_t i = 0; i < result.rows.size(); ++i) {
      check_row(result.rows[i], recorded.rows[i]);
      report_.tokens += std::ssize(result.rows[i].tokens);
      sequences_.insert(result.rows[i].sequence);
    }
    ++report_.steps;
  }

  static void check_members(const StepPlan& plan, const StepResult& result) {
    const bool equal =
        std::equal(plan.rows.begin(), plan.rows.end(), result.rows.begin(), result.rows.end(),
                   [](const PlanRow& a, const RowResult& b) { return a.sequence == b.sequence; });
    if (!equal) {
      throw Violation("the result has other rows than the plan");
    }
  }

  static void check_row(const RowResult& ours, const RowResult& theirs) {
    if (ours.kv_len != theirs.kv_len || ours.drafted != theirs.drafted ||
        ours.accepted != theirs.accepted) {
      throw Violation(fmt::format(
          "sequence {}: the run says kv_len {}, {} of {} accepted; it must be {}, {} of {}",
          ours.sequence.value, theirs.kv_len, theirs.accepted, theirs.drafted, ours.kv_len,
          ours.accepted, ours.drafted));
    }
  }

  RecordedRun source_;
  StepBounds bounds_;
  std::unique_ptr<FakeRunner> runner_;  // from the first line on
  std::deque<StepPlan> plans_;
  std::unordered_set<SeqId> sequences_;
  ReplayReport report_;
};

}  // namespace

ReplayReport replay(std::istream& in) { return Replay().run(in); }

}  // namespace talon::test
