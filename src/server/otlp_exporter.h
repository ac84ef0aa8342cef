// Tells a collector of OpenTelemetry what requests did: OTLP over HTTP, in JSON, in batches, by a
// thread of its own. Serving never waits for it: requests that find the queue full, and batches
// that the collector does not take in time, are dropped and counted. Destruction sends what waits,
// once.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/bounded_queue.h"
#include "server/http_post.h"
#include "server/request_record.h"

namespace talon::server {

struct OtlpOptions {
  HttpUrl url{};
  std::string model{};
  std::string version{};
  size_t max_requests = 4096;  // that wait
  size_t max_batch = 256;
  std::chrono::milliseconds max_delay{1000};  // of a batch that is not full
  std::chrono::milliseconds timeout{5000};    // of the collector
};

// http://host[:port][/path]; without a path /v1/traces. Throws Error that names the flag.
HttpUrl otlp_url(const std::string& text);

class OtlpExporter {
 public:
  explicit OtlpExporter(OtlpOptions options);
  ~OtlpExporter();
  OtlpExporter(const OtlpExporter&) = delete;
  OtlpExporter& operator=(const OtlpExporter&) = delete;

  // The record does not change any more. From any thread.
  void add(std::shared_ptr<const RequestRecord> record);

  int64_t num_exported() const { return num_exported_.load(std::memory_order_relaxed); }
  int64_t num_dropped() const { return num_dropped_.load(std::memory_order_relaxed); }

 private:
  using Records = std::vector<std::shared_ptr<const RequestRecord>>;

  void run();
  Records next_batch();
  void send(const Records& records);

  OtlpOptions options_;
  BoundedQueue<std::shared_ptr<const RequestRecord>> records_;
  std::atomic<bool> is_closed_{false};
  std::atomic<int64_t> num_exported_{0};
  std::atomic<int64_t> num_dropped_{0};
  bool is_broken_ = false;  // the last batch failed; the thread's own
  std::jthread thread_;     // last: it uses the others
};

}  // namespace talon::server
