// What the server counts, and the same as Prometheus text. On the io thread; the numbers of the
// engine come with a snapshot that its thread made.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/spec_stats.h"
#include "server/engine_thread.h"
#include "server/request_record.h"

namespace talon::server {

// Counts of observations up to fixed bounds, in seconds.
class Histogram {
 public:
  static constexpr std::array<double, 18> kBounds = {0.001, 0.002, 0.005, 0.01, 0.02, 0.03,
                                                     0.05,  0.075, 0.1,   0.2,  0.3,  0.5,
                                                     1.0,   2.0,   5.0,   10.0, 30.0, 120.0};

  void observe(double value);
  // The series of a metric: _bucket, _sum, _count.
  void write(std::string_view name, std::string_view model, std::string& out) const;

 private:
  std::array<int64_t, kBounds.size() + 1> counts_{};
  double sum_ = 0.0;
  int64_t count_ = 0;
};

class Metrics {
 public:
  void count_answer(std::string_view path, int status) { ++answers_[{std::string(path), status}]; }
  void count_cancelled() { ++finished_["cancelled"]; }
  void observe_first_token(double seconds) { first_token_.observe(seconds); }
  void observe_between_tokens(double seconds) { between_tokens_.observe(seconds); }
  // A request that ended by itself.
  void observe_request(const RequestRecord& record);

  const SpecStats& spec() const { return spec_; }

  // Own names, and with `vllm_names` those that dashboards for vLLM know as well.
  struct View {
    EngineSnapshot engine{};
    std::string model{};
    int32_t num_speculative_tokens = 0;
    bool is_draining = false;
    std::optional<int64_t> log_lines_dropped{};  // of the request log, if there is one
    bool vllm_names = false;
  };
  std::string text(const View& view) const;

 private:
  std::map<std::pair<std::string, int>, int64_t> answers_;  // by route and status
  std::map<std::string, int64_t> finished_;                 // choices by reason
  int64_t prompt_tokens_ = 0;
  int64_t cached_tokens_ = 0;
  int64_t completion_tokens_ = 0;
  int64_t reasoning_tokens_ = 0;
  Histogram first_token_;
  Histogram between_tokens_;
  Histogram latency_;
  SpecStats spec_;
};

}  // namespace talon::server
