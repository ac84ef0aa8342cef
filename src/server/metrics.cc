#include "server/metrics.h"

#include <fmt/format.h>

#include <array>

namespace talon::server {
namespace {

// Writes series of one namespace ("talon:" or "vllm:") with the label of the model.
class Writer {
 public:
  Writer(std::string_view space, std::string_view label, std::string_view model, std::string& out)
      : space_(space), model_(fmt::format("{}=\"{}\"", label, escaped(model))), out_(out) {}

  void type(std::string_view name, std::string_view kind) {
    out_ += fmt::format("# TYPE {}{} {}\n", space_, name, kind);
  }
  template <class T>
  void value(std::string_view name, T value, std::string_view labels = "") {
    out_ += fmt::format("{}{}{{{}{}{}}} {}\n", space_, name, model_, labels.empty() ? "" : ",",
                        labels, value);
  }
  template <class T>
  void gauge(std::string_view name, T given) {
    type(name, "gauge");
    value(name, given);
  }
  template <class T>
  void counter(const std::string& name, T given) {
    type(name + "_total", "counter");
    value(name + "_total", given);
  }
  void histogram(std::string_view name, const Histogram& given) {
    type(name, "histogram");
    histogram_of(name, given, "");
  }
  // One of several under the same name.
  void histogram_of(std::string_view name, const Histogram& given, std::string_view labels) {
    given.write(fmt::format("{}{}", space_, name),
                fmt::format("{}{}{}", model_, labels.empty() ? "" : ",", labels), out_);
  }

  static std::string escaped(std::string_view text) {
    std::string out;
    for (const char c : text) {
      if (c == '"' || c == '\\') {
        out += '\\';
      }
      out += c == '\n' ? ' ' : c;
    }
    return out;
  }

