#include "stream/completion.h"

#include <fmt/format.h>

#include <optional>
#include <span>
#include <utility>

#include "base/check.h"
#include "base/error.h"
#include "stream/offline_runner.h"

namespace talon {

double Completion::decode_tokens_per_s() const {
  const auto count = static_cast<double>(std::ssize(tokens) - 1);
  return count <= 0 || decode_ms <= 0.0 ? 0.0 : 1e3 * count / decode_ms;
}

Completion completion_or_throw(CompletionOutcome&& outcome) {
  if (const auto* refusal = std::get_if<Refusal>(&outcome)) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("{}: {}", refusal->field, refusal->message));
  }
  return std::get<Completion>(std::move(outcome));
}

Completion complete(LocalModel& model, const CompletionRequest& request, const SegmentSink& sink) {
  TALON_CHECK(request.num_choices == 1, "{} choices", request.num_choices);
  std::optional<Completion> result;
  OfflineRunner runner(model,
                       [&](int64_t, Completion&& completion) { result = std::move(completion); });
  if (std::optional<Refusal> refusal = runner.submit(request, sink)) {
    return completion_or_throw(std::move(*refusal));
  }
  while (runner.step()) {
  }
  TALON_CHECK(result.has_value(), "the engine stopped before the answer");
  return std::move(*result);
}

std::vector<Completion> complete_choices(LocalModel& model, const CompletionRequest& request) {
  std::vector<Completion> choices;
  complete_all(model, std::span(&request, 1), [&](int64_t, CompletionOutcome&& outcome) {
    choices.push_back(completion_or_throw(std::move(outcome)));
  });
  return choices;
}

}  // namespace talon
