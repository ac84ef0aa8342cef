#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "core/backend.h"
#include "core/cuda/device.h"
#include "core/thread_pool.h"
#include "core/upload.h"
#include "engine/choose_device.h"
#include "engine/engine.h"
#include "model/memory_plan.h"
#include "model/registry.h"
#include "spec/auto_policy.h"
#include "spec/registry.h"

namespace talon {
namespace {

std::unique_ptr<Executor> make_executor(const EngineConfig& config, std::optional<Device> gpu) {
  if constexpr (kHasCuda) {
    if (gpu.has_value()) {
      return make_cuda_executor(*gpu);
    }
  }
  const int32_t num_threads = config.num_threads > 0 ? config.num_threads : num_usable_processors();
  return make_cpu_executor(num_threads, config.cpu_path.value_or(detect_cpu_path()));
}

// What may still be taken of a GPU when the weights are there: what the settings leave, and never
// the reserve for what the driver takes itself (captured graphs above all). None on the CPU, whose
// pool has its cap alone.
std::optional<int64_t> free_bytes(const EngineConfig& config, std::optional<Device> gpu) {
  if constexpr (kHasCuda) {
    if (gpu.has_value()) {
      constexpr int64_t kReserve = int64_t{512} << 20;
      const cuda::DeviceInfo info = cuda::device_info(*gpu);
      const int64_t kept = static_cast<int64_t>(static_cast<double>(info.total_bytes) *
                                                (1.0 - config.gpu_memory_utilization));
      return std::max<int64_t>(0, info.free_bytes - std::max(kept, kReserve));
    }
  }
  return std::nullopt;
}

int64_t kv_cache_cap(const EngineConfig& config, std::optional<Device> gpu) {
  constexpr int64_t kCpuCap = int64_t{2} << 30;
  constexpr int64_t kNoCap = std::numeric_limits<int64_t>::max() / 2;
  return config.kv_cache_bytes.value_or(gpu.has_value() ? kNoCap : kCpuCap);
}

MemoryPlan plan(const EngineConfig& config,
                const RunnerParts& parts,
                const StepSizes& sizes,
                std::optional<Device> gpu) {
  const VerifierOptions options{.acceptance_length = config.acceptance_length,
                                .draws = config.draft_draws};
  const Result<MemoryPlan> plan =
      plan_memory({.step_buffer_bytes = step_buffer_bytes(parts, sizes, options),
                   .kv_layout = joint_layout(parts),
                   .model_limit = parts.model->limits().max_positions,
                   .max_model_len = config.max_model_len,
                   .num_sequences = config.max_num_seqs,
                   .kv_cache_bytes = kv_cache_cap(config, gpu),
                   .memory_bytes = free_bytes(config, gpu)});
  if (!plan.ok()) {
    throw Error(ErrorCode::kInvalidArgument, plan.message());
  }
  return plan.value();
}

// Rounds with every number of drafts that the policy may choose. A step with fewer fits into them.
void capture_rounds(Runner& runner, const EngineConfig& config, int32_t max_drafts) {
  std::vector<int32_t> draft_counts = {max_drafts};
  if (config.spec_policy == SpecPolicyKind::kAuto) {
    draft_counts.resize(static_cast<size_t>(max_drafts) + 1);
    std::iota(draft_counts.begin(), draft_counts.end(), 0);
  }
  const auto start = std::chrono::steady_clock::now();
  const int64_t count = runner.capture(draft_counts);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  if (count > 0) {
    log(LogLevel::kInfo, "engine", "captured_rounds={} seconds={:.2f}", count, seconds.count());
  }
}

ModelOptions model_options(const EngineConfig& config, Uploader* uploader) {
  return {.type = config.dtype,
          .kv = kv_format(config),
          .strict_config = config.strict_config,
          .uploader = uploader,
          .online_quant = config.online_quant,
          .config_overrides = config.config_overrides,
          .dummy_weights = config.dummy_weights};
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

// The facts of the tokenizer against the model's vocabulary.
std::vector<uint8_t> allowed_ids(const EngineConfig& config,
                                 const TokenFacts& tokens,
                                 int32_t vocab_size) {
  if (std::ssize(tokens.allowed) > vocab_size) {
    throw Error(ErrorCode::kCorruptFile,
                fmt::format("{}: tokenizer.json has ids up to {}, vocab_size is {}",
                            config.model_dir.string(), tokens.allowed.size() - 1, vocab_size));
  }
  check_end_tokens(tokens, vocab_size);
  std::vector<uint8_t> allowed = tokens.allowed;
  allowed.resize(static_cast<size_t>(vocab_size), 0);
  return allowed;
}

RunnerParts load_parts(const EngineConfig& config, const TokenFacts& tokens) {
  RunnerParts parts;
  const std::optional<Device> gpu = choose_gpu(config.device);
  parts.executor = make_executor(config, gpu);
  std::optional<Uploader> uploader;
  if (gpu.has_value()) {
    uploader.emplace(parts.executor->stream());
  }
  Uploader* to = uploader.has_value() ? &*uploader : nullptr;
  parts.model = load_model(config.model_dir, model_options(config, to));
  parts.allowed = allowed_ids(config, tokens, parts.model->limits().vocab_size);
  if (!config.draft_model_dir.empty()) {
    parts.drafter = load_drafter(config.draft_model_dir, *parts.model,
                                 {.type = config.dtype,
                                  .kv = kv_format(config),
                                  .allowed = parts.allowed,
                                  .strict_config = config.strict_config,
                                  .uploader = to,
                                  .dummy_weights = config.dummy_weights});
  }
  if (to != nullptr) {
    to->finish();
  }
  return parts;
}

}  // namespace

std::unique_ptr<Engine> build_engine(const EngineConfig& config, const TokenFacts& tokens) {
  return build_engine(config, tokens, load_parts(config, tokens));
}

std::unique_ptr<Engine> build_engine(const EngineConfig& config,
                                     const TokenFacts& tokens,
                                     RunnerParts parts) {
  const int32_t vocab_size = parts.model->limits().vocab_size;
  parts.allowed = allowed_ids(config, tokens, vocab_size);
  const Device device = parts.executor->stream().device();
  const auto gpu = device == kCpuDevice ? std::nullopt : std::optional(device);
  const int32_t max_drafts = parts.drafter == nullptr ? 0 : config.num_speculative_tokens;
  StepSizes sizes{.max_rows = config.max_num_batched_tokens,
                  .max_sequences = config.max_num_seqs,
                  .max_drafts = max_drafts,
                  .context_limit = 0};
  const MemoryPlan memory = plan(config, parts, sizes, gpu);
  sizes.context_limit = memory.context_limit;
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
      .launch_ahead = config.async_scheduling.value_or(gpu.has_value()),
      .max_queue_len = config.max_queue_len,
      .end_token_ids = tokens.end_token_ids};
  auto runner = std::make_unique<Runner>(
      std::move(parts), sizes, memory.num_pages,
      VerifierOptions{.acceptance_length = config.acceptance_length, .draws = config.draft_draws});
  if (!config.enforce_eager) {
    capture_rounds(*runner, config, max_drafts);
  }
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
