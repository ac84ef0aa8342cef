#include "server/otlp_exporter.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "server/otlp.h"

namespace talon::server {
namespace {

using Clock = std::chrono::steady_clock;

bool is_taken(int status) { return status >= 200 && status < 300; }

}  // namespace

HttpUrl otlp_url(const std::string& text) {
  Result<HttpUrl> url = parse_http_url(text);
  if (!url.ok()) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("--otlp-traces-endpoint {}: {}", text, url.message()));
  }
  HttpUrl out = std::move(url).value();
  if (out.path == "/") {
    out.path = "/v1/traces";
  }
  return out;
}

OtlpExporter::OtlpExporter(OtlpOptions options)
    : options_(std::move(options)), records_(options_.max_requests), thread_([this] { run(); }) {}

OtlpExporter::~OtlpExporter() {
  is_closed_ = true;
  records_.close();
}

void OtlpExporter::add(std::shared_ptr<const RequestRecord> record) {
  if (!records_.try_push(std::move(record))) {
    num_dropped_.fetch_add(1, std::memory_order_relaxed);
  }
}

// Empty once the queue is closed and empty.
OtlpExporter::Records OtlpExporter::next_batch() {
  Records records;
  Clock::time_point deadline = Clock::now() + std::chrono::hours(24 * 365);
  while (records.size() < options_.max_batch) {
    std::optional<std::shared_ptr<const RequestRecord>> record = records_.pop_until(deadline);
    if (!record.has_value()) {
      break;
    }
    if (records.empty()) {
      deadline = Clock::now() + options_.max_delay;
    }
    records.push_back(*std::move(record));
  }
  return records;
}

void OtlpExporter::run() {
  for (Records records = next_batch(); !records.empty(); records = next_batch()) {
    const bool was_broken = is_broken_;
    send(records);
    if (is_closed_ && is_broken_ && was_broken) {
      // The end of the process does not wait for a collector that is away, batch by batch.
      num_dropped_.fetch_add(static_cast<int64_t>(records_.size()), std::memory_order_relaxed);
      return;
    }
  }
}

void OtlpExporter::send(const Records& records) {
  const Result<int> status =
      http_post({.url = options_.url,
                 .body = otlp_body(records, options_.model, options_.version),
                 .timeout = options_.timeout});
  const bool is_sent = status.ok() && is_taken(status.value());
  (is_sent ? num_exported_ : num_dropped_)
      .fetch_add(std::ssize(records), std::memory_order_relaxed);
  if (!is_sent && !is_broken_) {
    log(LogLevel::kWarn, "server", "otlp_endpoint={}:{} text=\"traces are dropped: {}\"",
        options_.url.host, options_.url.port,
        status.ok() ? fmt::format("status {}", status.value()) : status.message());
  }
  is_broken_ = !is_sent;
}

}  // namespace talon::server
