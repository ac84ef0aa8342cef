// Requests that generate, from their admission to the last byte of their answer. Lives on the io
// thread; the engine is reached by tasks for its thread.
//
// `start` submits all prompts of a request, or none of them. `pump` moves what the engine made to
// the clients: it is called after each step. `tick` is called some times a second: held text whose
// time has come goes out, and deadlines act. A client that leaves, is too slow or asks for too long
// has its sequences cancelled, so that their pages are free again.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/api/answer.h"
#include "server/api/error.h"
#include "server/engine_thread.h"
#include "server/exchange.h"
#include "server/metrics.h"
#include "server/request_record.h"
#include "stream/output_processor.h"
#include "text/tokenizer.h"

namespace talon::server {

// How a route tells that a request failed. The default is OpenAI's.
struct ErrorShape {
  std::string (*body)(const ApiError& error, std::string_view request_id) =
      [](const ApiError& error, std::string_view) { return error_body(error); };
  // Ends a stream.
  std::string (*frame)(const ApiError& error, std::string_view request_id) =
      [](const ApiError& error, std::string_view) { return error_frame(error); };
};

// The answer to a request that failed; 429 and 503 say when to ask again.
HttpReply error_reply(const ErrorShape& shape, const ApiError& error, std::string_view request_id);

// What live requests get when the engine's thread is over.
ApiError engine_failed_error();

struct GenerationRequest {
  std::vector<Request> requests{};  // one a prompt
  OutputSettings output{};
  bool stream = false;
  std::chrono::steady_clock::time_point arrival{};  // when its body was there
  std::chrono::steady_clock::time_point deadline{};
  std::shared_ptr<const void> call{};        // what the answer refers to
  std::string id{};                          // that the body states; empty: none
  std::optional<std::string> prompt_text{};  // for the record
  std::unique_ptr<Answer> answer{};
  ErrorShape errors{};
  std::shared_ptr<RequestRecord> record{};  // complete before the exchange is over; may be null
};

struct GenerationOptions {
  std::chrono::milliseconds max_delay{100};      // text is held no longer
  std::chrono::milliseconds header_delay{5000};  // then a stream begins without a token
  std::chrono::milliseconds stall_timeout{30'000};
  std::chrono::milliseconds queue_timeout{600'000};  // the longest wait before admission
  std::chrono::milliseconds keepalive{0};  // silence of a stream before a comment; 0: none
  size_t stream_buffer_bytes = size_t{1024} * 1024;
  bool usage_timings = false;
};

// A request that runs, for operators: no text.
struct LiveRequest {
  std::string id{};
  std::string route{};
  std::string_view phase{};  // "queued", "prefill", "decode"
  double age_s = 0.0;
  bool is_stream = false;
  bool has_begun = false;  // the head of its answer is out
  int64_t num_tokens = 0;  // of all choices, so far
  size_t num_unsent_bytes = 0;
  std::vector<SeqId> ids{};  // its sequences
};

class ActiveGeneration;

class Generations {
 public:
  using PostToIo = std::function<void(std::function<void()>)>;

  // References must outlive all tasks posted by this object.
  Generations(const text::Tokenizer& tokenizer,
              EngineThread& engine,
              Metrics& metrics,
              const GenerationOptions& options,
              PostToIo post_to_io);
  ~Generations();
  Generations(const Generations&) = delete;
  Generations& operator=(const Generations&) = delete;

  void start(const std::shared_ptr<Exchange>& exchange, GenerationRequest request);
  void pump();
  void tick(std::chrono::steady_clock::time_point now);
  // Ends every answer with this error.
  void fail_all(const ApiError& error);
  // False if no request with this id runs.
  bool abort(std::string_view request_id);

  size_t num_active() const { return active_.size(); }
  std::vector<LiveRequest> live(std::chrono::steady_clock::time_point now) const;
  // Whether a request with this id is answered or on its way to the engine.
  bool is_live(std::string_view request_id) const;

 private:
  void admit(const std::shared_ptr<Exchange>& exchange,
             GenerationRequest&& request,
             std::vector<Submission>&& submissions);
  // Both try again if the engine has too many tasks.
  void finish(SeqId id);
  void cancel(const std::vector<SeqId>& ids);
  void end(ActiveGeneration& generation);
  void note_admissions();

  const text::Tokenizer& tokenizer_;
  EngineThread& engine_;
  Metrics& metrics_;
  GenerationOptions options_;
  PostToIo post_to_io_;
  OutputProcessor::Finish finish_;
  // On their way to the engine's thread and back.
  struct Starting {
    std::shared_ptr<Exchange> exchange{};
    std::shared_ptr<GenerationRequest> request{};
  };
  std::vector<Starting> starting_;
  std::vector<std::shared_ptr<ActiveGeneration>> active_;
  // Of sequences whose ActiveGeneration is still on its way from the engine's thread.
  std::vector<Admission> early_admissions_;
  SeqId last_known_{};  // the newest sequence of one that arrived; ids ascend
};

}  // namespace talon::server
