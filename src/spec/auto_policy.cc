#include "spec/auto_policy.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"

namespace talon {
namespace {

// What k = 0..max_drafts would give in one step.
struct Outlook {
  int32_t max_drafts = 0;                       // K of this step
  std::array<double, kMaxDrafts + 1> tokens{};  // expected, of all sequences
  std::array<double, kMaxDrafts + 1> cost_ms{};
  // What position j of one sequence adds to the step; entry 0 is unused.
  std::array<double, kMaxDrafts + 1> row_ms{};
  // Sequences expected to pass position j and to have room for one more.
  std::array<double, kMaxDrafts + 1> open{};

  double rate(int32_t k) const {
    return tokens[static_cast<size_t>(k)] / cost_ms[static_cast<size_t>(k)];
  }
};

class AutoPolicy final : public SpecPolicy {
 public:
  AutoPolicy(CostTable table, const AutoPolicySettings& settings)
      : table_(std::move(table)), settings_(settings) {}

  std::string_view name() const override { return "auto"; }

  void choose(std::span<const SpecRow> rows, std::span<int32_t> num_drafts) override {
    TALON_CHECK(rows.size() == num_drafts.size(), "{} rows, {} results", rows.size(),
                num_drafts.size());
    if (rows.empty()) {
      return;
    }
    const Outlook outlook = look_ahead(rows);
    const int32_t k = settle(outlook);
    const bool probe = is_probe_due();
    const int32_t step_k = probe && could_pay(outlook, k) ? k + 1 : k;
    for (size_t i = 0; i < rows.size(); ++i) {
      const int32_t limit = std::min(step_k, rows[i].max_drafts);
      // One sequence alone is what k was chosen for.
      const bool keep = probe || rows.size() == 1;
      num_drafts[i] = keep ? limit : worth(rows[i], limit, outlook, outlook.rate(k));
    }
  }

 private:
  Outlook look_ahead(std::span<const SpecRow> rows) const {
    Outlook out;
    double context = 0.0;
    for (const SpecRow& row : rows) {
      out.max_drafts = std::max(out.max_drafts, row.max_drafts);
      context += static_cast<double>(row.num_tokens);
    }
    out.max_drafts = std::min(out.max_drafts, table_.max_drafts);
    for (const SpecRow& row : rows) {
      add_row(row, out);
    }
    const auto num_rows = static_cast<double>(rows.size());
    context /= num_rows;
    double slope_below = 0.0;
    for (int32_t k = 0; k <= out.max_drafts; ++k) {
      const auto at = static_cast<size_t>(k);
      out.tokens[at] += num_rows;
      out.cost_ms[at] = table_.at(num_rows, context, k);
      const double slope = out.cost_ms[at] - table_.at(num_rows - 1.0, context, k);
      if (k > 0) {
        // What drafting costs whatever the number of sequences is not saved by trimming one, so
        // the difference along sequences counts; its noise is bounded by the share of the whole.
        const double share = std::max(0.0, out.cost_ms[at] - out.cost_ms[at - 1]) / num_rows;
        out.row_ms[at] = std::clamp(slope - slope_below, 0.0, share);
      }
      slope_below = slope;
    }
    return out;
  }

  static void add_row(const SpecRow& row, Outlook& out) {
    double sum = 0.0;
    double survival = 1.0;
    for (int32_t k = 0; k <= out.max_drafts; ++k) {
      if (k > 0 && k <= row.max_drafts) {
        survival = row.survival->at(k);
        sum += survival;
      }
      out.tokens[static_cast<size_t>(k)] += sum;
      out.open[static_cast<size_t>(k)] += k < row.max_drafts ? survival : 0.0;
    }
  }

  // The k of this and the following steps.
  int32_t settle(const Outlook& outlook) {
    int32_t best = 0;
    for (int32_t k = 1; k <= outlook.max_drafts; ++k) {
      best = outlook.rate(k) > outlook.rate(best) ? k : best;
    }
    const int32_t current = std::min(k_, outlook.max_drafts);
    const double gain = outlook.rate(best) / outlook.rate(current) - 1.0;
    num_better_steps_ = gain > settings_.small_gain ? num_better_steps_ + 1 : 0;
    ++num_steady_steps_;
    if (gain <= settings_.clear_gain && num_better_steps_ < settings_.patience) {
      return current;
    }
    k_ = best;
    num_better_steps_ = 0;
    num_steady_steps_ = 0;
    return best;
  }

  bool is_probe_due() {
    if (num_steady_steps_ < settings_.probe_period) {
      return false;
    }
    num_steady_steps_ = 0;
    return true;
  }

  // Whether some k above this one would win if all its further positions were accepted.
  static bool could_pay(const Outlook& outlook, int32_t k) {
    double tokens = outlook.tokens[static_cast<size_t>(k)];
    for (int32_t above = k + 1; above <= outlook.max_drafts; ++above) {
      tokens += outlook.open[static_cast<size_t>(k)];
      if (tokens / outlook.cost_ms[static_cast<size_t>(above)] > outlook.rate(k)) {
        return true;
      }
    }
    return false;
  }

  // The number of drafts, at most `limit`, with the largest surplus over what their rows cost.
  int32_t worth(const SpecRow& row, int32_t limit, const Outlook& outlook, double rate) const {
    const double price = rate * (1.0 - settings_.trim_margin);
    int32_t best = 0;
    double best_surplus = 0.0;
    double surplus = 0.0;
    for (int32_t j = 1; j <= limit; ++j) {
      surplus += row.survival->at(j) - price * outlook.row_ms[static_cast<size_t>(j)];
      if (surplus >= best_surplus) {
        best = j;
        best_surplus = surplus;
      }
    }
    return best;
  }

  CostTable table_;
  AutoPolicySettings settings_;
  int32_t k_ = kMaxDrafts;        // as many as there may be, until a gain is seen
  int32_t num_better_steps_ = 0;  // in a row, in which another k was better by a small gain
  int32_t num_steady_steps_ = 0;  // since k changed or a probe was made
};

}  // namespace

std::unique_ptr<SpecPolicy> make_auto_policy(CostTable table, const AutoPolicySettings& settings) {
  TALON_CHECK(!table.empty(), "the policy auto without a cost table");
  return std::make_unique<AutoPolicy>(std::move(table), settings);
}

}  // namespace talon
