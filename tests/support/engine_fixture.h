// One small model on disk and engines on it, for tests that compare what engines say. The
// vocabulary has 6 ids, so that a random head agrees with a random target now and then and every
// acceptance pattern occurs. Header-only; the folder lives as long as the test suite.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "base/rng.h"
#include "engine/engine.h"
#include "engine/spec_stats.h"
#include "support/temp_dir.h"
#include "support/tiny_model.h"

namespace talon::test {

inline constexpr int32_t kVocab = 6;
inline constexpr uint64_t kSeed = 22;  // of weights with which head and target agree often enough

class EngineFixture : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    suite_dir = std::make_unique<TempDir>();
    TargetOptions target;
    target.seed = kSeed;
    target.config.vocab_size = kVocab;
    target.with_tokenizer = false;
    write_target(*suite_dir / "target", target);
    HeadOptions head;
    head.seed = kSeed;
    head.config = tiny_eagle3_config(target.config);
    write_head(*suite_dir / "head", head);
  }
  static void TearDownTestSuite() { suite_dir.reset(); }

  static EngineConfig config(int32_t num_drafts) {
    EngineConfig config;
    config.model_dir = *suite_dir / "target";
    config.draft_model_dir = *suite_dir / "head";
    config.num_speculative_tokens = num_drafts;
    config.max_model_len = 4096;
    config.max_num_seqs = 8;
    return config;
  }

  static EngineConfig baseline() {
    EngineConfig without = config(0);
    without.draft_model_dir.clear();
    return without;
  }

  static std::unique_ptr<Engine> build(const EngineConfig& config) {
    return build_engine(config, {.allowed = std::vector<uint8_t>(kVocab, 1), .end_token_ids = {}});
  }

 private:
  static inline std::unique_ptr<TempDir> suite_dir;
};

inline std::vector<TokenId> random_prompt(int64_t length, uint64_t seed) {
  std::vector<TokenId> prompt;
  for (int64_t i = 0; i < length; ++i) {
    const float draw = uniform_float(seed, static_cast<uint64_t>(i), RngPurpose::kTest);
    prompt.emplace_back(static_cast<int32_t>(draw * kVocab));
  }
  return prompt;
}

struct Output {
  std::vector<TokenId> tokens;
  std::vector<KeptRound> rounds;
  int32_t cached_tokens = 0;
};

// All events that wait in the queue.
inline Output drain(const Submission& submission) {
  Output output;
  while (const std::optional<TokenEvent> event = submission.events->try_pop()) {
    output.tokens.insert(output.tokens.end(), event->tokens.begin(), event->tokens.end());
    output.rounds.push_back({.round = event->round, .num_kept = std::ssize(event->tokens)});
    output.cached_tokens += event->cached_tokens;
  }
  return output;
}

inline std::vector<Submission> submit(Engine& engine, Request request) {
  auto answer = engine.submit(std::move(request));
  return std::get<std::vector<Submission>>(std::move(answer));
}

// Runs requests together to their end; the outputs of all choices in order.
inline std::vector<Output> run_all(Engine& engine, const std::vector<Request>& requests) {
  std::vector<Submission> submissions;
  for (const Request& request : requests) {
    for (const Submission& submission : submit(engine, request)) {
      submissions.push_back(submission);
    }
  }
  while (engine.step()) {
  }
  engine.scheduler().check_integrity();
  std::vector<Output> outputs;
  outputs.reserve(submissions.size());
  for (const Submission& submission : submissions) {
    outputs.push_back(drain(submission));
  }
  return outputs;
}

// Bytes of all planes at positions [0, count), in a fresh engine's page order 1, 2, 3, ...
inline std::vector<std::byte> kv_bytes(const Engine& engine, int64_t count) {
  std::vector<std::byte> bytes;
  const KvStore& kv = engine.runner().kv();
  for (const Plane& plane : kv.layout().planes) {
    const TensorView view = kv.plane(plane.owner, plane.layer, plane.kind);
    for (int64_t position = 0; position < count; ++position) {
      const TensorView row = view.at(1 + position / kPageTokens).at(position % kPageTokens);
      bytes.insert(bytes.end(), row.data(), row.data() + plane.bytes_per_token());
    }
  }
  return bytes;
}

// Runs one request to its end on an idle engine.
inline Output run(Engine& engine, const std::vector<TokenId>& prompt, int32_t max_tokens) {
  return run_all(engine, {{.prompt = prompt, .max_tokens = max_tokens}}).front();
}

}  // namespace talon::test
