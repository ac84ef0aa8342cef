#include "server/service.h"

#include <fmt/format.h>

#include <ctime>
#include <optional>
#include <random>
#include <span>
#include <utility>
#include <variant>

#include "base/json.h"
#include "base/log.h"
#include "server/access.h"
#include "server/api/chat_answer.h"
#include "server/api/chat_request.h"
#include "server/api/completion_answer.h"
#include "server/api/completion_request.h"
#include "server/api/error.h"
#include "server/engine_thread.h"
#include "server/metrics.h"
#include "server/page/page.h"
#include "server/router.h"
#include "server/worker.h"
#include "stream/grammar_constraint.h"
#include "stream/spec_json.h"
#include "text/grammar.h"

namespace talon::server {
namespace {

using Clock = std::chrono::steady_clock;
using ExchangePtr = std::shared_ptr<Exchange>;

constexpr size_t kMaxTasks = 4096;
constexpr std::chrono::milliseconds kTick(20);

// A request that was read, with the answer that refers to it.
struct Prepared {
  std::shared_ptr<const GenerationCall> call{};
  std::unique_ptr<Answer> answer{};
};
using Reading = std::variant<Prepared, ApiError>;

template <class AnswerType, class Call>
Reading prepare(const text::Tokenizer& tokenizer,
                std::variant<Call, ApiError>&& parsed,
                AnswerHead&& head) {
  if (auto* error = std::get_if<ApiError>(&parsed)) {
    return std::move(*error);
  }
  const auto call = std::make_shared<const Call>(std::get<Call>(std::move(parsed)));
  return Prepared{.call = std::shared_ptr<const GenerationCall>(call, &call->generation),
                  .answer = std::make_unique<AnswerType>(tokenizer, *call, std::move(head))};
}

HttpReply error_reply(const ApiError& error) {
  HttpReply reply{.status = error.status, .body = error_body(error)};
  if (error.status == 429 || error.status == 503) {
    reply.headers.emplace_back("retry-after", "1");
  }
  return reply;
}

ApiError not_found(const std::string& path) {
  return {.status = 404, .code = "not_found", .message = fmt::format("there is no {}", path)};
}

ApiError draining_error() {
  return {.status = 503,
          .type = "service_unavailable",
          .code = "draining",
          .message = "the server is shutting down"};
}

Arrival arrival_now() {
  static thread_local std::mt19937_64 random(std::random_device{}());
  const std::time_t now = std::time(nullptr);
  Arrival arrival{.seed = static_cast<int64_t>(random() >> 1)};
  localtime_r(&now, &arrival.local_time);
  return arrival;
}

}  // namespace

struct Service::State {
  State(LocalModel& given_model,
        const ApiContext& given_context,
        ServiceOptions given_options,
        const HttpServerOptions& http_options);

  void add_routes();
  void add_health_routes();
  void handle(const ExchangePtr& exchange);
  void watch(const ExchangePtr& exchange, const std::string& route);
  void generate(const ExchangePtr& exchange,
                std::string id_prefix,
                std::function<Reading(std::string, AnswerHead)> read);
  std::variant<GenerationRequest, ApiError> to_generation(Prepared&& prepared);
  std::optional<ApiError> constrain(const GenerationCall& call, std::vector<Request>& requests);
  AnswerHead answer_head(const HttpRequest& request, const std::string& id_prefix) const;
  std::string stall_reason() const;
  std::string metrics_text() const;
  std::string mtp_stats() const;
  std::string cache_stats() const;
  void on_signal();
  void begin_drain();
  void check_progress();

