#include "stream/self_test.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <utility>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "base/rng.h"
#include "engine/choose_device.h"

namespace talon {
namespace {

// Long enough for the block-sparse layers of a small model to leave pages out.
constexpr int64_t kPromptTokens = 600;
constexpr int32_t kAnswerTokens = 16;

struct Answer {
  std::vector<TokenId> tokens;
  std::vector<PositionLogprobs> prompt_logprobs;  // of prompt positions 1, 2, ..
};

Answer ask(Engine& engine, Request&& request) {
  auto outcome = engine.submit(std::move(request));
  if (const auto* refusal = std::get_if<Refusal>(&outcome)) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("self-test: {}: {}", refusal->field, refusal->message));
  }
  const Submission submission = std::get<std::vector<Submission>>(std::move(outcome)).front();
  Answer answer;
  bool is_over = false;
  while (!is_over) {
    engine.step();
    while (std::optional<TokenEvent> event = submission.events->try_pop()) {
      answer.tokens.insert(answer.tokens.end(), event->tokens.begin(), event->tokens.end());
      std::ranges::move(event->prompt_logprobs, std::back_inserter(answer.prompt_logprobs));
      is_over = event->finish.has_value();
    }
  }
  return answer;
}

Answer look_through(Engine& engine, std::vector<TokenId> tokens) {
  return ask(engine, {.prompt = std::move(tokens), .max_tokens = 1, .num_prompt_logprobs = 1});
}

std::vector<TokenId> fixed_prompt(const text::Tokenizer& tokenizer, int64_t length) {
  std::vector<TokenId> known;
  for (int32_t id = 0; id < tokenizer.vocabulary_size(); ++id) {
    if (tokenizer.has_token(TokenId{id})) {
      known.emplace_back(id);
    }
  }
  std::vector<TokenId> prompt;
  for (int64_t i = 0; i < length; ++i) {
    const float at = uniform_float(0, static_cast<uint64_t>(i), RngPurpose::kSynthetic);
    prompt.push_back(known[static_cast<size_t>(at * static_cast<float>(known.size()))]);
  }
  return prompt;
}

void forget(Engine& engine) {
  while (engine.step()) {  // rounds that were launched ahead
  }
  engine.forget_acceptance();
  engine.clear_prefix_cache();
}

double mean_difference(const Answer& a, const Answer& b, size_t count) {
  double sum = 0.0;
  for (size_t i = 0; i < count; ++i) {
    sum += std::abs(static_cast<double>(a.prompt_logprobs.at(i).chosen.logprob) -
                    static_cast<double>(b.prompt_logprobs.at(i).chosen.logprob));
  }
  return sum / static_cast<double>(count);
}

int64_t weight_bytes(const std::filesystem::path& folder) {
  int64_t bytes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".safetensors") {
      bytes += static_cast<int64_t>(entry.file_size());
    }
  }
  return bytes;
}

// The same model alone, on the CPU, as small as the test allows.
EngineConfig reference_config(const EngineConfig& config) {
  EngineConfig reference = config;
  reference.device = DeviceChoice::kCpu;
  reference.draft_model_dir.clear();
  reference.acceptance_length = 0.0;
  reference.async_scheduling.reset();
  reference.max_num_seqs = 1;
  reference.spec_policy = SpecPolicyKind::kFixed;
  reference.trace_file.clear();
  return reference;
}

}  // namespace

SelfTestBounds self_test_bounds(ActivationType dtype) {
  return dtype == ActivationType::kF32 ? SelfTestBounds{.mean_difference = 0.01, .answer_gap = 0.05}
                                       : SelfTestBounds{.mean_difference = 0.2, .answer_gap = 1.0};
}

SelfTestReport compare_engines(LocalModel& tested, LocalModel& reference) {
  const int64_t room =
      std::min(tested.engine->context_limit(), reference.engine->context_limit()) / 2;
  std::vector<TokenId> tokens =
      fixed_prompt(*tested.tokenizer, std::clamp<int64_t>(room, 2, kPromptTokens));
  const size_t num_prompt = tokens.size();
  const Answer own = look_through(*tested.engine, tokens);
  if (!tested.synthetic_acceptance) {
    const Answer answer =
        ask(*tested.engine, {.prompt = tokens, .max_tokens = kAnswerTokens, .ignore_eos = true});
    tokens.insert(tokens.end(), answer.tokens.begin(), answer.tokens.end());
  }
  const Answer judged = look_through(*reference.engine, tokens);
  forget(*tested.engine);
  forget(*reference.engine);
  SelfTestReport report{.num_prompt_tokens = static_cast<int32_t>(num_prompt),
                        .num_answer_tokens = static_cast<int32_t>(tokens.size() - num_prompt),
                        .mean_difference = mean_difference(own, judged, num_prompt - 1)};
  for (size_t i = num_prompt - 1; i < judged.prompt_logprobs.size(); ++i) {
    const PositionLogprobs& at = judged.prompt_logprobs[i];
    const auto gap = static_cast<double>(at.top.front().logprob - at.chosen.logprob);
    report.answer_gap = std::isnan(gap) ? gap : std::max(report.answer_gap, gap);
  }
  return report;
}

std::optional<SelfTestReport> self_test(LocalModel& model,
                                        const EngineConfig& config,
                                        int64_t max_bytes) {
  if (!choose_gpu(config.device).has_value()) {
    return std::nullopt;
  }
  const int64_t bytes = weight_bytes(config.model_dir);
  if (bytes > max_bytes) {
    log(LogLevel::kWarn, "self_test",
        "text=\"not done: {} bytes of weights are too many to run on the CPU as well\"", bytes);
    return std::nullopt;
  }
  LocalModel reference = open_local_model(reference_config(config));
  const SelfTestReport report = compare_engines(model, reference);
  const SelfTestBounds bounds = self_test_bounds(config.dtype);
  log(LogLevel::kInfo, "self_test",
      "prompt_tokens={} answer_tokens={} mean_difference={:.5f} answer_gap={:.5f}",
      report.num_prompt_tokens, report.num_answer_tokens, report.mean_difference,
      report.answer_gap);
  // Written so that a NaN fails.
  const bool agrees =
      report.mean_difference <= bounds.mean_difference && report.answer_gap <= bounds.answer_gap;
  if (!agrees) {
    throw Error(ErrorCode::kUnavailable,
                fmt::format("self-test: the GPU does not compute what the CPU does: "
                            "log-probabilities differ by {:.3f} (at most {}), answer tokens by "
                            "{:.3f} (at most {}); --self-test off skips this check",
                            report.mean_difference, bounds.mean_difference, report.answer_gap,
                            bounds.answer_gap));
  }
  return report;
}

}  // namespace talon
