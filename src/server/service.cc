#include "server/service.h"

#include <fmt/format.h>

#include <ctime>
#include <utility>

#include "base/log.h"
#include "server/service_state.h"
#include "stream/grammar_constraint.h"

namespace talon::server {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kMaxTasks = 4096;
constexpr std::chrono::milliseconds kTick(20);

ApiError not_found(const std::string& path) {
  return {.status = 404, .code = "not_found", .message = fmt::format("there is no {}", path)};
}

ApiError draining_error() {
  return {.status = 503,
          .type = "service_unavailable",
          .code = "draining",
          .message = "the server is shutting down"};
}

}  // namespace

Service::State::State(LocalModel& given_model,
                      const ApiContext& given_context,
                      ServiceOptions given_options,
                      const HttpServerOptions& http_options)
    : model(given_model),
      context(given_context),
      options(std::move(given_options)),
      access(options.api_keys, options.allowed_origins),
      http(http_options, [this](const ExchangePtr& exchange) { handle(exchange); }),
      engine(*model.engine, kMaxTasks, [this] { post_pump(); }),
      generations(*model.tokenizer,
                  engine,
                  metrics,
                  options.generation,
                  [this](std::function<void()> task) { http.post(std::move(task)); }),
      worker(kMaxTasks) {
  if (text::GrammarCompiler::is_available()) {
    grammars.emplace(*model.tokenizer, context.vocab_size, model.end_token_ids,
                     text::GrammarLimits{.max_bytes = context.max_grammar_bytes,
                                         .timeout = options.grammar_timeout});
  }
  context.has_grammars = grammars.has_value();
  add_routes();
  http.on_signal([this] { on_signal(); });
  http.every(kTick, [this] {
    generations.tick(Clock::now());
    check_progress();
  });
}

void Service::State::post_pump() {
  if (!pump_waits.exchange(true)) {
    http.post([this] {
      pump_waits = false;  // before it reads: what comes later posts again
      generations.pump();
    });
  }
}

void Service::State::handle(const ExchangePtr& exchange) {
  const HttpRequest& request = exchange->request();
  exchange->add_headers(access.cors_headers(request));
  if (Access::is_preflight(request)) {
    watch(exchange, "preflight");
    exchange->reply({.status = 204,
                     .content_type = "",
                     .headers = {{"access-control-allow-methods", "GET, POST, OPTIONS"},
                                 {"access-control-allow-headers",
                                  "authorization, content-type, x-api-key, x-request-id"},
                                 {"access-control-max-age", "600"}}});
    return;
  }
  const Router::Match match = router.find(request.method, request.path);
  watch(exchange, match.route == nullptr ? "unknown" : match.route->path);
  const bool is_open = match.route != nullptr && match.route->is_open;
  if (!is_open && !access.has_key(request)) {
    HttpReply reply = error_reply({},
                                  {.status = 401,
                                   .type = "authentication_error",
                                   .code = "invalid_api_key",
                                   .message = "an API key is needed, as a bearer token"},
                                  request.id);
    reply.headers.emplace_back("www-authenticate", "Bearer");
    exchange->reply(std::move(reply));
  } else if (match.route != nullptr) {
    match.route->handler(exchange);
  } else if (match.allowed.empty()) {
    exchange->reply(error_reply({}, not_found(request.path), request.id));
  } else {
    HttpReply reply =
        error_reply({},
                    {.status = 405,
                     .code = "method_not_allowed",
                     .message = fmt::format("{} answers {}", request.path, match.allowed)},
                    request.id);
    reply.headers.emplace_back("allow", match.allowed);
    exchange->reply(std::move(reply));
  }
}

// Counts and logs the answer when it is over.
void Service::State::watch(const ExchangePtr& exchange, const std::string& route) {
  const Clock::time_point start = Clock::now();
  exchange->on_over([this, start, route, exchange = exchange.get()] {
    const int status = exchange->is_gone() ? 499 : exchange->status();
    metrics.count_answer(route, status);
    if (options.access_log) {
      const HttpRequest& request = exchange->request();
      const std::chrono::duration<double, std::milli> took = Clock::now() - start;
      log(LogLevel::kInfo, "server",
          "method={} route={} status={} ms={:.1f} bytes={} peer={} id={}", request.method, route,
          status, took.count(), exchange->num_written_bytes(), request.peer, request.id);
    }
  });
}

