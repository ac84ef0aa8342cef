#include "ops/verify_block.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include "base/check.h"
#include "core/cpu_context.h"
#include "ops/cpu_loop.h"
#include "ops/token_noise.h"

namespace talon::ops::cpu {
namespace {

// A difference a probability for each row of a sequence, in units of the small ops.
constexpr int64_t kWorkPerLaw = 2;

// What is left of a target's law, scaled, above a draft's.
struct Residual {
  const float* target;
  const float* draft;
  double weight;
  int64_t size;

  double at(int64_t id) const {
    const double above = weight * static_cast<double>(target[id]) - static_cast<double>(draft[id]);
    return std::max(above, 0.0);
  }
  double sum() const {
    double total = 0.0;
    for (int64_t id = 0; id < size; ++id) {
      total += at(id);
    }
    return total;
  }
};

// The largest log residual + noise; `otherwise` if nothing is left, which rounding alone can bring.
int32_t draw(const Residual& residual, TokenNoise noise, int32_t otherwise) {
  double best = -std::numeric_limits<double>::infinity();
  int32_t best_id = otherwise;
  for (int32_t id = 0; id < residual.size; ++id) {
    const double left = residual.at(id);
    if (left > 0.0) {
      const double score = std::log(left) + noise.gumbel(id);
      best_id = score > best ? id : best_id;
      best = std::max(best, score);
    }
  }
  return best_id;
}

class Block {
 public:
  Block(const VerifyBlockArgs& args, int64_t sequence)
      : args_(args),
        sequence_(sequence),
        slot_(args.slots.as<int32_t>()[sequence]),
        first_(args.first_choice.as<int32_t>()[sequence]),
        num_drafts_(args.num_drafts.as<int32_t>()[sequence]),
        seed_(args.seeds.as<int64_t>()[slot_]) {
    TALON_CHECK(
        num_drafts_ <= args.drafts.size(1) && first_ + num_drafts_ < args.target_laws.size(0),
        "sequence {} has choices {} + {} of {}", sequence, first_, num_drafts_,
        args.target_laws.size(0));
  }

  void run() const {
    const ConstTensorView target = args_.target_laws.rows(first_, num_drafts_ + 1);
    const ConstTensorView draft = args_.draft_laws.at(slot_);
    const BlockChances chances = block_chances(
        target, draft,
        std::span(args_.drafts.row<int32_t>(sequence_), static_cast<size_t>(num_drafts_)));
    int32_t accepted = num_drafts_;
    while (accepted > 0 && !(uniform(accepted) < chances.chance[static_cast<size_t>(accepted)])) {
      --accepted;
    }
    const int32_t choice = args_.choices.as<int32_t>()[first_ + accepted];
    args_.accepted.as<int32_t>()[sequence_] = accepted;
    if (accepted == num_drafts_) {
      args_.next_token.as<int32_t>()[sequence_] = choice;
      return;
    }
    const Residual residual = {.target = target.row<float>(accepted),
                               .draft = draft.row<float>(accepted),
                               .weight = chances.weight[static_cast<size_t>(accepted)],
                               .size = target.size(1)};
    args_.next_token.as<int32_t>()[sequence_] =
        draw(residual, TokenNoise(seed_, index(accepted), RngPurpose::kToken), choice);
  }

 private:
  // Of the token of row i.
  int64_t index(int32_t i) const { return args_.indices.as<int32_t>()[first_ + i]; }

  // u_i, of draft i = 1..k, the token of row i - 1.
  double uniform(int32_t i) const {
    return TokenNoise(seed_, index(i - 1), RngPurpose::kAccept, i).uniform(0);
  }

  const VerifyBlockArgs& args_;
  int64_t sequence_;
  int32_t slot_;
  int64_t first_;
  int32_t num_drafts_;
  int64_t seed_;
};

}  // namespace

BlockChances block_chances(const ConstTensorView& target_laws,
                           const ConstTensorView& draft_laws,
                           std::span<const int32_t> drafts) {
  BlockChances out;
  const size_t num_drafts = drafts.size();
  out.weight[0] = out.chance[0] = 1.0;
  for (size_t i = 1; i <= num_drafts; ++i) {
    const auto row = static_cast<int64_t>(i) - 1;
    const int32_t id = drafts[i - 1];
    TALON_CHECK(id >= 0 && id < target_laws.size(1), "draft {} of {}", id, target_laws.size(1));
    const auto p = static_cast<double>(target_laws.row<float>(row)[id]);
    const auto q = static_cast<double>(draft_laws.row<float>(row)[id]);
    out.weight[i] = q > 0.0 ? std::min(out.weight[i - 1] * p / q, 1.0) : 0.0;
    if (i == num_drafts) {
      out.chance[i] = out.weight[i];
      break;
    }
    const Residual residual = {.target = target_laws.row<float>(row + 1),
                               .draft = draft_laws.row<float>(row + 1),
                               .weight = out.weight[i],
                               .size = target_laws.size(1)};
    const double left = residual.sum();
    const double total = left + 1.0 - out.weight[i];
    out.chance[i] = total > 0.0 ? left / total : 1.0;
  }
  return out;
}

void verify_block(CpuContext& context, const VerifyBlockArgs& args) {
  const int64_t work = kWorkPerLaw * (args.drafts.size(1) + 1) * args.target_laws.size(1);
  for_rows(context, args.first_choice.size(0), work, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      if (args.first_choice.as<int32_t>()[b] < 0 || args.num_drafts.as<int32_t>()[b] == 0) {
        continue;
      }
      const int32_t slot = args.slots.as<int32_t>()[b];
      TALON_CHECK(slot >= 0 && slot < args.seeds.size(0), "slot {} of {}", slot,
                  args.seeds.size(0));
      if (args.temperature.as<float>()[slot] > 0.0F) {
        Block(args, b).run();
      }
    }
  });
}

}  // namespace talon::ops::cpu
