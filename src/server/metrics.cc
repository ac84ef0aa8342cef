#include "server/metrics.h"

#include <fmt/format.h>

#include <algorithm>

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
    given.write(fmt::format("{}{}", space_, name), model_, out_);
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
  to.gauge("draining", view.is_draining ? 1 : 0);
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
}

void write_spec(Writer& to, const SpecStats& spec, int32_t num_drafts) {
  to.gauge("spec_k", num_drafts);
  to.counter("spec_draft_tokens", spec.drafted);
  to.counter("spec_accepted_tokens", spec.accepted);
  to.counter("spec_kept_tokens", spec.kept.accepted);
  to.type("spec_steps_total", "counter");
  for (int32_t i = 0; i <= num_drafts; ++i) {
    to.value("spec_steps_total", spec.accepted_histogram[static_cast<size_t>(i)],
             fmt::format("accepted=\"{}\"", i));
  }
}

}  // namespace

void Histogram::observe(double value) {
  const auto* bound = std::ranges::lower_bound(kBounds, value);
  ++counts_[static_cast<size_t>(bound - kBounds.begin())];
  sum_ += value;
  ++count_;
}

void Histogram::write(std::string_view name, std::string_view model, std::string& out) const {
  int64_t below = 0;
  for (size_t i = 0; i < counts_.size(); ++i) {
    below += counts_[i];
    const std::string bound = i < kBounds.size() ? fmt::format("{}", kBounds[i]) : "+Inf";
    out += fmt::format("{}_bucket{{{},le=\"{}\"}} {}\n", name, model, bound, below);
  }
  out +=
      fmt::format("{}_sum{{{}}} {}\n{}_count{{{}}} {}\n", name, model, sum_, name, model, count_);
}

void Metrics::observe_request(const RequestRecord& record) {
  prompt_tokens_ += record.usage.prompt_tokens;
  cached_tokens_ += record.usage.cached_tokens;
  completion_tokens_ += record.usage.completion_tokens;
  reasoning_tokens_ += record.usage.reasoning_tokens.value_or(0);
  latency_.observe(record.total_s);
  spec_ += record.spec;
  for (const FinishReason reason : record.finish) {
    ++finished_[std::string(finish_reason_name(reason))];
  }
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
  own.counter("prompt_tokens", prompt_tokens_);
  own.counter("cached_prompt_tokens", cached_tokens_);
  own.counter("generation_tokens", completion_tokens_);
  own.counter("reasoning_tokens", reasoning_tokens_);
  if (view.log_lines_dropped.has_value()) {
    own.counter("request_log_lines_dropped", *view.log_lines_dropped);
  }
  write_spec(own, spec_, view.num_speculative_tokens);
  own.histogram("time_to_first_token_seconds", first_token_);
  own.histogram("inter_token_latency_seconds", between_tokens_);
  own.histogram("e2e_request_latency_seconds", latency_);
  if (!view.vllm_names) {
    return out;
  }
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
  vllm.counter("spec_decode_num_drafts", spec_.rounds);
  vllm.counter("spec_decode_num_draft_tokens", spec_.drafted);
  vllm.counter("spec_decode_num_accepted_tokens", spec_.accepted);
  return out;
}

}  // namespace talon::server
