#include <fmt/format.h>

#include <optional>

#include "base/error.h"
#include "engine/engine.h"
#include "model/memory_plan.h"
#include "model/registry.h"
#include "spec/auto_policy.h"
#include "spec/registry.h"

namespace talon {
namespace {

MemoryPlan plan(const EngineConfig& config, const RunnerParts& parts) {
  const Result<MemoryPlan> plan = plan_memory({.kv_layout = joint_layout(parts),
                                               .model_limit = parts.model->limits().max_positions,
                                               .max_model_len = config.max_model_len,
                                               .num_sequences = config.max_num_seqs,
                                               .kv_cache_bytes = config.kv_cache_bytes,
                                               .memory_bytes = std::nullopt});
  if (!plan.ok()) {
    throw Error(ErrorCode::kInvalidArgument, plan.message());
  }
  return plan.value();
}

void check_end_tokens(const TokenFacts& tokens, int32_t vocab_size) {
  for (const TokenId id : tokens.end_token_ids) {
    if (id.value >= vocab_size) {
      throw Error(
          ErrorCode::kCorruptFile,
          fmt::format("eos_token_id: {} is outside the vocabulary of {}", id.value, vocab_size));
    }
  }
}

}  // namespace

std::unique_ptr<Engine> build_engine(const EngineConfig& config, const TokenFacts& tokens) {
  RunnerParts parts;
  const int32_t num_threads = config.num_threads > 0 ? config.num_threads : num_usable_processors();
  parts.executor = make_cpu_executor(num_threads, config.cpu_path.value_or(detect_cpu_path()));
  parts.model =
      load_model(config.model_dir, {.type = config.dtype, .strict_config = config.strict_config});
  const int32_t vocab_size = parts.model->limits().vocab_size;
  if (std::ssize(tokens.allowed) > vocab_size) {
    throw Error(ErrorCode::kCorruptFile,
                fmt::format("{}: tokenizer.json has ids up to {}, vocab_size is {}",
                            config.model_dir.string(), tokens.allowed.size() - 1, vocab_size));
  }
  check_end_tokens(tokens, vocab_size);
  parts.allowed = tokens.allowed;
  parts.allowed.resize(static_cast<size_t>(vocab_size), 0);
  if (!config.draft_model_dir.empty()) {
    parts.drafter = load_drafter(
        config.draft_model_dir, *parts.model,
        {.type = config.dtype, .allowed = parts.allowed, .strict_config = config.strict_config});
  }

  const int32_t max_drafts = parts.drafter == nullptr ? 0 : config.num_speculative_tokens;
  const MemoryPlan memory = plan(config, parts);
  const StepSizes sizes{.max_rows = config.max_num_batched_tokens,
                        .max_sequences = config.max_num_seqs,
                        .max_drafts = max_drafts,
                        .context_limit = memory.context_limit};
  const SchedulerConfig scheduler{
      .num_pages = memory.num_pages,
      .context_limit = memory.context_limit,
      .vocab_size = vocab_size,
      .max_sequences = sizes.max_sequences,
      .max_rows = sizes.max_rows,
      .max_logit_rows = sizes.max_logit_rows(),
      .max_chunk = config.long_prefill_token_threshold,
      .max_drafts = max_drafts,
      .has_drafter = parts.drafter != nullptr,
      .prefix_caching = config.enable_prefix_caching,
      .use_priorities = config.scheduling_policy == SchedulingPolicy::kPriority,
      .launch_ahead = config.async_scheduling,
      .max_queue_len = config.max_queue_len,
      .end_token_ids = tokens.end_token_ids};
  auto runner = std::make_unique<Runner>(
      std::move(parts), sizes, memory.num_pages,
      VerifierOptions{.acceptance_length = config.acceptance_length, .draws = config.draft_draws});
  std::unique_ptr<SpecPolicy> policy;  // null: fixed, also until a cost table is measured
  if (config.spec_policy == SpecPolicyKind::kAuto && !config.cost_table.empty()) {
    policy = make_auto_policy(config.cost_table);
  }
  auto engine = std::make_unique<Engine>(std::move(runner), scheduler, std::move(policy));
  if (config.acceptance_length > 0.0) {
    engine->silence_alarm();
  }
  return engine;
}

}  // namespace talon