  LocalModel& model;
  ApiContext context;
  ServiceOptions options;
  Access access;
  Router router;
  Metrics metrics;
  std::optional<text::GrammarCompiler> grammars;
  HttpServer http;
  EngineThread engine;
  Generations generations;
  int num_signals = 0;
  bool has_stalled = false;
  Clock::time_point drain_deadline = Clock::time_point::max();
  Worker worker{kMaxTasks};  // last: its tasks use the others
};

Service::State::State(LocalModel& given_model,
                      const ApiContext& given_context,
                      ServiceOptions given_options,
                      const HttpServerOptions& http_options)
    : model(given_model),
      context(given_context),
      options(std::move(given_options)),
      access(options.api_keys, options.allowed_origins),
      http(http_options, [this](const ExchangePtr& exchange) { handle(exchange); }),
      engine(*model.engine, kMaxTasks, [this] { http.post([this] { generations.pump(); }); }),
      generations(*model.tokenizer,
                  engine,
                  metrics,
                  options.generation,
                  [this](std::function<void()> task) { http.post(std::move(task)); }) {
  if (text::GrammarCompiler::is_available()) {
    grammars.emplace(*model.tokenizer, context.vocab_size, model.end_token_ids,
                     text::GrammarLimits{.max_bytes = context.max_grammar_bytes,
                                         .timeout = options.grammar_timeout});
  }
  context.has_grammars = grammars.has_value();
  add_routes();
  add_health_routes();
  http.on_signal([this] { on_signal(); });
  http.every(kTick, [this] {
    generations.tick(Clock::now());
    check_progress();
  });
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
    HttpReply reply = error_reply({.status = 401,
                                   .type = "authentication_error",
                                   .code = "invalid_api_key",
                                   .message = "an API key is needed, as a bearer token"});
    reply.headers.emplace_back("www-authenticate", "Bearer");
    exchange->reply(std::move(reply));
  } else if (match.route != nullptr) {
    match.route->handler(exchange);
  } else if (match.allowed.empty()) {
    exchange->reply(error_reply(not_found(request.path)));
  } else {
    HttpReply reply =
        error_reply({.status = 405,
                     .code = "method_not_allowed",
                     .message = fmt::format("{} answers {}", request.path, match.allowed)});
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

// Reads the request on the worker, submits it to the engine, and lets the answer run.
void Service::State::generate(const ExchangePtr& exchange,
                              std::string id_prefix,
                              std::function<Reading(std::string, AnswerHead)> read) {
  if (http.is_draining()) {
    exchange->reply(error_reply(draining_error()));
    return;
  }
  AnswerHead head = answer_head(exchange->request(), id_prefix);
  auto body = std::make_shared<std::string>(exchange->take_body());
  const bool is_posted = worker.post([this, exchange, head, body, read = std::move(read)] {
    Reading prepared = read(std::move(*body), head);
    using Outcome = std::variant<GenerationRequest, ApiError>;
    auto outcome =
        std::make_shared<Outcome>(std::holds_alternative<ApiError>(prepared)
                                      ? Outcome(std::get<ApiError>(std::move(prepared)))
                                      : to_generation(std::get<Prepared>(std::move(prepared))));
    http.post([this, exchange, outcome] {
      if (const auto* error = std::get_if<ApiError>(outcome.get())) {
        exchange->reply(error_reply(*error));
      } else if (!exchange->is_gone()) {
        generations.start(exchange, std::move(std::get<GenerationRequest>(*outcome)));
      }
    });
  });
  if (!is_posted) {
    exchange->reply(error_reply({.status = 429,
                                 .type = "rate_limit_error",
                                 .code = "queue_full",
                                 .message = "too many requests wait"}));
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

void Service::State::add_routes() {
  const auto completions = [this](const ExchangePtr& exchange) {
    generate(exchange, "cmpl-", [this](std::string body, AnswerHead head) {
      return prepare<CompletionAnswer>(*model.tokenizer,
                                       parse_completion_request(body, context, arrival_now()),
                                       std::move(head));
    });
  };
  router.add({.method = "POST", .path = "/v1/completions", .handler = completions});
  const auto chat = [this](const ExchangePtr& exchange) {
    generate(exchange, "chatcmpl-", [this](std::string body, AnswerHead head) {
      return prepare<ChatAnswer>(*model.tokenizer, parse_chat_request(body, context, arrival_now()),
                                 std::move(head));
    });
  };
  router.add({.method = "POST", .path = "/v1/chat/completions", .handler = chat});
  const auto get = [this](std::string path, bool is_open, std::string type,
                          std::function<std::string()> text) {
    router.add({.method = "GET",
                .path = std::move(path),
                .handler =
                    [type, text](const ExchangePtr& exchange) {
                      exchange->reply({.content_type = type, .body = text()});
                    },
                .is_open = is_open});
  };
  const std::string json = "application/json";
  get("/metrics", options.metrics_are_public, "text/plain; version=0.0.4; charset=utf-8",
      [this] { return metrics_text(); });
  get("/debug/mtp_stats", false, json, [this] { return mtp_stats(); });
  get("/debug/cache_stats", false, json, [this] { return cache_stats(); });
  get("/server_info", false, json, [this] { return options.server_info; });
  if (options.has_page) {
    for (const PageFile& file : page_files()) {
      router.add({.method = "GET",
                  .path = std::string(file.path),
                  .handler =
                      [&file](const ExchangePtr& exchange) {
                        exchange->reply(
                            {.content_type = std::string(file.content_type),
                             .headers = {{"content-security-policy", std::string(kPagePolicy)},
                                         {"x-content-type-options", "nosniff"},
                                         {"referrer-policy", "no-referrer"}},
                             .body = std::string(file.body)});
                      },
                  .is_open = true});
    }
  }
}

void Service::State::add_health_routes() {
  const auto ready = [this](const ExchangePtr& exchange) {
    const std::string reason = stall_reason();
    if (!reason.empty()) {
      exchange->reply(error_reply({.status = 503,
                                   .type = "service_unavailable",
                                   .code = http.is_draining() ? "draining" : "unhealthy",
                                   .message = reason}));
      return;
    }
    exchange->reply({.body = R"({"status":"ok"})"});
  };
  for (const char* path :
       {"/health", "/health/ready", "/ready", "/readiness", "/ping", "/health_generate"}) {
    router.add({.method = "GET", .path = path, .handler = ready, .is_open = true});
  }
  for (const char* path : {"/health/live", "/liveness"}) {
    router.add(
        {.method = "GET",
         .path = path,
         .handler =
             [](const ExchangePtr& exchange) { exchange->reply({.body = R"({"status":"ok"})"}); },
         .is_open = true});
  }
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

std::string Service::State::metrics_text() const {
  return metrics.text({.engine = engine.snapshot(),
                       .model = context.model_names.front(),
                       .num_speculative_tokens = model.engine->max_drafts(),
                       .is_draining = http.is_draining(),
                       .vllm_names = options.vllm_metrics});
}

// ATOM's keys beside the object that every command prints.
std::string Service::State::mtp_stats() const {
  const SpecStats& spec = metrics.spec();
  const Json stats = {{"average_tokens_per_forward", spec.tokens_per_forward()},
                      {"acceptance_rate", spec.acceptance_rate()},
                      {"spec", spec_json(spec, model.engine->max_drafts())}};
  return stats.dump();
}

std::string Service::State::cache_stats() const {
  const EngineSnapshot now = engine.snapshot();
  const Json stats = {{"pages",
                       {{"total", now.num_pages},
                        {"free", now.num_free_pages},
                        {"cached", now.num_cached_pages},
                        {"used", now.num_pages - now.num_free_pages - now.num_cached_pages}}},
                      {"prefix_queries", now.scheduler.prefix_queries},
                      {"prefix_hits", now.scheduler.prefix_hits}};
  return stats.dump();
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
