// A step without a model: plan rows, drafts and logits as plain values, turned into the arrays that
// a Verifier reads. What a BatchBuilder does is not repeated in full: rows, choices and logits
// only.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/check.h"
#include "core/shape.h"
#include "core/tensor_view.h"
#include "engine/batch_builder.h"
#include "engine/result_ring.h"
#include "engine/step_plan.h"
#include "engine/verifier.h"
#include "tests/ops/choose_fixture.h"

namespace talon::test {

using Row = std::vector<float>;

inline std::vector<TokenId> token_ids(const std::vector<int32_t>& ids) {
  std::vector<TokenId> tokens;
  tokens.reserve(ids.size());
  for (const int32_t id : ids) {
    tokens.emplace_back(id);
  }
  return tokens;
}

// The slot of settings written for ops: allowed ids and penalties go their own way to the op.
inline SlotPatch slot_patch(int32_t slot, const ops::SlotSettings& settings) {
  SlotPatch patch;
  patch.slot = SlotIndex{slot};
  patch.sampling.temperature = settings.temperature;
  patch.sampling.top_k = settings.top_k;
  patch.sampling.top_p = settings.top_p;
  patch.sampling.min_p = settings.min_p;
  patch.sampling.repetition_penalty = settings.repetition;
  patch.sampling.presence_penalty = settings.presence;
  patch.sampling.frequency_penalty = settings.frequency;
  patch.sampling.seed = settings.seed;
  for (const auto& [id, bias] : settings.biases) {
    patch.sampling.logit_bias.push_back({.token = TokenId{id}, .bias = bias});
  }
  patch.sampling.allowed_token_ids = token_ids(settings.kept_ids);
  patch.min_end_index = settings.min_end_index;
  patch.end_ids = token_ids(settings.end_ids);
  patch.tokens = token_ids(settings.prompt);
  patch.prompt_len = std::ssize(settings.prompt);
  const auto generated = token_ids(settings.generated);
  patch.tokens.insert(patch.tokens.end(), generated.begin(), generated.end());
  return patch;
}

class VerifyStep {
 public:
  VerifyStep(int64_t vocab_size, int32_t max_drafts)
      : vocab_size_(vocab_size), max_drafts_(max_drafts) {}

  // The pending token at `position` and drafts, with a row of logits each.
  void add_verify(PlanRow row,
                  int32_t position,
                  const std::vector<int32_t>& drafts,
                  const std::vector<Row>& logits) {
    TALON_CHECK(logits.size() == drafts.size() + 1, "{} rows of logits", logits.size());
    row.num_drafts = static_cast<int32_t>(drafts.size());
    begin(row);
    first_choice_.push_back(size(choice_rows_));
    num_drafts_.push_back(row.num_drafts);
    for (size_t j = 0; j < logits.size(); ++j) {
      add_row(j == 0 ? 0 : drafts[j - 1]);
      add_logits(logits[j]);
      add_choice(row, position + static_cast<int32_t>(j) + 1, static_cast<int32_t>(j));
    }
    std::vector<int32_t> padded = drafts;
    padded.resize(static_cast<size_t>(max_drafts_), -7);
    drafts_.insert(drafts_.end(), padded.begin(), padded.end());
    plan_.rows.push_back(std::move(row));
  }

  // A chunk with a row of logits for its last token if it samples, for all if it wants logprobs of
  // the prompt.
  void add_chunk(PlanRow row, int32_t position, const std::vector<Row>& logits) {
    begin(row);
    first_choice_.push_back(row.sample ? size(choice_rows_) : -1);
    num_drafts_.push_back(0);
    size_t next = 0;
    for (size_t i = 0; i < row.tokens.size(); ++i) {
      const bool is_last = i + 1 == row.tokens.size();
      add_row(row.tokens[i].value);
      if (row.num_prompt_logprobs >= 0 || (is_last && row.sample)) {
        add_logits(logits.at(next++));
      }
      if (is_last && row.sample) {
        add_choice(row, position + static_cast<int32_t>(i) + 1, 0);
      } else if (row.num_prompt_logprobs >= 0) {
        prompt_logits_.push_back(size(logit_rows_) - 1);
        prompt_tokens_.push_back(is_last ? row.next_token.value : row.tokens[i + 1].value);
        prompt_num_top_.push_back(row.num_prompt_logprobs);
      }
    }
    drafts_.insert(drafts_.end(), static_cast<size_t>(max_drafts_), -7);
    plan_.rows.push_back(std::move(row));
  }

