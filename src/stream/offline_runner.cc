#include "stream/offline_runner.h"

#include <algorithm>
#include <map>
#include <utility>
#include <variant>

#include "base/check.h"

namespace talon {
namespace {

using Clock = std::chrono::steady_clock;

double ms_between(Clock::time_point begin, Clock::time_point end) {
  return std::chrono::duration<double, std::milli>(end - begin).count();
}

Request engine_request(const LocalModel& model, const CompletionRequest& request) {
  Request out{.prompt = request.prompt_tokens.empty() ? model.tokenizer->encode(request.prompt)
                                                      : request.prompt_tokens};
  out.max_tokens = request.max_tokens;
  out.ignore_eos = request.ignore_eos;
  out.max_drafts = request.max_drafts;
  out.sampling = request.sampling;
  out.num_choices = request.num_choices;
  out.num_logprobs = request.num_logprobs;
  return out;
}

}  // namespace

OfflineRunner::~OfflineRunner() {
  for (const auto& active : active_) {
    model_.engine->cancel(active->id);
  }
}

std::optional<Refusal> OfflineRunner::submit(const CompletionRequest& request,
                                             const SegmentSink& sink) {
  TALON_CHECK(!sink || request.num_choices == 1, "a sink for {} choices", request.num_choices);
  Request submitted = engine_request(model_, request);
  const int64_t prompt_tokens = std::ssize(submitted.prompt);
  const Clock::time_point start = Clock::now();
  auto answer = model_.engine->submit(std::move(submitted));
  if (auto* refusal = std::get_if<Refusal>(&answer)) {
    return std::move(*refusal);
  }
  OutputSettings settings = request.output;
  settings.min_tokens = request.sampling.min_tokens;
  int32_t choice = 0;
  for (Submission& submission : std::get<std::vector<Submission>>(answer)) {
    auto active = std::make_unique<Active>();
    active->index = num_submitted_;
    active->id = submission.id;
    active->output = std::make_unique<OutputProcessor>(*model_.tokenizer, *model_.engine,
                                                       std::move(submission), settings);
    active->sink = sink;
    active->completion.choice = choice++;
    active->completion.prompt_tokens = prompt_tokens;
    active->start = start;
    active_.push_back(std::move(active));
  }
  ++num_submitted_;
  return std::nullopt;
}

bool OfflineRunner::step() {
  const bool more = model_.engine->step();
  for (const auto& active : active_) {
    drain(*active);
  }
  // Handed over in a second pass, so that the callback may submit.
  std::vector<std::unique_ptr<Active>> finished;
  for (auto& active : active_) {
    if (active->output->finished()) {
      finished.push_back(std::move(active));
    }
  }
  std::erase_if(active_, [](const auto& active) { return active == nullptr; });
  TALON_CHECK(more || active_.empty(), "the engine stopped before {} answers", active_.size());
  for (const auto& active : finished) {
    finish(*active);
  }
  return !active_.empty();
}

void OfflineRunner::drain(Active& active) {
  const int64_t before = std::ssize(active.output->tokens());
  const std::vector<TextSegment> segments = active.output->drain();
  const int64_t after = std::ssize(active.output->tokens());
  if (before == 0 && after > 0) {
    active.first_token = Clock::now();
    num_prompt_tokens_ += active.completion.choice == 0 ? active.completion.prompt_tokens : 0;
  }
  num_output_tokens_ += after - before;
  for (const TextSegment& segment : segments) {
    active.completion.text += segment.text;
  }
  if (active.sink && !segments.empty()) {
    active.sink(segments);
  }
}

void OfflineRunner::finish(Active& active) {
  Completion& completion = active.completion;
  const OutputProcessor& output = *active.output;
  completion.tokens = output.tokens();
  completion.logprobs = output.logprobs();
  completion.finish_reason = output.finish_reason();
  completion.cached_tokens = output.cached_tokens();
  completion.stats = output.stats();
  completion.synthetic_acceptance = model_.synthetic_acceptance;
  completion.synthetic_weights = model_.synthetic_weights;
  if (!completion.tokens.empty()) {
    completion.prefill_ms = ms_between(active.start, active.first_token);
    completion.decode_ms = ms_between(active.first_token, Clock::now());
  }
  done_(active.index, std::move(completion));
}

void complete_all(LocalModel& model,
                  std::span<const CompletionRequest> requests,
                  const std::function<void(int64_t index, CompletionOutcome&& outcome)>& done) {
  using Place = std::pair<int64_t, int32_t>;    // of the request, then the choice
  std::map<Place, CompletionOutcome> outcomes;  // not yet given
  std::vector<int64_t> places;                  // by the runner's index
  Place next_given{0, 0};
  OfflineRunner runner(model, [&](int64_t index, Completion&& completion) {
    const Place place{places[static_cast<size_t>(index)], completion.choice};
    outcomes.emplace(place, std::move(completion));
  });
  const auto give = [&] {
    for (auto it = outcomes.find(next_given); it != outcomes.end();
         it = outcomes.find(next_given)) {
      const auto [request, choice] = next_given;
      CompletionOutcome outcome = std::move(it->second);
      outcomes.erase(it);
      const bool is_last = std::holds_alternative<Refusal>(outcome) ||
                           choice + 1 == requests[static_cast<size_t>(request)].num_choices;
      next_given = is_last ? Place{request + 1, 0} : Place{request, choice + 1};
      done(request, std::move(outcome));
    }
  };
  int64_t next = 0;
  while (next_given.first < std::ssize(requests)) {
    for (bool full = false; !full && next < std::ssize(requests); next += full ? 0 : 1) {
      std::optional<Refusal> refusal = runner.submit(requests[static_cast<size_t>(next)]);
      full = refusal.has_value() && refusal->code == Refusal::Code::kQueueFull;
      if (!refusal.has_value()) {
        places.push_back(next);
      } else if (!full) {
        outcomes.emplace(Place{next, 0}, std::move(*refusal));
      }
    }
    runner.step();
    give();
  }
}

}  // namespace talon
