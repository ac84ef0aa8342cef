// Debug routes: what the engine and the requests are doing, without prompts, answers or waiting for
// the engine. What its thread published last is shown, with its age.
#include <chrono>
#include <unordered_map>

#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "server/service_state.h"
#include "stream/spec_json.h"

namespace talon::server {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point time) {
  return std::chrono::duration<double>(Clock::now() - time).count();
}

ApiError no_profiler_error() {
  return {.status = 501,
          .type = "server_error",
          .code = "no_profiler",
          .message = "the model runs on the CPU, where there is no CUDA profiler"};
}

ApiError profiler_error() {
  return {.status = 500,
          .type = "server_error",
          .code = "internal",
          .message = "the CUDA profiler did not take the call"};
}

Json step_json(const StepView& step) {
  return {{"round", step.round},
          {"sequences", step.num_sequences},
          {"rows", step.num_rows},
          {"prefill_rows", step.num_prefill_rows},
          {"draft_rows", step.num_draft_rows},
          {"planned_ahead", step.is_ahead}};
}

Json sequence_json(const SequenceView& view) {
  return {{"sequence", view.id.value},     {"state", view.state},   {"prompt_len", view.prompt_len},
          {"num_tokens", view.num_tokens}, {"kv_len", view.kv_len}, {"pages", view.num_pages}};
}

}  // namespace

void Service::State::add_debug_routes() {
  const auto get = [this](std::string path, std::string (State::*text)() const) {
    router.add({.method = "GET",
                .path = std::move(path),
                .handler = [this, text](const ExchangePtr& exchange) {
                  exchange->reply({.body = (this->*text)()});
                }});
  };
  get("/debug/mtp_stats", &State::mtp_stats);
  get("/debug/cache_stats", &State::cache_stats);
  get("/debug/scheduler", &State::scheduler_json);
  get("/debug/requests", &State::requests_json);
  get("/debug/graphs", &State::graphs_json);
}

void Service::State::add_profile_routes() {
  for (const bool starts : {true, false}) {
    router.add(
        {.method = "POST",
         .path = starts ? "/start_profile" : "/stop_profile",
         .handler = [this, starts](const ExchangePtr& exchange) { profile(exchange, starts); }});
  }
}

// On the engine's thread, so that the range begins and ends between two steps.
void Service::State::profile(const ExchangePtr& exchange, bool starts) {
  const std::string& id = exchange->request().id;
  if (!options.profile) {
    exchange->reply(error_reply({}, no_profiler_error(), id));
    return;
  }
  const bool is_posted = engine.post([this, starts, exchange](Engine&) {
    HttpReply reply{.body = Json{{"profiling", starts}}.dump()};
    try {
      options.profile(starts);
    } catch (const Error& error) {
      log(LogLevel::kError, "server", "profiler=\"{}\"", error.what());
      reply = error_reply({}, profiler_error(), exchange->request().id);
    }
    http.post([exchange, reply] { exchange->reply(reply); });
  });
  if (!is_posted) {
    exchange->reply(error_reply({}, unhealthy_error("the engine takes no tasks"), id));
  }
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
                      {"prefix_hits", now.scheduler.prefix_hits},
                      {"evictions", now.num_evictions}};
  return stats.dump();
}

std::string Service::State::scheduler_json() const {
  const EngineSnapshot now = engine.snapshot();
  Json queue = Json::array();
  for (const LiveRequest& live : generations.live(Clock::now())) {
    if (live.phase == "queued") {
      queue.push_back({{"id", live.id}, {"waits_s", live.age_s}, {"choices", live.ids.size()}});
    }
  }
  const Json out = {
      {"running", now.num_running},
      {"prefilling", now.num_prefilling},
      {"waiting", now.num_waiting},
      {"head_waits_for", wait_reason_name(now.wait_reason)},
      {"queue", queue},
      {"last_step", now.last_step.round > 0 ? step_json(now.last_step) : Json(nullptr)},
      {"last_step_age_s",
       now.last_step.round > 0 ? Json(seconds_since(now.last_step_time)) : Json(nullptr)},
      {"stalled_s", std::chrono::duration<double>(engine.stalled_for()).count()},
      {"steps", now.scheduler.steps},
      {"steps_launched_ahead", now.scheduler.ahead_steps},
      {"preemptions", now.scheduler.preemptions}};
  return out.dump();
}

std::string Service::State::requests_json() const {
  const std::shared_ptr<const EngineDetails> details = engine.details();
  std::unordered_map<int64_t, const SequenceView*> by_id;
  for (const SequenceView& view : details->sequences) {
    by_id.emplace(view.id.value, &view);
  }
  Json requests = Json::array();
  for (const LiveRequest& live : generations.live(Clock::now())) {
    Json sequences = Json::array();
    for (const SeqId id : live.ids) {
      if (const auto found = by_id.find(id.value); found != by_id.end()) {
        sequences.push_back(sequence_json(*found->second));
      }
    }
    requests.push_back({{"id", live.id},
                        {"route", live.route},
                        {"phase", live.phase},
                        {"age_s", live.age_s},
                        {"stream", live.is_stream},
                        {"completion_tokens", live.num_tokens},
                        {"unsent_bytes", live.num_unsent_bytes},
                        {"sequences", std::move(sequences)}});
  }
  const Json out = {{"as_of_s", seconds_since(details->time)}, {"requests", std::move(requests)}};
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string Service::State::graphs_json() const {
  const std::shared_ptr<const EngineDetails> details = engine.details();
  Json graphs = Json::array();
  int64_t num_hits = 0;
  for (const GraphView& graph : details->graphs) {
    graphs.push_back({{"sequences", graph.num_sequences},
                      {"drafts", graph.num_drafts},
                      {"hits", graph.num_replays}});
    num_hits += graph.num_replays;
  }
  const Json out = {{"as_of_s", seconds_since(details->time)},
                    // The driver does not tell what a captured graph takes.
                    {"memory_bytes", graphs.empty() ? Json(0) : Json(nullptr)},
                    {"captured", std::move(graphs)},
                    {"hits", num_hits},
                    {"misses", details->num_eager_launches}};
  return out.dump();
}

}  // namespace talon::server