  const StepPlan& plan() const { return plan_; }
  TensorView logits() { return {logits_.data(), Shape{std::ssize(logit_rows_), vocab_size_}}; }

  // Views of this object's arrays.
  StepArrays arrays() {
    StepArrays all;
    all.batch.num_rows = static_cast<int32_t>(tokens_.size());
    all.batch.num_sequences = static_cast<int32_t>(slots_.size());
    all.batch.token_ids = view(tokens_);
    all.batch.query_starts = view(query_starts_);
    all.batch.logit_rows = view(logit_rows_);
    all.choice_rows = view(choice_rows_);
    all.choice_logits = view(choice_logits_);
    all.choice_slots = view(choice_slots_);
    all.choice_indices = view(choice_indices_);
    all.choice_offsets = view(choice_offsets_);
    all.choice_num_top = view(choice_num_top_);
    all.first_choice = view(first_choice_);
    all.num_drafts = view(num_drafts_);
    all.drafts = view(drafts_).reshaped(Shape{std::ssize(slots_), max_drafts_});
    all.slots = view(slots_);
    all.prompt_logits = view(prompt_logits_);
    all.prompt_tokens = view(prompt_tokens_);
    all.prompt_num_top = view(prompt_num_top_);
    all.wants_logprobs = wants_logprobs_;
    return all;
  }

  // What the verifier made of the step, on the CPU.
  std::vector<RowResult> results(const Verifier& verifier, const StepLogprobs& logprobs) const {
    const LaunchedStep launched(plan_);
    std::vector<RowResult> results;
    int64_t prompt = 0;
    for (size_t b = 0; b < launched.rows.size(); ++b) {
      const LaunchedStep::Row& row = launched.rows[b];
      const int32_t accepted = verifier.accepted().as<int32_t>()[b];
      RowResult out;
      out.drafted = row.num_drafts;
      out.accepted = std::max(accepted, 0);
      for (int32_t i = first_choice_[b]; i <= first_choice_[b] + accepted; ++i) {
        out.tokens.emplace_back(verifier.emitted().as<int32_t>()[i]);
        if (row.num_logprobs >= 0) {
          out.logprobs.push_back(logprobs.chosen.read(i, out.tokens.back(), row.num_logprobs));
        }
      }
      for (const TokenId token : row.prompt_tokens) {
        out.prompt_logprobs.push_back(
            logprobs.prompt.read(prompt++, token, row.num_prompt_logprobs));
      }
      results.push_back(std::move(out));
    }
    return results;
  }

 private:
  using Ints = std::vector<int32_t>;

  static int32_t size(const Ints& values) { return static_cast<int32_t>(values.size()); }
  static TensorView view(std::vector<int32_t>& values) {
    values.reserve(1);  // an array of no elements is there all the same
    return {values.data(), Shape{std::ssize(values)}};
  }

  void begin(const PlanRow& row) {
    query_starts_.push_back(size(tokens_));
    slots_.push_back(row.slot.value);
  }
  void add_row(int32_t token) { tokens_.push_back(token); }
  void add_logits(const Row& logits) {
    logit_rows_.push_back(size(tokens_) - 1);
    logits_.insert(logits_.end(), logits.begin(), logits.end());
  }
  void add_choice(const PlanRow& row, int32_t index, int32_t offset) {
    choice_rows_.push_back(size(tokens_) - 1);
    choice_logits_.push_back(size(logit_rows_) - 1);
    choice_slots_.push_back(row.slot.value);
    choice_indices_.push_back(index);
    choice_offsets_.push_back(offset);
    choice_num_top_.push_back(row.num_logprobs);
    wants_logprobs_ = wants_logprobs_ || row.num_logprobs >= 0;
  }

  int64_t vocab_size_;
  int32_t max_drafts_;
  StepPlan plan_;
  Row logits_;
  Ints tokens_, query_starts_, logit_rows_, choice_rows_, choice_logits_, choice_slots_;
  Ints choice_indices_, choice_offsets_, choice_num_top_, first_choice_, num_drafts_, drafts_;
  Ints slots_, prompt_logits_, prompt_tokens_, prompt_num_top_;
  bool wants_logprobs_ = false;
};

}  // namespace talon::test