 private:
  std::string_view space_;
  std::string model_;
  std::string& out_;
};

double usage_ratio(const EngineSnapshot& engine) {
  const int32_t used = engine.num_pages - engine.num_free_pages - engine.num_cached_pages;
  return engine.num_pages > 0 ? static_cast<double>(used) / engine.num_pages : 0.0;
}

void write_engine(Writer& to, const Metrics::View& view) {
  const EngineSnapshot& engine = view.engine;
  to.gauge("requests_running", engine.num_running);
  to.gauge("requests_waiting", engine.num_waiting);
  to.gauge("requests_prefilling", engine.num_prefilling);
  to.gauge("oldest_waiting_seconds", view.oldest_waiting_s);
  to.gauge("streams_open", view.num_streams);
  to.gauge("draining", view.is_draining ? 1 : 0);
  to.gauge("dummy_weights", view.synthetic_weights ? 1 : 0);
  to.gauge("ready", view.is_ready ? 1 : 0);
  to.gauge("last_step_age_seconds", view.last_step_age_s);
  to.counter("watchdog_trips", view.has_stalled ? 1 : 0);
  to.type("build_info", "gauge");
  to.value("build_info", 1,
           fmt::format("version=\"{}\",commit=\"{}\",device=\"{}\"", view.version, view.commit,
                       view.device));
  to.type("invariant_failures_total", "counter");
  for (size_t i = 0; i < kInvariantNames.size(); ++i) {
    to.value("invariant_failures_total", engine.invariant_failures[i],
             fmt::format("name=\"{}\"", kInvariantNames[i]));
  }
  to.gauge("kv_pages_total", engine.num_pages);
  to.gauge("kv_pages_free", engine.num_free_pages);
  to.gauge("kv_pages_cached", engine.num_cached_pages);
  to.gauge("kv_pages_used", engine.num_pages - engine.num_free_pages - engine.num_cached_pages);
  to.gauge("kv_usage_ratio", usage_ratio(engine));
  to.counter("steps", engine.scheduler.steps);
  to.counter("steps_launched_ahead", engine.scheduler.ahead_steps);
  to.counter("preemptions", engine.scheduler.preemptions);
  to.counter("prefix_cache_queries", engine.scheduler.prefix_queries);
  to.counter("prefix_cache_hits", engine.scheduler.prefix_hits);
  to.counter("prefix_cache_evictions", engine.num_evictions);
  to.type("step_seconds", "histogram");
  for (size_t i = 0; i < kStepKinds.size(); ++i) {
    to.histogram_of("step_seconds", engine.step_seconds[i],
                    fmt::format("kind=\"{}\"", kStepKinds[i]));
  }
  to.histogram("step_rows", engine.step_rows);
}

// Rounds that accepted the draft of this position, from 1.
int64_t accepted_at(const SpecStats& spec, int32_t position) {
  int64_t count = 0;
  for (size_t i = static_cast<size_t>(position); i < spec.accepted_histogram.size(); ++i) {
    count += spec.accepted_histogram[i];
  }
  return count;
}

void write_spec(Writer& to, const SpecStats& spec, const Metrics::View& view) {
  const int32_t num_drafts = view.num_speculative_tokens;
  to.gauge("spec_k", num_drafts);
  to.gauge("spec_forced_acceptance", view.synthetic_acceptance ? 1 : 0);
  to.counter("spec_draft_tokens", spec.drafted);
  to.counter("spec_accepted_tokens", spec.accepted);
  to.counter("spec_kept_tokens", spec.kept.accepted);
  to.type("spec_steps_total", "counter");
  for (int32_t i = 0; i <= num_drafts; ++i) {
    to.value("spec_steps_total", spec.accepted_histogram[static_cast<size_t>(i)],
             fmt::format("accepted=\"{}\"", i));
  }
  to.type("spec_accepted_per_position_total", "counter");
  for (int32_t i = 1; i <= num_drafts; ++i) {
    to.value("spec_accepted_per_position_total", accepted_at(spec, i),
             fmt::format("position=\"{}\"", i));
  }
}

}  // namespace

void Metrics::observe_request(const RequestRecord& record) {
  prompt_tokens_ += record.usage.prompt_tokens;
  cached_tokens_ += record.usage.cached_tokens;
  completion_tokens_ += record.usage.completion_tokens;
  reasoning_tokens_ += record.usage.reasoning_tokens.value_or(0);
  latency_.observe(record.total_s);
  prompt_sizes_.observe(static_cast<double>(record.usage.prompt_tokens));
  answer_sizes_.observe(static_cast<double>(record.usage.completion_tokens));
  if (const std::optional<double> seconds = record.seconds_per_token()) {
    per_token_.observe(*seconds);
  }
  if (record.admitted_s.has_value() && record.first_token_s.has_value()) {
    queue_time_.observe(*record.admitted_s);
    prefill_time_.observe(*record.first_token_s - *record.admitted_s);
    decode_time_.observe(*record.last_token_s - *record.first_token_s);
  }
  spec_ += record.spec;
  for (const FinishReason reason : record.finish) {
    ++finished_[std::string(finish_reason_name(reason))];
  }
}

void Metrics::count_end(const RequestRecord& record) {
  if (record.status == 499) {
    ++disconnects_[record.phase()];
  } else if (record.status >= 400) {
    ++rejected_[record.error_code];
  }
}

template <class To>
void Metrics::write_phases(To& to) const {
  to.histogram("request_queue_time_seconds", queue_time_);
  to.histogram("request_prefill_time_seconds", prefill_time_);
  to.histogram("request_decode_time_seconds", decode_time_);
  to.histogram("request_prompt_tokens", prompt_sizes_);
  to.histogram("request_generation_tokens", answer_sizes_);
}

std::string Metrics::text(const View& view) const {
  std::string out;
  Writer own("talon:", "model", view.model, out);
  write_engine(own, view);
  own.type("requests_finished_total", "counter");
  for (const auto& [reason, count] : finished_) {
    own.value("requests_finished_total", count, fmt::format("reason=\"{}\"", reason));
  }
  own.type("http_responses_total", "counter");
  for (const auto& [answer, count] : answers_) {
    own.value("http_responses_total", count,
              fmt::format("route=\"{}\",code=\"{}\"", answer.first, answer.second));
  }
  own.type("requests_rejected_total", "counter");
  for (const auto& [code, count] : rejected_) {
    own.value("requests_rejected_total", count, fmt::format("code=\"{}\"", code));
  }
  own.type("client_disconnects_total", "counter");
  for (const auto& [phase, count] : disconnects_) {
    own.value("client_disconnects_total", count, fmt::format("phase=\"{}\"", phase));
  }
  own.counter("prompt_tokens", prompt_tokens_);
  own.counter("cached_prompt_tokens", cached_tokens_);
  own.counter("generation_tokens", completion_tokens_);
  own.counter("reasoning_tokens", reasoning_tokens_);
  if (view.traces_exported.has_value()) {
    own.counter("traces_exported", *view.traces_exported);
    own.counter("traces_dropped", view.traces_dropped);
  }
  if (view.log_lines_dropped.has_value()) {
    own.counter("request_log_lines_dropped", *view.log_lines_dropped);
  }
  if (view.own_lines_dropped.has_value()) {
    own.counter("log_lines_dropped", *view.own_lines_dropped);
  }
  write_spec(own, spec_, view);
  own.histogram("time_to_first_token_seconds", first_token_);
  own.histogram("inter_token_latency_seconds", between_tokens_);
  own.histogram("e2e_request_latency_seconds", latency_);
  own.histogram("time_per_output_token_seconds", per_token_);
  write_phases(own);
  own.histogram("frame_chars", frame_chars_);
  own.histogram("event_loop_delay_seconds", loop_delay_);
  if (view.vllm_names) {
    write_vllm(view, out);
  }
  return out;
}

void Metrics::write_vllm(const View& view, std::string& out) const {
  Writer vllm("vllm:", "model_name", view.model, out);
  vllm.gauge("num_requests_running", view.engine.num_running);
  vllm.gauge("num_requests_waiting", view.engine.num_waiting);
  vllm.gauge("kv_cache_usage_perc", usage_ratio(view.engine));
  vllm.counter("prefix_cache_queries", view.engine.scheduler.prefix_queries);
  vllm.counter("prefix_cache_hits", view.engine.scheduler.prefix_hits);
  vllm.counter("prompt_tokens", prompt_tokens_);
  vllm.counter("generation_tokens", completion_tokens_);
  vllm.counter("num_preemptions", view.engine.scheduler.preemptions);
  vllm.type("request_success_total", "counter");
  for (const auto& [reason, count] : finished_) {
    vllm.value("request_success_total", count, fmt::format("finished_reason=\"{}\"", reason));
  }
  vllm.histogram("time_to_first_token_seconds", first_token_);
  vllm.histogram("inter_token_latency_seconds", between_tokens_);
  vllm.histogram("e2e_request_latency_seconds", latency_);
  write_phases(vllm);
  vllm.counter("spec_decode_num_drafts", spec_.rounds);
  vllm.counter("spec_decode_num_draft_tokens", spec_.drafted);
  vllm.counter("spec_decode_num_accepted_tokens", spec_.accepted);
  vllm.type("spec_decode_num_accepted_tokens_per_pos_total", "counter");
  for (int32_t i = 1; i <= view.num_speculative_tokens; ++i) {
    vllm.value("spec_decode_num_accepted_tokens_per_pos_total", accepted_at(spec_, i),
               fmt::format("position=\"{}\"", i - 1));
  }
}

}  // namespace talon::server
