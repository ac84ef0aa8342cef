// What the server counts, and the same as Prometheus text. On the io thread; the numbers of the
// engine come with a snapshot that its thread made.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/spec_stats.h"
#include "server/engine_thread.h"
#include "server/histogram.h"
#include "server/request_record.h"

namespace talon::server {

class Metrics {
 public:
  void count_answer(std::string_view path, int status) { ++answers_[{std::string(path), status}]; }
  void count_cancelled() { ++finished_["cancelled"]; }
  void observe_first_token(double seconds) { first_token_.observe(seconds); }
  void observe_between_tokens(double seconds) { between_tokens_.observe(seconds); }
  // How much later than asked for the io thread came to a task.
  void observe_loop_delay(double seconds) { loop_delay_.observe(seconds); }
  // A piece of text, reasoning or arguments that goes out in a frame of its own.
  void observe_frame(size_t num_chars) { frame_chars_.observe(static_cast<double>(num_chars)); }
  // A request that ended by itself.
  void observe_request(const RequestRecord& record);
  // Any request that generates, when its answer is over: refused, failed, left or whole.
  void count_end(const RequestRecord& record);

  const SpecStats& spec() const { return spec_; }

  // Own names, and with `vllm_names` those that dashboards for vLLM know as well.
  struct View {
    EngineSnapshot engine{};
    std::string model{};
    int32_t num_speculative_tokens = 0;
    bool is_draining = false;
    bool is_ready = true;
    bool has_stalled = false;  // the watchdog acted
    bool synthetic_acceptance = false;
    bool synthetic_weights = false;
    double oldest_waiting_s = 0.0;  // 0: nobody waits
    int64_t num_streams = 0;        // begun and not ended
    double last_step_age_s = 0.0;   // 0: there was none
    std::string version{};
    std::string commit{};
    std::string device{};
    std::optional<int64_t> traces_exported{};  // if there is a collector
    int64_t traces_dropped = 0;
    std::optional<int64_t> log_lines_dropped{};  // of the request log, if there is one
    std::optional<int64_t> own_lines_dropped{};  // of the log on stderr, if that is known
    bool vllm_names = false;
  };
  std::string text(const View& view) const;

 private:
  template <class To>
  void write_phases(To& to) const;
  void write_vllm(const View& view, std::string& out) const;

  std::map<std::pair<std::string, int>, int64_t> answers_;  // by route and status
  std::map<std::string, int64_t> finished_;                 // choices by reason
  int64_t prompt_tokens_ = 0;
  int64_t cached_tokens_ = 0;
  int64_t completion_tokens_ = 0;
  int64_t reasoning_tokens_ = 0;
  Histogram first_token_;
  Histogram between_tokens_;
  Histogram latency_;
  Histogram per_token_;
  Histogram queue_time_;
  Histogram prefill_time_;
  Histogram decode_time_;
  Histogram loop_delay_;
  Histogram prompt_sizes_{Histogram::kCounts};
  Histogram answer_sizes_{Histogram::kCounts};
  Histogram frame_chars_{Histogram::kCounts};
  std::map<std::string, int64_t> rejected_;          // by code
  std::map<std::string_view, int64_t> disconnects_;  // by phase
  SpecStats spec_;
};

}  // namespace talon::server
