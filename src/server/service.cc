#include "server/service.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "server/service_state.h"

namespace talon::server {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kMaxTasks = 4096;
constexpr size_t kMaxLogLines = 16384;
constexpr std::chrono::milliseconds kTick(20);

ApiError not_found(const std::string& path) {
  return {.status = 404, .code = "not_found", .message = fmt::format("there is no {}", path)};
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
      constraints(model,
                  context.vocab_size,
                  {.max_bytes = context.max_grammar_bytes, .timeout = options.grammar_timeout}),
      http(http_options, [this](const ExchangePtr& exchange) { handle(exchange); }),
      engine(*model.engine, kMaxTasks, [this] { post_pump(); }),
      generations(*model.tokenizer,
                  engine,
                  metrics,
                  options.generation,
                  [this](std::function<void()> task) { http.post(std::move(task)); }),
      worker(kMaxTasks) {
  if (!options.request_log.empty()) {
    request_log = std::make_unique<LineLog>("--request-log", options.request_log, kMaxLogLines);
  }
  if (!options.otlp_traces_endpoint.empty()) {
    exporter =
        std::make_unique<OtlpExporter>(OtlpOptions{.url = otlp_url(options.otlp_traces_endpoint),
                                                   .model = context.model_names.front(),
                                                   .version = options.version});
  }
  context.has_grammars = constraints.has_grammars();
  add_routes();
  http.on_signal([this] { on_signal(); });
  http.every(kTick, [this] {
    const Clock::time_point now = Clock::now();
    if (last_tick != Clock::time_point{}) {
      const std::chrono::duration<double> late = now - last_tick - kTick;
      metrics.observe_loop_delay(std::max(late.count(), 0.0));
    }
    last_tick = now;
    generations.tick(now);
    check_progress();
  });
}

void Service::State::post_pump() {
  if (!pump_waits.exchange(true)) {
    http.post([this] {
      pump_waits = false;  // before it reads: what comes later posts again
      generations.pump();
      check_failure();
    });
  }
}

void Service::State::handle(const ExchangePtr& exchange) {
  const HttpRequest& request = exchange->request();
  exchange->add_headers(access.cors_headers(request));
  if (Access::is_preflight(request)) {
    watch(exchange, "preflight");
    exchange->reply(
        {.status = 204,
         .content_type = "",
         .headers = {{"access-control-allow-methods", "GET, POST, OPTIONS"},
                     {"access-control-allow-headers",
                      "authorization, content-type, x-api-key, x-request-id, traceparent, "
                      "tracestate"},
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

// Why the server should get no requests; empty if it should.
std::string Service::State::stall_reason() const {
  if (http.is_draining()) {
    return "the server is shutting down";
  }
  if (engine.has_failed()) {
    return "the engine has failed";
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

// What the engine made before it failed was pumped.
void Service::State::check_failure() {
  if (is_failure_told || !engine.has_failed()) {
    return;
  }
  is_failure_told = true;
  log(LogLevel::kError, "server", "engine_failed=\"{}\" requests={}", engine.failure(),
      generations.num_active());
  generations.fail_all(engine_failed_error());
  if (options.on_failure) {
    options.on_failure();
  }
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

std::string Service::failure() const { return state_->engine.failure(); }

void Service::drain() {
  state_->http.post([this] { state_->begin_drain(); });
}

}  // namespace talon::server
