// Requests that generate: from their body, read on the worker, to the engine.
#include <ctime>
#include <utility>

#include "server/service_state.h"

namespace talon::server {
namespace {

using Clock = std::chrono::steady_clock;

void refuse(const ExchangePtr& exchange,
            const ErrorShape& errors,
            const ApiError& error,
            RequestRecord& record) {
  record.error_code = error.code;
  exchange->reply(error_reply(errors, error, exchange->request().id));
}

std::string text_of(const text::Tokenizer& tokenizer,
                    const std::vector<std::vector<TokenId>>& prompts) {
  std::string text;
  for (const std::vector<TokenId>& prompt : prompts) {
    text += text.empty() ? "" : "\n";
    text += tokenizer.decode(prompt, false);
  }
  return text;
}

}  // namespace

ApiError draining_error() {
  return {.status = 503,
          .type = "service_unavailable",
          .code = "draining",
          .message = "the server is shutting down"};
}

ApiError unhealthy_error(const std::string& reason) {
  return {.status = 503, .type = "service_unavailable", .code = "unhealthy", .message = reason};
}

// What is known of the request goes to the log when its answer is over.
std::shared_ptr<RequestRecord> Service::State::keep_record(const ExchangePtr& exchange,
                                                           Clock::time_point arrival) {
  const HttpRequest& request = exchange->request();
  auto record = std::make_shared<RequestRecord>(
      RequestRecord{.id = request.id,
                    .route = request.path,
                    .time = std::chrono::system_clock::now(),
                    .num_speculative_tokens = model.engine->max_drafts(),
                    .trace = trace_context_of(request.headers)});
  if (!record->trace.parent_id.empty()) {
    exchange->add_headers({{"traceresponse", traceparent_of(record->trace)}});
  }
  exchange->on_over([this, record, arrival, exchange = exchange.get()] {
    record->status = exchange->is_gone() ? 499 : exchange->status();
    record->total_s = std::chrono::duration<double>(Clock::now() - arrival).count();
    if (exchange->is_gone() && record->error_code.empty()) {
      record->error_code = "client_closed";
    }
    metrics.count_end(*record);
    if (exporter != nullptr && record->trace.is_sampled) {
      exporter->add(record);
    }
    if (request_log != nullptr) {
      request_log->write([record] { return request_line(*record); });
    }
  });
  return record;
}

AnswerHead Service::State::answer_head() {
  CoalesceLimits coalesce = options.coalesce;
  coalesce.on_delta = [this](size_t num_chars) { metrics.observe_frame(num_chars); };
  return {.created = std::time(nullptr),
          .coalesce = std::move(coalesce),
          .always_usage = options.always_usage,
          .num_speculative_tokens = model.engine->max_drafts()};
}

void Service::State::generate(const ExchangePtr& exchange,
                              const std::string& id_prefix,
                              const ErrorShape& errors,
                              std::function<Reading(std::string, Arriving)> read) {
  const Clock::time_point arrival = Clock::now();
  const std::shared_ptr<RequestRecord> record = keep_record(exchange, arrival);
  if (http.is_draining()) {
    refuse(exchange, errors, draining_error(), *record);
    return;
  }
  if (engine.has_failed()) {
    refuse(exchange, errors, unhealthy_error("the engine has failed"), *record);
    return;
  }
  Arriving arriving{.head = answer_head(), .id_prefix = id_prefix, .id = exchange->request().id};
  const auto body = std::make_shared<std::string>(exchange->take_body());
  const bool is_posted = worker.post(
      [this, exchange, &errors, record, arrival, arriving, body, read = std::move(read)] {
        Reading prepared = read(std::move(*body), arriving);
        using Outcome = std::variant<GenerationRequest, ApiError>;
        const auto outcome =
            std::make_shared<Outcome>(std::holds_alternative<ApiError>(prepared)
                                          ? Outcome(std::get<ApiError>(std::move(prepared)))
                                          : to_generation(std::get<Prepared>(std::move(prepared))));
        http.post([this, exchange, &errors, record, arrival, outcome] {
          if (const auto* error = std::get_if<ApiError>(outcome.get())) {
            refuse(exchange, errors, *error, *record);
          } else if (!exchange->is_gone()) {
            auto& request = std::get<GenerationRequest>(*outcome);
            request.record = record;
            request.arrival = arrival;
            request.errors = errors;
            begin(exchange, std::move(request));
          }
        });
      });
  if (!is_posted) {
    refuse(exchange, errors, queue_full_error(), *record);
  }
}

// On the io thread. An id that the body states must not be that of another live request; one of
// ours or of a header may be.
void Service::State::begin(const ExchangePtr& exchange, GenerationRequest&& request) {
  RequestRecord& record = *request.record;
  record.stream = request.stream;
  record.seed = request.requests.front().sampling.seed;
  record.prompt = std::move(request.prompt_text);
  if (!request.id.empty() && generations.is_live(request.id)) {
    refuse(exchange, request.errors,
           bad_request("invalid_value", "request_id", "a request with this id is running"), record);
    return;
  }
  if (!request.id.empty()) {
    exchange->rename(request.id);
    record.id = request.id;
  }
  generations.start(exchange, std::move(request));
}

void Service::State::answer_on_worker(
    const ExchangePtr& exchange,
    const ErrorShape& errors,
    std::function<std::variant<std::string, ApiError>(std::string)> make) {
  const auto body = std::make_shared<std::string>(exchange->take_body());
  const bool is_posted = worker.post([this, exchange, &errors, body, make = std::move(make)] {
    const auto made = std::make_shared<std::variant<std::string, ApiError>>(make(std::move(*body)));
    http.post([exchange, &errors, made] {
      if (const auto* error = std::get_if<ApiError>(made.get())) {
        exchange->reply(error_reply(errors, *error, exchange->request().id));
      } else {
        exchange->reply({.body = std::get<std::string>(std::move(*made))});
      }
    });
  });
  if (!is_posted) {
    exchange->reply(error_reply(errors, queue_full_error(), exchange->request().id));
  }
}

std::variant<GenerationRequest, ApiError> Service::State::to_generation(Prepared&& prepared) {
  const GenerationCall& call = *prepared.call;
  GenerationRequest request{.output = call.output, .stream = call.stream};
  request.requests.reserve(call.prompts.size());
  for (size_t i = 0; i < call.prompts.size(); ++i) {
    request.requests.push_back(call.request_of(i, context.context_limit));
  }
  if (const std::optional<ApiError> error = constraints.apply(call, request.requests)) {
    return *error;
  }
  const double timeout_s = call.timeout_s.value_or(context.request_timeout_s);
  request.deadline = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                        std::chrono::duration<double>(timeout_s));
  if (options.log_prompts && request_log != nullptr) {
    request.prompt_text = text_of(*model.tokenizer, call.prompts);
  }
  request.id = call.request_id;
  request.call = prepared.call;
  request.answer = std::move(prepared.answer);
  return request;
}

}  // namespace talon::server
