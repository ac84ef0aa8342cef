// Many completions at once on a local model: the loop of `generate --input`, `eval` and the
// benchmarks. The caller submits, then drives the engine step by step; what ends is handed to the
// callback within the step. Used from the engine's thread; one runner at a time steps an engine.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "stream/completion.h"

namespace talon {

class OfflineRunner {
 public:
  // Requests are counted from 0 in the order of submission. One call a choice, as they end.
  using Done = std::function<void(int64_t index, Completion&& completion)>;

  // `model` must outlive the runner.
  OfflineRunner(LocalModel& model, Done done) : model_(model), done_(std::move(done)) {}
  // Cancels what is in flight.
  ~OfflineRunner();
  OfflineRunner(const OfflineRunner&) = delete;
  OfflineRunner& operator=(const OfflineRunner&) = delete;

  // A refusal takes no index; one with code kQueueFull may be tried again after a step. A sink
  // takes the text of one choice only.
  [[nodiscard]] std::optional<Refusal> submit(const CompletionRequest& request,
                                              const SegmentSink& sink = {});

  // One step of the engine. False when nothing of this runner is in flight.
  bool step();

  int64_t num_in_flight() const { return std::ssize(active_); }  // choices
  int64_t num_submitted() const { return num_submitted_; }

  // Of all completions so far, unfinished ones too. A prompt counts once, with the first token of
  // its first choice.
  int64_t num_prompt_tokens() const { return num_prompt_tokens_; }
  int64_t num_output_tokens() const { return num_output_tokens_; }

 private:
  struct Active {
    int64_t index;
    SeqId id;
    std::unique_ptr<OutputProcessor> output;
    SegmentSink sink;
    Completion completion;
    std::chrono::steady_clock::time_point start;
    std::chrono::steady_clock::time_point first_token;
  };

  void drain(Active& active);
  void finish(Active& active);

  LocalModel& model_;
  Done done_;
  std::vector<std::unique_ptr<Active>> active_;  // by index, then choice
  int64_t num_submitted_ = 0;
  int64_t num_prompt_tokens_ = 0;
  int64_t num_output_tokens_ = 0;
};

// Runs all requests, as many at once as the engine takes, and gives each outcome in the order of
// the requests, as soon as those before it are given. A request with n choices has n outcomes, in
// their order, or one refusal.
void complete_all(LocalModel& model,
                  std::span<const CompletionRequest> requests,
                  const std::function<void(int64_t index, CompletionOutcome&& outcome)>& done);

}  // namespace talon
