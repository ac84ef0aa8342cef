#include "server/generation.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <variant>

namespace talon::server {
namespace {

using Clock = std::chrono::steady_clock;

ApiError error_of(const Refusal& refusal) {
  if (refusal.code == Refusal::Code::kQueueFull) {
    return queue_full_error();
  }
  const bool is_length = refusal.code == Refusal::Code::kContextLength;
  return {.code = is_length ? "context_length_exceeded" : "invalid_value",
          .param = refusal.field,
          .message = refusal.message};
}

ApiError deadline_error() {
  return {.status = 408,
          .type = "timeout_error",
          .code = "deadline_exceeded",
          .message = "the time of this request is over"};
}

void refuse(Exchange& exchange, const ErrorShape& shape, const ApiError& error) {
  exchange.reply(error_reply(shape, error, exchange.request().id));
}

double seconds(Clock::duration duration) { return std::chrono::duration<double>(duration).count(); }

// Submits all requests, or none; on the engine's thread.
std::variant<std::vector<Submission>, Refusal> submit_all(Engine& engine,
                                                          std::vector<Request>& requests) {
  std::vector<Submission> submissions;
  for (Request& request : requests) {
    auto answer = engine.submit(std::move(request));
    if (auto* refusal = std::get_if<Refusal>(&answer)) {
      for (const Submission& submission : submissions) {
        engine.cancel(submission.id);
      }
      return std::move(*refusal);
    }
    std::ranges::move(std::get<std::vector<Submission>>(answer), std::back_inserter(submissions));
  }
  return submissions;
}

}  // namespace

HttpReply error_reply(const ErrorShape& shape, const ApiError& error, std::string_view request_id) {
  HttpReply reply{.status = error.status, .body = shape.body(error, request_id)};
  if (error.status == 429 || error.status == 503) {
    reply.headers.emplace_back("retry-after", "1");
  }
  return reply;
}

// One admitted request.
class Generations::Generation {
 public:
  Generation(std::shared_ptr<Exchange> exchange, GenerationRequest&& request)
      : exchange_(std::move(exchange)), request_(std::move(request)) {}

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

  // Takes what the engine made. `finish` ends a choice in the engine.
  void drain(Metrics& metrics, const OutputProcessor::Finish& finish);
  // Sends what may go out. True once the whole answer is handed over.
  bool send(const GenerationOptions& options, Clock::time_point now);
  void fail(const ApiError& error);
  void measure(Metrics& metrics) const;
  // How long the client has not taken what waits for it.
  bool is_stalled(const GenerationOptions& options, Clock::time_point now);

 private:
  struct Choice {
    SeqId id;
    std::unique_ptr<OutputProcessor> output;
    bool is_finished = false;
  };

  void count_tokens(int64_t count, Metrics& metrics);
  void end_choice(int32_t index, FinishReason reason);
  void begin_stream();
  UsageTimings timings() const;

