// The server of one model: HTTP in front, the engine behind, and the routes between them.
//
// `run` makes the calling thread the io thread and returns when the server has drained: after
// `drain`, or the first SIGINT or SIGTERM; a second one cuts what still runs. The engine runs on a
// thread of its own, requests are read on another.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "server/api/answer.h"
#include "server/api/context.h"
#include "server/generation.h"
#include "server/http_server.h"
#include "stream/local_model.h"

namespace talon::server {

struct ServiceOptions {
  std::vector<std::string> api_keys{};         // none: everybody may ask
  std::vector<std::string> allowed_origins{};  // of other pages (CORS); "*": all
  bool has_page = true;
  bool metrics_are_public = false;
  bool vllm_metrics = false;
  bool access_log = true;
  bool always_usage = false;
  CoalesceLimits coalesce{};
  GenerationOptions generation{};
  std::chrono::milliseconds grammar_timeout{2000};
  std::chrono::milliseconds shutdown_timeout{60'000};
  // Work without progress for so long: `on_stall` is called, once, on the io thread.
  std::chrono::milliseconds watchdog_timeout{60'000};
  std::function<void()> on_stall{};
  // The engine's thread ended by an exception and all requests with an error: called once, on the
  // io thread. The service goes on to say that it is unhealthy until it is drained.
  std::function<void()> on_failure{};
  std::string request_log{};           // a file: a JSON line for each request that generates
  bool log_prompts = false;            // with the text of the prompt
  std::string otlp_traces_endpoint{};  // http://host:port of a collector; empty: none
  // /start_profile and /stop_profile are there. `profile` begins or ends the profiler's range
  // between two steps; none: this device has no profiler, which the routes then say.
  bool enable_profiling = false;
  std::function<void(bool starts)> profile{};
  // Lines of the log on stderr that were dropped, for metrics; null: that is not known.
  std::function<int64_t()> num_dropped_lines{};
  std::string version{};
  std::string commit = "unknown";  // of the source
  std::string device = "cpu";      // for metrics
  std::string server_info = "{}";  // JSON of /server_info: resolved settings without secrets
};

class Service {
 public:
  // Binds the port: throws Error. `model` must outlive the service, and nobody else may use it.
  Service(LocalModel& model,
          const ApiContext& context,
          const ServiceOptions& options,
          const HttpServerOptions& http);
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  uint16_t port() const;
  void run();
  void drain();  // from any thread
  // Why the engine's thread ended; empty: it did not. From any thread.
  std::string failure() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace talon::server
