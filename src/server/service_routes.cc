#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <random>
#include <type_traits>
#include <utility>

#include "base/json.h"
#include "server/api/anthropic_answer.h"
#include "server/api/anthropic_request.h"
#include "server/api/chat_answer.h"
#include "server/api/chat_request.h"
#include "server/api/completion_answer.h"
#include "server/api/completion_request.h"
#include "server/api/models.h"
#include "server/api/responses_answer.h"
#include "server/api/responses_request.h"
#include "server/api/tokenize.h"
#include "server/page/page.h"
#include "server/service_state.h"

namespace talon::server {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kJson = "application/json";

const ErrorShape& openai_errors() {
  static const ErrorShape kShape;
  return kShape;
}

const ErrorShape& anthropic_errors() {
  static const ErrorShape kShape{.body = anthropic_error_body,
                                 .frame = [](const ApiError& error, std::string_view request_id) {
                                   return fmt::format("event: error\ndata: {}\n\n",
                                                      anthropic_error_body(error, request_id));
                                 }};
  return kShape;
}

// The answer of a call. OpenAI's two old routes show tokens, so theirs need the tokenizer.
template <class AnswerType, class Call>
Reading prepare(const text::Tokenizer& tokenizer,
                std::variant<Call, ApiError>&& parsed,
                Arriving&& arriving) {
  if (auto* error = std::get_if<ApiError>(&parsed)) {
    return std::move(*error);
  }
  const auto call = std::make_shared<const Call>(std::get<Call>(std::move(parsed)));
  Prepared prepared{.call = std::shared_ptr<const GenerationCall>(call, &call->generation)};
  AnswerHead head = std::move(arriving.head);
  const std::string& own_id = call->generation.request_id;
  head.id = arriving.id_prefix + (own_id.empty() ? arriving.id : own_id);
  if constexpr (std::is_constructible_v<AnswerType, const Call&, AnswerHead>) {
    prepared.answer = std::make_unique<AnswerType>(*call, std::move(head));
  } else {
    prepared.answer = std::make_unique<AnswerType>(tokenizer, *call, std::move(head));
  }
  return prepared;
}

Arrival arrival_now() {
  static thread_local std::mt19937_64 random(std::random_device{}());
  const std::time_t now = std::time(nullptr);
  Arrival arrival{.seed = static_cast<int64_t>(random() >> 1)};
  localtime_r(&now, &arrival.local_time);
  return arrival;
}

}  // namespace

void Service::State::add_routes() {
  add_generation_routes();
  add_text_routes();
  add_status_routes();
  add_debug_routes();
  if (options.enable_profiling) {
    add_profile_routes();
  }
  // Nobody but who has a key may stop a server or its requests.
  if (!options.api_keys.empty()) {
    add_admin_routes();
  }
  add_health_routes();
  if (options.has_page) {
    add_page_routes();
  }
}

void Service::State::add_generation_routes() {
  const auto add = [this](std::string path, const std::string& id_prefix, const ErrorShape& errors,
                          const std::function<Reading(std::string, Arriving)>& read) {
    router.add({.method = "POST",
                .path = std::move(path),
                .handler = [this, id_prefix, &errors, read](const ExchangePtr& exchange) {
                  generate(exchange, id_prefix, errors, read);
                }});
  };
  const text::Tokenizer& tokenizer = *model.tokenizer;
  add("/v1/completions", "cmpl-", openai_errors(), [&](const std::string& body, Arriving arriving) {
    return prepare<CompletionAnswer>(
        tokenizer, parse_completion_request(body, context, arrival_now()), std::move(arriving));
  });
  add("/v1/chat/completions", "chatcmpl-", openai_errors(),
      [&](const std::string& body, Arriving arriving) {
        return prepare<ChatAnswer>(tokenizer, parse_chat_request(body, context, arrival_now()),
                                   std::move(arriving));
      });
  add("/v1/responses", "resp_", openai_errors(), [&](const std::string& body, Arriving arriving) {
    return prepare<ResponsesAnswer>(
        tokenizer, parse_responses_request(body, context, arrival_now()), std::move(arriving));
  });
  add("/v1/messages", "msg_", anthropic_errors(), [&](const std::string& body, Arriving arriving) {
    return prepare<AnthropicAnswer>(
        tokenizer, parse_anthropic_request(body, context, arrival_now()), std::move(arriving));
  });
}

// Routes that make text of text, without the engine.
void Service::State::add_text_routes() {
  using Made = std::variant<std::string, ApiError>;
  const auto add = [this](std::string path, const ErrorShape& errors,
                          const std::function<Made(std::string)>& make) {
    router.add({.method = "POST",
                .path = std::move(path),
                .handler = [this, &errors, make](const ExchangePtr& exchange) {
                  answer_on_worker(exchange, errors, make);
                }});
  };
  for (const std::string prefix : {"", "/v1"}) {
    add(prefix + "/tokenize", openai_errors(),
        [this](const std::string& body) { return answer_tokenize(body, context, arrival_now()); });
    add(prefix + "/detokenize", openai_errors(),
        [this](const std::string& body) { return answer_detokenize(body, context); });
  }
  add("/v1/messages/count_tokens", anthropic_errors(), [this](const std::string& body) {
    return answer_count_tokens(body, context, arrival_now());
  });
}

