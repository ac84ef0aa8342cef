#include "server/active_generation.h"

#include <optional>
#include <string>

namespace talon::server {
namespace {

using Clock = std::chrono::steady_clock;

double seconds(Clock::duration duration) { return std::chrono::duration<double>(duration).count(); }

}  // namespace

void ActiveGeneration::drain(Metrics& metrics) {
  for (size_t i = 0; i < choices_.size(); ++i) {
    Choice& choice = choices_[i];
    if (choice.is_finished) {
      continue;
    }
    const std::vector<OutputToken> tokens = choice.output->drain_tokens();
    const auto index = static_cast<int32_t>(i);
    request_.answer->push(index, {.tokens = tokens,
                                  .logprobs = choice.output->logprobs(),
                                  .prompt_logprobs = choice.output->prompt_logprobs()});
    int64_t num_new = std::ssize(tokens);
    if (const std::optional<int64_t> limit = request_.answer->stop_after(index)) {
      choice.output->stop_after(*limit);
      num_new = *limit - choice.num_tokens;
    }
    choice.num_tokens += num_new;
    if (num_new > 0) {
      count_tokens(num_new, metrics);
    }
    if (choice.output->finished()) {
      end_choice(index, choice.output->finish_reason());
    }
  }
}

void ActiveGeneration::count_tokens(int64_t count, Metrics& metrics) {
  const Clock::time_point now = Clock::now();
  if (num_tokens_ == 0) {
    first_token_ = now;
    metrics.observe_first_token(seconds(now - start_));
  } else {
    metrics.observe_between_tokens(seconds(now - last_token_));
  }
  last_token_ = now;
  num_tokens_ += count;
}

void ActiveGeneration::end_choice(int32_t index, FinishReason reason) {
  Choice& choice = choices_[static_cast<size_t>(index)];
  choice.is_finished = true;
  const SpecStats stats = choice.output->stats();
  stats_ += stats;
  reasons_.push_back(reason);
  request_.answer->finish(
      index, {.reason = reason, .cached_tokens = choice.output->cached_tokens(), .stats = stats});
}

void ActiveGeneration::begin_stream() {
  exchange_->begin({.content_type = "text/event-stream; charset=utf-8",
                    .headers = {{"cache-control", "no-cache"}, {"x-accel-buffering", "no"}}});
}

bool ActiveGeneration::send(const GenerationOptions& options, Clock::time_point now) {
  const bool is_over = is_done();
  if (!request_.stream) {
    if (is_over) {
      close_record();
      exchange_->reply({.body = request_.answer->body(
                            options.usage_timings ? std::optional(timings()) : std::nullopt)});
    }
    return is_over;
  }
  // A client that is behind gets its text in larger pieces.
  const bool is_behind = exchange_->num_unsent_bytes() > options.stream_buffer_bytes / 2;
  const bool is_due = held_since_ != Clock::time_point{} && now - held_since_ >= options.max_delay;
  if (is_over || !is_behind) {
    const std::string frames = request_.answer->take_frames(is_over || is_due);
    if (!frames.empty()) {
      if (!exchange_->has_begun()) {
        begin_stream();
      }
      exchange_->write(frames);
      last_write_ = now;
    }
    const bool holds = request_.answer->holds_text();
    const bool was_held = frames.empty() && held_since_ != Clock::time_point{};
    held_since_ = !holds ? Clock::time_point{} : was_held ? held_since_ : now;
  }
  if (!exchange_->has_begun() && now - start_ >= options.header_delay) {
    begin_stream();
    last_write_ = now;
  }
  if (options.keepalive.count() > 0 && exchange_->has_begun() && !is_over &&
      now - last_write_ >= options.keepalive) {
    exchange_->write(": keep-alive\n\n");
    last_write_ = now;
  }
  if (is_over) {
    close_record();
    exchange_->end();
  }
  return is_over;
}

void ActiveGeneration::cut() {
  close_record("stalled");
  exchange_->cut();
}

void ActiveGeneration::fail(const ApiError& error) {
  close_record(error.code);
  if (!exchange_->has_begun()) {
    exchange_->reply(error_reply(request_.errors, error, exchange_->request().id));
    return;
  }
  exchange_->write(request_.errors.frame(error, exchange_->request().id));
  exchange_->cut();
}

bool ActiveGeneration::is_stalled(const GenerationOptions& options, Clock::time_point now) {
  if (exchange_->num_unsent_bytes() <= options.stream_buffer_bytes / 2) {
    stalled_since_ = {};
    return false;
  }
  if (stalled_since_ == Clock::time_point{}) {
    stalled_since_ = now;
  }
  return now - stalled_since_ >= options.stall_timeout;
}

UsageTimings ActiveGeneration::timings() const {
  const int64_t later = num_tokens_ - static_cast<int64_t>(choices_.size());
  return {
      .ttft_s = seconds(first_token_ - start_),
      .tpot_s = later > 0 ? seconds(last_token_ - first_token_) / static_cast<double>(later) : 0.0,
      .latency_s = seconds(Clock::now() - start_)};
}

std::optional<double> ActiveGeneration::since_start(Clock::time_point time) const {
  return time == Clock::time_point{} ? std::nullopt : std::optional(seconds(time - start_));
}

LiveRequest ActiveGeneration::live(Clock::time_point now) const {
  LiveRequest live{.id = exchange_->request().id,
                   .route = request_.record->route,
                   .phase = num_tokens_ > 0                    ? "decode"
                            : admitted_ != Clock::time_point{} ? "prefill"
                                                               : "queued",
                   .age_s = seconds(now - start_),
                   .is_stream = request_.stream,
                   .has_begun = exchange_->has_begun(),
                   .num_tokens = num_tokens_,
                   .num_unsent_bytes = exchange_->num_unsent_bytes()};
  live.ids.reserve(choices_.size());
  for (const Choice& choice : choices_) {
    live.ids.push_back(choice.id);
  }
  return live;
}

void ActiveGeneration::close_record(std::string_view error_code) {
  RequestRecord& record = *request_.record;
  record.error_code = error_code;
  record.num_choices = static_cast<int32_t>(choices_.size());
  record.admitted_s = since_start(admitted_);
  record.first_token_s = since_start(first_token_);
  record.last_token_s = since_start(last_token_);
  record.total_s = seconds(Clock::now() - start_);
  record.usage = request_.answer->usage();
  record.finish = reasons_;
  record.spec = stats_;
  for (const Choice& choice : choices_) {
    if (!choice.is_finished) {
      record.spec += choice.output->stats();
    }
  }
}

}  // namespace talon::server
