#include "server/generation.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <variant>

#include "server/active_generation.h"

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

ApiError queue_timeout_error() {
  return {.status = 503,
          .type = "service_unavailable",
          .code = "queue_timeout",
          .message = "the request waited too long for its turn"};
}

// Nothing if the answer ended meanwhile.
void refuse(Exchange& exchange, const GenerationRequest& request, const ApiError& error) {
  if (exchange.is_over()) {
    return;
  }
  if (request.record != nullptr) {
    request.record->error_code = error.code;
  }
  exchange.reply(error_reply(request.errors, error, exchange.request().id));
}

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

ApiError engine_failed_error() {
  return {.status = 500,
          .type = "server_error",
          .code = "internal",
          .message = "the engine has failed and the server ends"};
}

HttpReply error_reply(const ErrorShape& shape, const ApiError& error, std::string_view request_id) {
  HttpReply reply{.status = error.status, .body = shape.body(error, request_id)};
  if (error.status == 429 || error.status == 503) {
    reply.headers.emplace_back("retry-after", "1");
  }
  return reply;
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
  starting_.push_back({.exchange = exchange, .request = shared});
  const bool is_posted = engine_.post([this, exchange, shared](Engine& engine) {
    auto result = std::make_shared<std::variant<std::vector<Submission>, Refusal>>(
        submit_all(engine, shared->requests));
    post_to_io_([this, exchange, shared, result] {
      std::erase_if(starting_, [&](const Starting& one) { return one.request == shared; });
      if (const auto* refusal = std::get_if<Refusal>(result.get())) {
        refuse(*exchange, *shared, error_of(*refusal));
        return;
      }
      admit(exchange, std::move(*shared), std::move(std::get<std::vector<Submission>>(*result)));
    });
  });
  if (!is_posted) {
    starting_.pop_back();
    refuse(*exchange, *shared, engine_.has_failed() ? engine_failed_error() : queue_full_error());
  }
}

void Generations::admit(const std::shared_ptr<Exchange>& exchange,
                        GenerationRequest&& request,
                        std::vector<Submission>&& submissions) {
  const OutputSettings output = request.output;
  auto generation = std::make_shared<ActiveGeneration>(exchange, std::move(request));
  for (Submission& submission : submissions) {
    const SeqId id = submission.id;
    last_known_ = id;
    generation->add_choice(
        std::make_unique<OutputProcessor>(tokenizer_, finish_, std::move(submission), output), id);
  }
  if (exchange->is_over()) {  // the client left, or the request was ended meanwhile
    cancel(generation->unfinished());
    return;
  }
  exchange->on_gone([this, weak = std::weak_ptr(generation)] {
    if (const std::shared_ptr<ActiveGeneration> gone = weak.lock()) {
      metrics_.count_cancelled();
      gone->close_record("client_closed");
      end(*gone);
    }
  });
  active_.push_back(std::move(generation));
  pump();
}

void Generations::finish(SeqId id) {
  if (!engine_.post([id](Engine& engine) { engine.finish(id); }) && !engine_.has_failed()) {
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
  if (!is_posted && !engine_.has_failed()) {
    // The queue of tasks is full: the engine is far behind. The next turn tries again.
    post_to_io_([this, ids] { cancel(ids); });
  }
}

void Generations::end(ActiveGeneration& generation) {
  cancel(generation.unfinished());
  std::erase_if(active_, [&](const auto& active) { return active.get() == &generation; });
}

// The engine's thread may tell of an admission before its task here, which makes the request
// active.
void Generations::note_admissions() {
  std::vector<Admission> admissions = std::exchange(early_admissions_, {});
  std::ranges::move(engine_.take_admissions(), std::back_inserter(admissions));
  for (const Admission& admission : admissions) {
    const auto found = std::ranges::find_if(
        active_, [&](const auto& generation) { return generation->has(admission.id); });
    if (found != active_.end()) {
      (*found)->admitted(admission.time);
    } else if (admission.id.value > last_known_.value) {
      early_admissions_.push_back(admission);
    }
  }
}

void Generations::pump() {
  const Clock::time_point now = Clock::now();
  note_admissions();
  // What ends leaves the list, so a copy is walked.
  const std::vector<std::shared_ptr<ActiveGeneration>> present = active_;
  for (const std::shared_ptr<ActiveGeneration>& generation : present) {
    if (generation->exchange().is_over()) {
      continue;
    }
    generation->drain(metrics_);
    if (generation->send(options_, now)) {
      metrics_.observe_request(generation->record());
      end(*generation);
    }
  }
}

void Generations::tick(Clock::time_point now) {
  note_admissions();
  const std::vector<std::shared_ptr<ActiveGeneration>> present = active_;
  for (const std::shared_ptr<ActiveGeneration>& generation : present) {
    if (now >= generation->deadline()) {
      generation->fail(deadline_error());
      end(*generation);
    } else if (generation->has_waited(options_.queue_timeout, now)) {
      generation->fail(queue_timeout_error());
      end(*generation);
    } else if (generation->is_stalled(options_, now)) {
      metrics_.count_cancelled();
      generation->cut();
      end(*generation);
    } else if (generation->send(options_, now)) {
      metrics_.observe_request(generation->record());
      end(*generation);
    }
  }
}

void Generations::fail_all(const ApiError& error) {
  for (const Starting& one : std::exchange(starting_, {})) {
    refuse(*one.exchange, *one.request, error);
  }
  const std::vector<std::shared_ptr<ActiveGeneration>> present = active_;
  for (const std::shared_ptr<ActiveGeneration>& generation : present) {
    generation->fail(error);
    end(*generation);
  }
}

std::vector<LiveRequest> Generations::live(Clock::time_point now) const {
  std::vector<LiveRequest> live;
  live.reserve(active_.size());
  for (const std::shared_ptr<ActiveGeneration>& generation : active_) {
    live.push_back(generation->live(now));
  }
  return live;
}

bool Generations::is_live(std::string_view request_id) const {
  const auto is_it = [&](const Exchange& exchange) {
    return !exchange.is_over() && exchange.request().id == request_id;
  };
  return std::ranges::any_of(starting_,
                             [&](const Starting& one) { return is_it(*one.exchange); }) ||
         std::ranges::any_of(active_,
                             [&](const auto& generation) { return is_it(generation->exchange()); });
}

bool Generations::abort(std::string_view request_id) {
  const std::vector<std::shared_ptr<ActiveGeneration>> present = active_;
  for (const std::shared_ptr<ActiveGeneration>& generation : present) {
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
