#include "ops/draw_draft.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "base/check.h"
#include "core/cpu_context.h"
#include "ops/cpu_loop.h"
#include "ops/token_noise.h"

namespace talon::ops::cpu {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Two exponentials a logit, in units of the small ops.
constexpr int64_t kWorkPerLogit = 8;

class DraftRow {
 public:
  DraftRow(const DrawDraftArgs& args, int64_t sequence)
      : args_(args),
        sequence_(sequence),
        slot_(args.slots.as<int32_t>()[sequence]),
        temperature_(static_cast<double>(args.temperature.as<float>()[slot_])),
        logits_(args.logits.row<float>(sequence)),
        size_(args.logits.size(1)) {}

  void run() {
    for (int64_t c = 0; c < size_; ++c) {
      largest_ = std::max(largest_, value(c));
    }
    if (largest_ == -kInfinity) {  // nothing to draw from: the greedy draft stays, as a certainty
      largest_ = 0.0;
      certain_ = *args_.tokens.row<int32_t>(sequence_);
    } else {
      *args_.tokens.row<int32_t>(sequence_) = draw();
    }
    if (!args_.laws.empty()) {
      write_law();
    }
  }

 private:
  int32_t id(int64_t column) const {
    return args_.map.empty() ? static_cast<int32_t>(column) : args_.map.as<int32_t>()[column];
  }

  // logit / temperature; a finite stand-in for infinity keeps differences defined.
  double value(int64_t column) const {
    const float logit = logits_[column];
    const bool is_allowed = args_.allowed.empty() || args_.allowed.as<uint8_t>()[column] != 0;
    return is_allowed && logit == logit ? std::min(static_cast<double>(logit) / temperature_,
                                                   std::numeric_limits<double>::max())
                                        : -kInfinity;
  }

  int32_t draw() const {
    const int64_t index = int64_t{args_.kv_len.as<int32_t>()[sequence_]} + 1 + args_.number;
    TokenNoise noise(args_.seeds.as<int64_t>()[slot_], index, RngPurpose::kToken,
                     args_.laws.empty() ? 0 : args_.number + 1);
    double best = -kInfinity;
    int32_t best_id = -1;
    for (int64_t c = 0; c < size_; ++c) {
      const double logit = value(c);
      if (logit == -kInfinity || logit + TokenNoise::kLargestGumbel < best ||
          logit + noise.gumbel_bound(id(c)) < best) {
        continue;
      }
      const double score = logit + noise.gumbel(id(c));
      if (score > best || (score == best && id(c) < best_id)) {
        best = score;
        best_id = id(c);
      }
    }
    return best_id;
  }

  void write_law() const {
    float* law = args_.laws.row<float>(slot_);
    std::fill_n(law, args_.laws.size(1), 0.0F);
    if (certain_ >= 0) {
      law[certain_] = 1.0F;
      return;
    }
    double total = 0.0;
    for (int64_t c = 0; c < size_; ++c) {
      total += std::exp(value(c) - largest_);
    }
    for (int64_t c = 0; c < size_; ++c) {
      TALON_DCHECK(id(c) >= 0 && id(c) < args_.laws.size(1), "draft id {} is {}", c, id(c));
      law[id(c)] = static_cast<float>(std::exp(value(c) - largest_) / total);
    }
  }

  const DrawDraftArgs& args_;
  int64_t sequence_;
  int32_t slot_;
  double temperature_;
  const float* logits_;
  int64_t size_;
  double largest_ = -kInfinity;
  int32_t certain_ = -1;
};

}  // namespace

void draw_draft(CpuContext& context, const DrawDraftArgs& args) {
  const int64_t work = kWorkPerLogit * args.logits.size(1);
  for_rows(context, args.logits.size(0), work, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      if (args.active.as<int32_t>()[b] == 0) {
        continue;
      }
      const int32_t slot = args.slots.as<int32_t>()[b];
      TALON_CHECK(slot >= 0 && slot < args.seeds.size(0), "slot {} of {}", slot,
                  args.seeds.size(0));
      if (args.temperature.as<float>()[slot] > 0.0F) {
        DraftRow(args, b).run();
      }
    }
  });
}

}  // namespace talon::ops::cpu
