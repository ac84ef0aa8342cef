// One admitted request and its answer: what the engine made of it, what went to the client, and
// when. Private to Generations, on the io thread.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/spec_stats.h"
#include "server/exchange.h"
#include "server/generation.h"
#include "server/metrics.h"
#include "stream/output_processor.h"

namespace talon::server {

class ActiveGeneration {
 public:
  using Clock = std::chrono::steady_clock;

  ActiveGeneration(std::shared_ptr<Exchange> exchange, GenerationRequest&& request)
      : exchange_(std::move(exchange)), request_(std::move(request)), start_(request_.arrival) {
    if (request_.record == nullptr) {
      request_.record = std::make_shared<RequestRecord>();
    }
  }

  void add_choice(std::unique_ptr<OutputProcessor> output, SeqId id) {
    choices_.push_back({.id = id, .output = std::move(output)});
  }

  Exchange& exchange() { return *exchange_; }
  Clock::time_point deadline() const { return request_.deadline; }
  bool is_done() const {
    return std::ranges::all_of(choices_, [](const Choice& choice) { return choice.is_finished; });
  }
  std::vector<SeqId> unfinished() const {
    std::vector<SeqId> ids;
    for (const Choice& choice : choices_) {
      if (!choice.is_finished) {
        ids.push_back(choice.id);
      }
    }
    return ids;
  }

  bool has(SeqId id) const {
    return std::ranges::any_of(choices_, [id](const Choice& choice) { return choice.id == id; });
  }
  // The first choice that gets a slot ends the wait.
  void admitted(Clock::time_point time) {
    admitted_ = admitted_ == Clock::time_point{} ? time : admitted_;
  }
  bool has_waited(Clock::duration limit, Clock::time_point now) const {
    return admitted_ == Clock::time_point{} && now - start_ >= limit;
  }

  // Takes what the engine made.
  void drain(Metrics& metrics);
  // Sends what may go out. True once the whole answer is handed over.
  bool send(const GenerationOptions& options, Clock::time_point now);
  void fail(const ApiError& error);
  // The client does not take its answer: it ends unfinished.
  void cut();
  // Fills the record, before the exchange is over. `error_code` empty: the answer is whole.
  void close_record(std::string_view error_code = "");
  const RequestRecord& record() const { return *request_.record; }
  LiveRequest live(Clock::time_point now) const;
  // How long the client has not taken what waits for it.
  bool is_stalled(const GenerationOptions& options, Clock::time_point now);

 private:
  struct Choice {
    SeqId id;
    std::unique_ptr<OutputProcessor> output;
    int64_t num_tokens = 0;  // counted ones
    bool is_finished = false;
  };

  void count_tokens(int64_t count, Metrics& metrics);
  void end_choice(int32_t index, FinishReason reason);
  void begin_stream();
  UsageTimings timings() const;
  std::optional<double> since_start(Clock::time_point time) const;

  std::shared_ptr<Exchange> exchange_;
  GenerationRequest request_;
  std::vector<Choice> choices_;
  Clock::time_point start_;
  Clock::time_point admitted_{};  // zero: it waits
  Clock::time_point first_token_{};
  Clock::time_point last_token_{};
  Clock::time_point held_since_{};     // text that waits for company; zero: none
  Clock::time_point last_write_{};     // of a stream
  Clock::time_point stalled_since_{};  // zero: the client keeps up
  int64_t num_tokens_ = 0;
  SpecStats stats_{};
  std::vector<FinishReason> reasons_{};  // of the choices that ended
};

}  // namespace talon::server
