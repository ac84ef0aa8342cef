// Follows the events of one choice and holds them against the answer that the fake model must give,
// which depends on nothing but the request: token by token, cut at the first stop or length, with
// the reason. A violation throws.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "engine/request.h"
#include "sim/fake_model.h"

namespace talon::test {

struct AnswerSetup {
  int64_t context_limit = 0;
  int32_t vocab_size = 0;
  std::vector<TokenId> end_token_ids;
  bool prefix_caching = false;
};

class AnswerCheck {
 public:
  // `request` is the one submitted, prompt included; `submission` that of choice j.
  AnswerCheck(const AnswerSetup& setup,
              const Request& request,
              int32_t choice,
              const Submission& submission);

  // Takes all events that wait. True once the last one was among them.
  bool take_events();
  // A caller ends the sequence for this reason from here on.
  void expect_end(FinishReason reason);

  SeqId id() const { return id_; }
  uint64_t root() const { return root_; }
  const History& history() const { return history_; }
  bool has_constraint() const { return constraint_ != nullptr; }
  int64_t num_output_tokens() const { return history_.size() - prompt_len_; }

 private:
  void take(const TokenEvent& event);
  void take_first(const TokenEvent& event);
  void check_logprobs(const TokenEvent& event) const;
  TokenId right_token();
  std::optional<FinishReason> append(TokenId token);
  bool is_end(TokenId token) const;

  Request request_;  // without its prompt
  std::vector<TokenId> end_ids_;
  SeqId id_;
  std::shared_ptr<EventQueue> events_;
  uint64_t root_;
  History history_;
  int64_t prompt_len_;
  int64_t max_len_;
  int32_t vocab_size_;
  bool may_hit_;
  std::unique_ptr<FakeConstraint> constraint_;
  std::vector<uint32_t> mask_;
  bool has_event_ = false;
  std::optional<FinishReason> told_;  // by the caller
  std::optional<FinishReason> finish_;
};

}  // namespace talon::test
