#include "ops/token_logprobs.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "base/check.h"
#include "core/cpu_context.h"
#include "ops/cpu_loop.h"

namespace talon::ops::cpu {
namespace {

constexpr float kLowest = -std::numeric_limits<float>::infinity();

// An exponential a logit, in units of the small ops.
constexpr int64_t kWorkPerLogit = 4;

struct Row {
  const float* logits;
  const uint8_t* allowed;
  int64_t size;

  // What a NaN and an id without a token count as. A finite stand-in for infinity keeps
  // differences defined.
  float value(int64_t id) const {
    const float logit = logits[id];
    return allowed[id] != 0 && logit == logit ? std::min(logit, std::numeric_limits<float>::max())
                                              : kLowest;
  }
};

// log(sum of exp); minus infinity if there is nothing to sum.
double log_total(const Row& row) {
  float largest = kLowest;
  for (int64_t id = 0; id < row.size; ++id) {
    largest = std::max(largest, row.value(id));
  }
  if (largest == kLowest) {
    return -std::numeric_limits<double>::infinity();
  }
  double sum = 0.0;
  for (int64_t id = 0; id < row.size; ++id) {
    sum += std::exp(static_cast<double>(row.value(id)) - static_cast<double>(largest));
  }
  return static_cast<double>(largest) + std::log(sum);
}

float logprob(float value, double total) {
  return value == kLowest ? kLowest : static_cast<float>(static_cast<double>(value) - total);
}

// Keeps the largest seen, in order, in the places of the output. Ids come ascending, so an equal
// one goes behind.
void list_top(const Row& row, double total, int64_t num_top, int32_t* ids, float* logprobs) {
  int64_t num_kept = 0;
  for (int64_t id = 0; num_top > 0 && id < row.size; ++id) {
    const float value = row.value(id);
    if (row.allowed[id] == 0 || (num_kept == num_top && !(value > logprobs[num_kept - 1]))) {
      continue;
    }
    int64_t place = num_kept < num_top ? num_kept++ : num_kept - 1;
    for (; place > 0 && logprobs[place - 1] < value; --place) {
      ids[place] = ids[place - 1];
      logprobs[place] = logprobs[place - 1];
    }
    ids[place] = static_cast<int32_t>(id);
    logprobs[place] = value;
  }
  for (int64_t i = 0; i < num_top; ++i) {
    ids[i] = i < num_kept ? ids[i] : -1;
    logprobs[i] = i < num_kept ? logprob(logprobs[i], total) : kLowest;
  }
}

}  // namespace

void token_logprobs(CpuContext& context, const TokenLogprobsArgs& args) {
  const int64_t vocabulary = args.logits.size(1);
  const int64_t most = args.top_ids.size(1);
  const auto* rows = args.rows.as<int32_t>();
  const auto* tokens = args.tokens.as<int32_t>();
  const auto* num_top = args.num_top.as<int32_t>();
  for_rows(context, args.rows.size(0), kWorkPerLogit * vocabulary, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      if (tokens[i] < 0 || num_top[i] < 0) {
        continue;
      }
      TALON_CHECK(rows[i] >= 0 && rows[i] < args.logits.size(0), "row {} of {}", rows[i],
                  args.logits.size(0));
      TALON_CHECK(tokens[i] < vocabulary, "token {} of {}", tokens[i], vocabulary);
      TALON_CHECK(num_top[i] <= most, "the first {} of {}", num_top[i], most);
      const Row row = {.logits = args.logits.row<float>(rows[i]),
                       .allowed = args.allowed.as<uint8_t>(),
                       .size = vocabulary};
      const double total = log_total(row);
      args.logprobs.as<float>()[i] = logprob(row.value(tokens[i]), total);
      list_top(row, total, num_top[i], args.top_ids.as<int32_t>() + i * most,
               args.top_logprobs.as<float>() + i * most);
    }
  });
}

}  // namespace talon::ops::cpu