void Service::State::add_status_routes() {
  const auto get = [this](std::string path, const std::function<std::string()>& text,
                          const std::string& type = kJson, bool is_open = false) {
    router.add({.method = "GET",
                .path = std::move(path),
                .handler =
                    [type, text](const ExchangePtr& exchange) {
                      exchange->reply({.content_type = type, .body = text()});
                    },
                .is_open = is_open});
  };
  get(
      "/metrics", [this] { return metrics_text(); }, "text/plain; version=0.0.4; charset=utf-8",
      options.metrics_are_public);
  get("/server_info", [this] { return options.server_info; });
  get("/version",
      [this] { return Json{{"version", options.version}, {"commit", options.commit}}.dump(); });
  get("/v1/models", [this] { return models_body(context, start_time); });
  const std::string prefix = "/v1/models/";
  router.add({.method = "GET",
              .path = prefix,
              .handler =
                  [this, prefix](const ExchangePtr& exchange) {
                    const HttpRequest& request = exchange->request();
                    auto body = model_body(request.path.substr(prefix.size()), context, start_time);
                    if (const auto* error = std::get_if<ApiError>(&body)) {
                      exchange->reply(error_reply(openai_errors(), *error, request.id));
                    } else {
                      exchange->reply({.body = std::get<std::string>(std::move(body))});
                    }
                  },
              .takes_rest = true});
}

void Service::State::add_admin_routes() {
  const auto post = [this](std::string path, std::function<void(const ExchangePtr&)> handler) {
    router.add({.method = "POST", .path = std::move(path), .handler = std::move(handler)});
  };
  post("/admin/drain", [this](const ExchangePtr& exchange) {
    exchange->reply({.body = R"({"status":"draining"})"});
    begin_drain();
  });
  post("/admin/abort", [this](const ExchangePtr& exchange) {
    const Result<Json> body = parse_json(exchange->request().body);
    const bool is_named = body.ok() && body.value().is_object() &&
                          body.value().contains("request_id") &&
                          body.value()["request_id"].is_string();
    if (!is_named) {
      exchange->reply(error_reply(openai_errors(),
                                  bad_request("missing_field", "request_id", "a string is needed"),
                                  exchange->request().id));
      return;
    }
    const bool found = generations.abort(body.value()["request_id"].get<std::string>());
    exchange->reply({.body = Json{{"aborted", found}}.dump()});
  });
  for (const char* path : {"/flush_cache", "/reset_prefix_cache"}) {
    post(path, [this](const ExchangePtr& exchange) {
      const bool is_posted = engine.post([](Engine& owned) { owned.clear_prefix_cache(); });
      exchange->reply(
          {.status = is_posted ? 200 : 503, .body = Json{{"flushed", is_posted}}.dump()});
    });
  }
}

void Service::State::add_page_routes() {
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

void Service::State::add_health_routes() {
  const auto ready = [this](const ExchangePtr& exchange) {
    const std::string reason = stall_reason();
    if (!reason.empty()) {
      exchange->reply(error_reply(openai_errors(),
                                  http.is_draining() ? draining_error() : unhealthy_error(reason),
                                  exchange->request().id));
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

std::string Service::State::metrics_text() const {
  const Clock::time_point now = Clock::now();
  const EngineSnapshot snapshot = engine.snapshot();
  Metrics::View view{
      .engine = snapshot,
      .model = context.model_names.front(),
      .num_speculative_tokens = model.engine->max_drafts(),
      .is_draining = http.is_draining(),
      .is_ready = stall_reason().empty(),
      .has_stalled = has_stalled,
      .synthetic_acceptance = model.synthetic_acceptance,
      .synthetic_weights = model.synthetic_weights,
      .version = options.version,
      .commit = options.commit,
      .device = options.device,
      .log_lines_dropped = request_log ? std::optional(request_log->num_dropped()) : std::nullopt,
      .own_lines_dropped =
          options.num_dropped_lines ? std::optional(options.num_dropped_lines()) : std::nullopt,
      .vllm_names = options.vllm_metrics};
  if (exporter != nullptr) {
    view.traces_exported = exporter->num_exported();
    view.traces_dropped = exporter->num_dropped();
  }
  if (snapshot.last_step.round > 0) {
    view.last_step_age_s = std::chrono::duration<double>(now - snapshot.last_step_time).count();
  }
  for (const LiveRequest& live : generations.live(now)) {
    view.num_streams += live.is_stream && live.has_begun ? 1 : 0;
    if (live.phase == "queued") {
      view.oldest_waiting_s = std::max(view.oldest_waiting_s, live.age_s);
    }
  }
  return metrics.text(view);
}

}  // namespace talon::server
