#include "engine/result_ring.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace talon {
namespace {

// A log-probability, and the likeliest ids with theirs.
int64_t entry_bytes() { return int64_t{4} * (1 + 2 * kMaxTopLogprobs); }

double microseconds(int64_t from_ns, int64_t to_ns) {
  return static_cast<double>(to_ns - from_ns) / 1000.0;
}

}  // namespace

LaunchedStep::LaunchedStep(const StepPlan& plan) : round(plan.round), ahead(plan.ahead) {
  rows.reserve(plan.rows.size());
  for (const PlanRow& row : plan.rows) {
    rows.push_back({.sequence = row.sequence,
                    .first_position = row.first_position,
                    .num_rows = static_cast<int32_t>(row.num_rows()),
                    .num_drafts = std::max(0, row.num_choices() - 1),
                    .num_choices = row.num_choices(),
                    .num_logprobs = row.num_logprobs,
                    .num_prompt_logprobs = row.num_prompt_logprobs,
                    .prompt_tokens = {}});
    if (row.is_prefill() && row.num_prompt_logprobs >= 0) {
      std::vector<TokenId>& tokens = rows.back().prompt_tokens;
      tokens.assign(row.tokens.begin() + 1, row.tokens.end());
      if (!row.sample) {
        tokens.push_back(row.next_token);
      }
    }
  }
}

PositionLogprobs LogprobViews::read(int64_t entry, TokenId token, int32_t num_top) const {
  PositionLogprobs out{.chosen = {.token = token, .logprob = logprobs.as<float>()[entry]},
                       .top = {}};
  const auto* ids = top_ids.row<int32_t>(entry);
  const auto* values = top_logprobs.row<float>(entry);
  for (int32_t i = 0; i < num_top && ids[i] >= 0; ++i) {
    out.top.push_back({.token = TokenId{ids[i]}, .logprob = values[i]});
  }
  return out;
}

ResultRing::ResultRing(const StepSizes& sizes, Device device)
    : max_sequences_(sizes.max_sequences),
      max_drafts_(sizes.max_drafts),
      device_(device),
      rows_(int64_t{4} * ops::kRingEntries * sizes.max_sequences *
                ops::ring_row_words(sizes.max_drafts),
            device),
      headers_(int64_t{8} * ops::kRingEntries * ops::kRingHeaderWords, device),
      logprob_bytes_(
          ops::kRingEntries * entry_bytes() * (sizes.max_choices() + sizes.max_logit_rows()),
          device) {
  int64_t offset = 0;
  for (StepLogprobs& entry : logprobs_) {
    entry.chosen = take(offset, sizes.max_choices());
    entry.prompt = take(offset, sizes.max_logit_rows());
  }
}

LogprobViews ResultRing::take(int64_t& offset, int64_t count) const {
  const auto view = [&](DType dtype, const Shape& shape) {
    const TensorView taken(logprob_bytes_.data() + offset, dtype, shape, device_);
    offset += 4 * shape.num_elements();
    return taken;
  };
  LogprobViews views;
  views.logprobs = view(DType::kF32, Shape{count});
  views.top_ids = view(DType::kI32, Shape{count, kMaxTopLogprobs});
  views.top_logprobs = view(DType::kF32, Shape{count, kMaxTopLogprobs});
  return views;
}

TensorView ResultRing::rows() const {
  const Shape shape{ops::kRingEntries, max_sequences_, ops::ring_row_words(max_drafts_)};
  return TensorView(rows_.data(), DType::kI32, shape, device_);
}

TensorView ResultRing::headers() const {
  const Shape shape{ops::kRingEntries, ops::kRingHeaderWords};
  return TensorView(headers_.data(), DType::kI64, shape, device_);
}

StepResult ResultRing::read(int64_t launch, const LaunchedStep& step) {
  const int64_t* header = headers().row<int64_t>(launch % ops::kRingEntries);
  TALON_CHECK(header[0] == launch, "the result of launch {} where {} should be", header[0], launch);
  const int64_t* times = header + 1;
  const bool follows = last_launch_ >= 0 && last_launch_ + 1 == launch;
  StepResult result{.round = step.round,
                    .rows = {},
                    .times = {.gap_us = follows ? microseconds(last_end_ns_, times[0]) : 0.0,
                              .verify_us = microseconds(times[0], times[1]),
                              .extend_us = microseconds(times[1], times[2]),
                              .draft_us = microseconds(times[2], times[3])}};
  last_launch_ = launch;
  last_end_ns_ = times[3];
  const StepLogprobs& logprobs = this->logprobs(launch);
  const TensorView entry = rows().at(launch % ops::kRingEntries);
  int64_t first_choice = 0;
  int64_t first_prompt = 0;
  result.rows.reserve(step.rows.size());
  for (size_t b = 0; b < step.rows.size(); ++b) {
    const LaunchedStep::Row& row = step.rows[b];
    const auto* words = entry.row<int32_t>(static_cast<int64_t>(b));
    const int32_t accepted = words[ops::kRingAccepted];
    RowResult out;
    out.sequence = row.sequence;
    out.drafted = row.num_drafts;
    out.accepted = std::max(accepted, 0);
    out.kv_len = words[ops::kRingKvLen];
    const int64_t least = row.first_position + row.num_rows - row.num_drafts + out.accepted;
    TALON_CHECK(step.ahead ? out.kv_len >= least : out.kv_len == least,
                "sequence {}: {} positions, {} planned", row.sequence.value, out.kv_len, least);
    TALON_CHECK(accepted >= std::min(0, row.num_choices - 1) && accepted < row.num_choices,
                "sequence {}: {} of {} drafts accepted", row.sequence.value, accepted,
                row.num_drafts);
    const int32_t* drafts = words + ops::kRingDrafts;
    for (int32_t i = 0; i < words[ops::kRingNumDrafts]; ++i) {
      out.drafts.emplace_back(drafts[i]);
    }
    const int32_t* emitted = words + ops::ring_emitted(max_drafts_);
    for (int32_t j = 0; j <= accepted; ++j) {
      out.tokens.emplace_back(emitted[j]);
      if (row.num_logprobs >= 0) {
        out.logprobs.push_back(
            logprobs.chosen.read(first_choice + j, out.tokens.back(), row.num_logprobs));
      }
    }
    for (const TokenId token : row.prompt_tokens) {
      out.prompt_logprobs.push_back(
          logprobs.prompt.read(first_prompt++, token, row.num_prompt_logprobs));
    }
    first_choice += row.num_choices;
    result.rows.push_back(std::move(out));
  }
  return result;
}

}  // namespace talon
