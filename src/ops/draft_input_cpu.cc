#include "ops/draft_input.h"

#include "core/cpu_context.h"
#include "core/tensor_view.h"
#include "ops/embedding.h"
#include "ops/rms_norm.h"

namespace talon::ops::cpu {

// Composed of the plain ops, which is the contract.

void group_norm(CpuContext& context, const GroupNormArgs& args) {
  const int64_t hidden = args.gains.size(1);
  for (int64_t a = 0; a < args.gains.size(0); ++a) {
    rms_norm(context, {.out = args.out.columns(a * hidden, hidden),
                       .x = args.taps.columns(a * hidden, hidden),
                       .gain = args.gains.at(a),
                       .eps = args.eps,
                       .form = GainForm::kPlain});
  }
}

void embed_norm_concat(CpuContext& context, const EmbedNormConcatArgs& args) {
  const int64_t hidden = args.table.size(1);
  const TensorView embedded = args.out.columns(0, hidden);
  embedding(context, {.out = embedded, .ids = args.ids, .table = args.table});
  rms_norm(context, {.out = embedded,
                     .x = embedded,
                     .gain = args.embed_gain,
                     .eps = args.eps,
                     .form = GainForm::kPlain});
  rms_norm(context, {.out = args.out.columns(hidden, hidden),
                     .x = args.hidden,
                     .gain = args.hidden_gain,
                     .eps = args.eps,
                     .form = GainForm::kPlain});
}

}  // namespace talon::ops::cpu