  std::shared_ptr<Exchange> exchange_;
  GenerationRequest request_;
  std::vector<Choice> choices_;
  Clock::time_point start_ = Clock::now();
  Clock::time_point first_token_{};
  Clock::time_point last_token_{};
  Clock::time_point held_since_{};     // text that waits for company; zero: none
  Clock::time_point stalled_since_{};  // zero: the client keeps up
  int64_t num_tokens_ = 0;
  SpecStats stats_{};
  std::vector<FinishReason> reasons_{};  // of the choices that ended
};

void Generations::Generation::drain(Metrics& metrics, const OutputProcessor::Finish& finish) {
  for (size_t i = 0; i < choices_.size(); ++i) {
    Choice& choice = choices_[i];
    if (choice.is_finished) {
      continue;
    }
    const std::vector<OutputToken> tokens = choice.output->drain_tokens();
    const auto index = static_cast<int32_t>(i);
    if (!tokens.empty()) {
      count_tokens(std::ssize(tokens), metrics);
    }
    request_.answer->push(index, {.tokens = tokens,
                                  .logprobs = choice.output->logprobs(),
                                  .prompt_logprobs = choice.output->prompt_logprobs()});
    if (choice.output->finished()) {
      end_choice(index, choice.output->finish_reason());
    } else if (request_.answer->wants_stop(index)) {
      finish(choice.id);
      end_choice(index, FinishReason::kStop);
    }
  }
}

void Generations::Generation::count_tokens(int64_t count, Metrics& metrics) {
  const Clock::time_point now = Clock::now();
  if (num_tokens_ == 0) {
    first_token_ = now;
    metrics.observe_first_token(seconds(now - start_));
  } else {
    metrics.observe_between_tokens(seconds(now - last_token_));
  }
  last_token_ = now;
  num_tokens_ += count;
}

void Generations::Generation::end_choice(int32_t index, FinishReason reason) {
  Choice& choice = choices_[static_cast<size_t>(index)];
  choice.is_finished = true;
  const SpecStats stats = choice.output->stats();
  stats_ += stats;
  reasons_.push_back(reason);
  request_.answer->finish(
      index, {.reason = reason, .cached_tokens = choice.output->cached_tokens(), .stats = stats});
}

void Generations::Generation::begin_stream() {
  exchange_->begin({.content_type = "text/event-stream; charset=utf-8",
                    .headers = {{"cache-control", "no-cache"}, {"x-accel-buffering", "no"}}});
}

bool Generations::Generation::send(const GenerationOptions& options, Clock::time_point now) {
  const bool is_over = is_done();
  if (!request_.stream) {
    if (is_over) {
      exchange_->reply({.body = request_.answer->body(
                            options.usage_timings ? std::optional(timings()) : std::nullopt)});
    }
    return is_over;
  }
  // A client that is behind gets its text in larger pieces.
  const bool is_behind = exchange_->num_unsent_bytes() > options.stream_buffer_bytes / 2;
  const bool is_due = held_since_ != Clock::time_point{} && now - held_since_ >= options.max_delay;
  if (is_over || !is_behind) {
    const std::string frames = request_.answer->take_frames(is_over || is_due);
    if (!frames.empty()) {
      if (!exchange_->has_begun()) {
        begin_stream();
      }
      exchange_->write(frames);
    }
    const bool holds = request_.answer->holds_text();
    const bool was_held = frames.empty() && held_since_ != Clock::time_point{};
    held_since_ = !holds ? Clock::time_point{} : was_held ? held_since_ : now;
  }
  if (!exchange_->has_begun() && now - start_ >= options.header_delay) {
    begin_stream();
  }
  if (is_over) {
    exchange_->end();
  }
  return is_over;
}

void Generations::Generation::fail(const ApiError& error) {
  if (!exchange_->has_begun()) {
    refuse(*exchange_, request_.errors, error);
    return;
  }
  exchange_->write(request_.errors.frame(error, exchange_->request().id));
  exchange_->cut();
}

bool Generations::Generation::is_stalled(const GenerationOptions& options, Clock::time_point now) {
  if (exchange_->num_unsent_bytes() <= options.stream_buffer_bytes / 2) {
    stalled_since_ = {};
    return false;
  }
  if (stalled_since_ == Clock::time_point{}) {
    stalled_since_ = now;
  }
  return now - stalled_since_ >= options.stall_timeout;
}

UsageTimings Generations::Generation::timings() const {
  const int64_t later = num_tokens_ - static_cast<int64_t>(choices_.size());
  return {
      .ttft_s = seconds(first_token_ - start_),
      .tpot_s = later > 0 ? seconds(last_token_ - first_token_) / static_cast<double>(later) : 0.0,
      .latency_s = seconds(Clock::now() - start_)};
}

void Generations::Generation::measure(Metrics& metrics) const {
  metrics.observe_request(request_.answer->usage(), seconds(Clock::now() - start_), stats_,
                          reasons_);
}

Generations::Generations(const text::Tokenizer& tokenizer,
                         EngineThread& engine,
                         Metrics& metrics,
                         const GenerationOptions& options,
                         PostToIo post_to_io)
    : tokenizer_(tokenizer),
      engine_(engine),
      metrics_(metrics),
      options_(options),
      post_to_io_(std::move(post_to_io)),
      finish_([this](SeqId id) { finish(id); }) {}

Generations::~Generations() = default;

void Generations::start(const std::shared_ptr<Exchange>& exchange, GenerationRequest request) {
  // Shared, because a task is copied.
  auto shared = std::make_shared<GenerationRequest>(std::move(request));
  const bool is_posted = engine_.post([this, exchange, shared](Engine& engine) {
    auto result = std::make_shared<std::variant<std::vector<Submission>, Refusal>>(
        submit_all(engine, shared->requests));
    post_to_io_([this, exchange, shared, result] {
      if (const auto* refusal = std::get_if<Refusal>(result.get())) {
        refuse(*exchange, shared->errors, error_of(*refusal));
        return;
      }
      admit(exchange, std::move(*shared), std::move(std::get<std::vector<Submission>>(*result)));
    });
  });
  if (!is_posted) {
    refuse(*exchange, shared->errors, queue_full_error());
  }
}

void Generations::admit(const std::shared_ptr<Exchange>& exchange,
                        GenerationRequest&& request,
                        std::vector<Submission>&& submissions) {
  const OutputSettings output = request.output;
  auto generation = std::make_shared<Generation>(exchange, std::move(request));
  for (Submission& submission : submissions) {
    const SeqId id = submission.id;
    const auto finish = [this](SeqId ended) {
      (void)engine_.post([ended](Engine& engine) { engine.finish(ended); });
    };
    generation->add_choice(
        std::make_unique<OutputProcessor>(tokenizer_, finish, std::move(submission), output), id);
  }
  if (exchange->is_gone()) {
    cancel(generation->unfinished());
    return;
  }
  exchange->on_gone([this, weak = std::weak_ptr(generation)] {
    if (const std::shared_ptr<Generation> gone = weak.lock()) {
      metrics_.count_cancelled();
      end(*gone);
    }
  });
  active_.push_back(std::move(generation));
  pump();
}

void Generations::finish(SeqId id) {
  if (!engine_.post([id](Engine& engine) { engine.finish(id); })) {
    post_to_io_([this, id] { finish(id); });
  }
}

void Generations::cancel(const std::vector<SeqId>& ids) {
  if (ids.empty()) {
    return;
  }
  const bool is_posted = engine_.post([ids](Engine& engine) {
    for (const SeqId id : ids) {
      engine.cancel(id);
    }
  });
  if (!is_posted) {
    // The queue of tasks is full: the engine is far behind. The next turn tries again.
    post_to_io_([this, ids] { cancel(ids); });
  }
}

void Generations::end(Generation& generation) {
  cancel(generation.unfinished());
  std::erase_if(active_, [&](const auto& active) { return active.get() == &generation; });
}

void Generations::pump() {
  const Clock::time_point now = Clock::now();
  // What ends leaves the list, so a copy is walked.
  const std::vector<std::shared_ptr<Generation>> present = active_;
  for (const std::shared_ptr<Generation>& generation : present) {
    if (generation->exchange().is_over()) {
      continue;
    }
    generation->drain(metrics_, finish_);
    if (generation->send(options_, now)) {
      generation->measure(metrics_);
      end(*generation);
    }
  }
}

void Generations::tick(Clock::time_point now) {
  const std::vector<std::shared_ptr<Generation>> present = active_;
  for (const std::shared_ptr<Generation>& generation : present) {
    if (now >= generation->deadline()) {
      generation->fail(deadline_error());
      end(*generation);
    } else if (generation->is_stalled(options_, now)) {
      metrics_.count_cancelled();
      generation->exchange().cut();
      end(*generation);
    } else if (generation->send(options_, now)) {
      generation->measure(metrics_);
      end(*generation);
    }
  }
}

void Generations::fail_all(const ApiError& error) {
  const std::vector<std::shared_ptr<Generation>> present = active_;
  for (const std::shared_ptr<Generation>& generation : present) {
    generation->fail(error);
    end(*generation);
  }
}

bool Generations::abort(std::string_view request_id) {
  const std::vector<std::shared_ptr<Generation>> present = active_;
  for (const std::shared_ptr<Generation>& generation : present) {
    if (generation->exchange().request().id == request_id) {
      generation->fail({.status = 500,
                        .type = "server_error",
                        .code = "aborted",
                        .message = "the request was aborted by the operator"});
      end(*generation);
      return true;
    }
  }
  return false;
}

}  // namespace talon::server