AnswerHead Service::State::answer_head(const HttpRequest& request,
                                       const std::string& id_prefix) const {
  return {.id = id_prefix + request.id,
          .created = std::time(nullptr),
          .coalesce = options.coalesce,
          .always_usage = options.always_usage,
          .num_speculative_tokens = model.engine->max_drafts()};
}

void Service::State::generate(const ExchangePtr& exchange,
                              const std::string& id_prefix,
                              const ErrorShape& errors,
                              std::function<Reading(std::string, AnswerHead)> read) {
  const std::string id = exchange->request().id;
  if (http.is_draining()) {
    exchange->reply(error_reply(errors, draining_error(), id));
    return;
  }
  AnswerHead head = answer_head(exchange->request(), id_prefix);
  const auto body = std::make_shared<std::string>(exchange->take_body());
  const bool is_posted = worker.post([this, exchange, &errors, head, body, read = std::move(read)] {
    Reading prepared = read(std::move(*body), head);
    using Outcome = std::variant<GenerationRequest, ApiError>;
    const auto outcome =
        std::make_shared<Outcome>(std::holds_alternative<ApiError>(prepared)
                                      ? Outcome(std::get<ApiError>(std::move(prepared)))
                                      : to_generation(std::get<Prepared>(std::move(prepared))));
    http.post([this, exchange, &errors, outcome] {
      if (const auto* error = std::get_if<ApiError>(outcome.get())) {
        exchange->reply(error_reply(errors, *error, exchange->request().id));
      } else if (!exchange->is_gone()) {
        auto& request = std::get<GenerationRequest>(*outcome);
        request.errors = errors;
        generations.start(exchange, std::move(request));
      }
    });
  });
  if (!is_posted) {
    exchange->reply(error_reply(errors, queue_full_error(), id));
  }
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
  if (const std::optional<ApiError> error = constrain(call, request.requests)) {
    return *error;
  }
  const double timeout_s = call.timeout_s.value_or(context.request_timeout_s);
  request.deadline = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                        std::chrono::duration<double>(timeout_s));
  request.call = prepared.call;
  request.answer = std::move(prepared.answer);
  return request;
}

std::optional<ApiError> Service::State::constrain(const GenerationCall& call,
                                                  std::vector<Request>& requests) {
  if (!call.grammar.has_value()) {
    return std::nullopt;
  }
  const Result<text::Grammar> grammar = grammars->compile(*call.grammar);
  if (!grammar.ok()) {
    return bad_request("invalid_schema", "", grammar.message());
  }
  for (Request& request : requests) {
    for (int32_t i = 0; i < request.num_choices; ++i) {
      request.constraints.push_back(std::make_shared<GrammarConstraint>(
          grammar.value(), call.grammar_begins_after, model.end_token_ids));
    }
  }
  return std::nullopt;
}

// Why the server should get no requests; empty if it should.
std::string Service::State::stall_reason() const {
  if (http.is_draining()) {
    return "the server is shutting down";
  }
  const auto stalled = engine.stalled_for();
  if (stalled * 2 > options.watchdog_timeout) {
    return fmt::format("no step has ended for {:.0f} seconds",
                       std::chrono::duration<double>(stalled).count());
  }
  return "";
}

void Service::State::on_signal() {
  ++num_signals;
  if (num_signals == 1) {
    log(LogLevel::kInfo, "server", "draining requests={}", generations.num_active());
    begin_drain();
  } else {
    generations.fail_all(draining_error());
    http.stop();
  }
}

void Service::State::begin_drain() {
  drain_deadline = Clock::now() + options.shutdown_timeout;
  http.drain();
}

void Service::State::check_progress() {
  if (!has_stalled && engine.stalled_for() > options.watchdog_timeout) {
    has_stalled = true;
    log(LogLevel::kError, "server", "watchdog=\"no step has ended for {} ms\"",
        options.watchdog_timeout.count());
    if (options.on_stall) {
      options.on_stall();
    }
  }
  if (Clock::now() >= drain_deadline) {
    drain_deadline = Clock::time_point::max();
    generations.fail_all(draining_error());
    http.stop();
  }
}

Service::Service(LocalModel& model,
                 const ApiContext& context,
                 const ServiceOptions& options,
                 const HttpServerOptions& http)
    : state_(std::make_unique<State>(model, context, options, http)) {}

Service::~Service() = default;

uint16_t Service::port() const { return state_->http.port(); }

void Service::run() { state_->http.run(); }

void Service::drain() {
  state_->http.post([this] { state_->begin_drain(); });
}

}  // namespace talon::server
