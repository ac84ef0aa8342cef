#include "stream/completion.h"

#include <fmt/format.h>

#include <chrono>
#include <utility>
#include <variant>

#include "base/check.h"
#include "base/error.h"

namespace talon {
namespace {

using Clock = std::chrono::steady_clock;

double ms_between(Clock::time_point begin, Clock::time_point end) {
  return std::chrono::duration<double, std::milli>(end - begin).count();
}

}  // namespace

double Completion::decode_tokens_per_s() const {
  const auto count = static_cast<double>(std::ssize(tokens) - 1);
  return count <= 0 || decode_ms <= 0.0 ? 0.0 : 1e3 * count / decode_ms;
}

Completion complete(LocalModel& model, const CompletionRequest& request, const SegmentSink& sink) {
  Completion completion;
  Request engine_request{.prompt = model.tokenizer->encode(request.prompt),
                         .max_tokens = request.max_tokens,
                         .ignore_eos = request.ignore_eos,
                         .max_drafts = request.max_drafts};
  completion.prompt_tokens = std::ssize(engine_request.prompt);
  const Clock::time_point start = Clock::now();
  auto answer = model.engine->submit(std::move(engine_request));
  if (const auto* refusal = std::get_if<Refusal>(&answer)) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("{}: {}", refusal->field, refusal->message));
  }
  OutputProcessor output(*model.tokenizer, *model.engine,
                         std::get<std::vector<Submission>>(std::move(answer)).front(),
                         request.output);
  Clock::time_point first_token = start;
  while (!output.finished()) {
    const bool more = model.engine->step();
    const bool had_tokens = !output.tokens().empty();
    const std::vector<TextSegment> segments = output.drain();
    if (!had_tokens && !output.tokens().empty()) {
      first_token = Clock::now();
    }
    for (const TextSegment& segment : segments) {
      completion.text += segment.text;
    }
    if (sink && !segments.empty()) {
      sink(segments);
    }
    TALON_CHECK(more || output.finished(), "the engine stopped before the answer");
  }
  completion.prefill_ms = ms_between(start, first_token);
  completion.decode_ms = ms_between(first_token, Clock::now());
  completion.tokens = output.tokens();
  completion.finish_reason = output.finish_reason();
  completion.stats = output.stats();
  return completion;
}

}  // namespace talon
