// The inside of a Service, shared by service.cc (its life), service_generate.cc (requests that
// generate), service_routes.cc (the table of routes) and service_debug.cc (debug routes).
#pragma once

#include <atomic>
#include <chrono>
#include <ctime>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "server/access.h"
#include "server/api/generation_call.h"
#include "server/constraints.h"
#include "server/engine_thread.h"
#include "server/generation.h"
#include "server/line_log.h"
#include "server/metrics.h"
#include "server/otlp_exporter.h"
#include "server/request_record.h"
#include "server/router.h"
#include "server/service.h"
#include "server/worker.h"

namespace talon::server {

using ExchangePtr = std::shared_ptr<Exchange>;

// A request that was read, with the answer that refers to it.
struct Prepared {
  std::shared_ptr<const GenerationCall> call{};
  std::unique_ptr<Answer> answer{};
};
using Reading = std::variant<Prepared, ApiError>;

// What an answer begins with. The body of the request may state an id of its own.
struct Arriving {
  AnswerHead head{};  // but for the id
  std::string id_prefix{};
  std::string id{};  // of the request
};

ApiError draining_error();
ApiError unhealthy_error(const std::string& reason);

struct Service::State {
  State(LocalModel& given_model,
        const ApiContext& given_context,
        ServiceOptions given_options,
        const HttpServerOptions& http_options);

  void add_routes();
  void add_generation_routes();
  void add_text_routes();
  void add_status_routes();
  void add_debug_routes();
  void add_profile_routes();
  void profile(const ExchangePtr& exchange, bool starts);
  void add_admin_routes();
  void add_page_routes();
  void add_health_routes();
  void handle(const ExchangePtr& exchange);
  void post_pump();  // from the engine's thread
  void watch(const ExchangePtr& exchange, const std::string& route);
  // Reads the request on the worker, submits it to the engine, and lets the answer run.
  void generate(const ExchangePtr& exchange,
                const std::string& id_prefix,
                const ErrorShape& errors,
                std::function<Reading(std::string, Arriving)> read);
  std::shared_ptr<RequestRecord> keep_record(const ExchangePtr& exchange,
                                             std::chrono::steady_clock::time_point arrival);
  // Answers with what the worker makes of the body.
  void answer_on_worker(const ExchangePtr& exchange,
                        const ErrorShape& errors,
                        std::function<std::variant<std::string, ApiError>(std::string)> make);
  std::variant<GenerationRequest, ApiError> to_generation(Prepared&& prepared);
  AnswerHead answer_head();
  void begin(const ExchangePtr& exchange, GenerationRequest&& request);
  std::string stall_reason() const;
  std::string metrics_text() const;
  std::string mtp_stats() const;
  std::string cache_stats() const;
  std::string scheduler_json() const;
  std::string requests_json() const;
  std::string graphs_json() const;
  void on_signal();
  void begin_drain();
  void check_progress();
  void check_failure();

  LocalModel& model;
  ApiContext context;
  ServiceOptions options;
  Access access;
  Router router;
  Metrics metrics;
  Constraints constraints;                 // the worker's
  std::unique_ptr<LineLog> request_log;    // null: none
  std::unique_ptr<OtlpExporter> exporter;  // likewise
  HttpServer http;
  // The engine's thread is faster than this one at times: one pump waits, never a row of them.
  std::atomic<bool> pump_waits{false};
  EngineThread engine;
  Generations generations;
  int64_t start_time = std::time(nullptr);  // seconds since 1970
  int num_signals = 0;
  bool has_stalled = false;
  std::chrono::steady_clock::time_point last_tick{};
  bool is_failure_told = false;
  std::chrono::steady_clock::time_point drain_deadline =
      std::chrono::steady_clock::time_point::max();
  Worker worker;  // last: its tasks use the others
};

}  // namespace talon::server
