#include "model_flags.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <fstream>
#include <optional>
#include <sstream>
#include <system_error>
#include <utility>
#include <vector>

#include "base/error.h"
#include "core/cpu_path.h"
#include "count.h"
#include "model/config_overrides.h"

namespace talon {
namespace {

constexpr const char* kEmbeddedTarget = "talon-tiny";
constexpr const char* kEmbeddedHead = "talon-tiny-eagle3";

// Whether this run drafts, after the rules of --method.
bool wants_drafter(const ModelFlags& flags, bool has_drafter) {
  if (flags.method == "none") {
    return false;
  }
  if (flags.method == "eagle3" && !has_drafter) {
    throw Error(ErrorCode::kInvalidArgument, "method: eagle3 needs a --draft-model");
  }
  return has_drafter;
}

// For CLI11: writes a number with a suffix (count.h) out, or says what is wrong with it.
std::string write_out(std::string& text) {
  const std::optional<int64_t> count = parse_count(text);
  if (!count.has_value()) {
    return fmt::format("{} is no number like 4096, 32k (32,000) or 32K (32,768)", text);
  }
  text = std::to_string(*count);
  return "";
}

// The same where `auto`, or -1 as vLLM has it, stands for 0.
std::string write_out_or_auto(std::string& text) {
  if (text == "auto" || text == "-1") {
    text = "0";
  }
  return write_out(text);
}

void add_loading_flags(CLI::App& app, ModelFlags& flags) {
  app.add_option("--load-format", flags.load_format,
                 "dummy: random weights in the shapes and formats of config.json, to measure "
                 "without a checkpoint's shards")
      ->check(CLI::IsMember({"auto", "safetensors", "dummy", "dummy:xavier"}))
      ->capture_default_str();
  app.add_option("--hf-overrides", flags.hf_overrides,
                 "JSON object of values instead of those of the target's config.json")
      ->capture_default_str();
}

void add_quantisation_flags(CLI::App& app, ModelFlags& flags) {
  CLI::Option* config =
      app.add_option("--online-quant-config", flags.online_quant,
                     "JSON: what bf16 weights of the target become at load (global_quant_config, "
                     "layer_quant_config, exclude_layer)");
  app.add_option("--quantization", flags.quantization,
                 "fp8: all bf16 weights of the target but lm_head to ptpc_fp8")
      ->check(CLI::IsMember({"fp8"}))
      ->excludes(config);
}

void add_cache_flags(CLI::App& app, ModelFlags& flags) {
  app.add_option("--kv-cache-dtype", flags.kv_cache_dtype, "keys and values; auto: as --dtype")
      ->check(CLI::IsMember({"auto", "bf16", "float32", "fp8", "fp8_e4m3"}))
      ->capture_default_str();
  app.add_option("--index-cache-dtype", flags.index_cache_dtype,
                 "index keys of sparse attention; auto: as --dtype")
      ->check(CLI::IsMember({"auto", "bf16", "float32", "fp8"}))
      ->capture_default_str();
  app.add_option_function<int64_t>(
         "--kv-cache-bytes,--kv-cache-memory-bytes",
         [&flags](int64_t bytes) { flags.engine.kv_cache_bytes = bytes; },
         "cap of the KV pool; unless given 2 GiB, on a GPU what the next one leaves")
      ->transform(CLI::Validator(write_out, ""));
  app.add_option("--gpu-memory-utilization,--mem-fraction-static",
                 flags.engine.gpu_memory_utilization,
                 "share of a GPU's memory that weights, buffers and pages may fill")
      ->capture_default_str();
}

void add_scheduler_flags(CLI::App& app, ModelFlags& flags) {
  EngineConfig& engine = flags.engine;
  app.add_option("--max-num-seqs,--max-running-requests", engine.max_num_seqs,
                 "running sequences, 1..1024")
      ->capture_default_str();
  app.add_option("--max-num-batched-tokens", engine.max_num_batched_tokens, "rows a step")
      ->transform(CLI::Validator(write_out, ""))
      ->capture_default_str();
  app.add_option("--long-prefill-token-threshold", engine.long_prefill_token_threshold,
                 "rows one prompt may take a step; 0: no limit")
      ->capture_default_str();
  app.add_flag("--enable-prefix-caching,!--no-enable-prefix-caching", engine.enable_prefix_caching,
               "requests share pages of equal prefixes; on unless --no-");
  app.add_option("--scheduling-policy", flags.scheduling_policy, "order of service")
      ->check(CLI::IsMember({"fcfs", "priority"}))
      ->capture_default_str();
  // Not bound to the optional: CLI11 fills that with false if the flag is not given.
  app.add_flag_function(
      "--async-scheduling,!--no-async-scheduling",
      [&engine](int64_t count) { engine.async_scheduling = count > 0; },
      "plan a step while the one before runs; default: on a GPU");
  app.add_option("--max-queue-len,--max-queued-requests", engine.max_queue_len, "waiting requests")
      ->capture_default_str();
}

void add_speculation_flags(CLI::App& app, ModelFlags& flags) {
  app.add_option("--num-speculative-tokens", flags.num_speculative_tokens, "drafts a round, 0..7")
      ->capture_default_str();
  app.add_option("--spec-decode-policy", flags.spec_policy,
                 "fixed: always so many; auto: fewer where they do not pay")
      ->check(CLI::IsMember({"fixed", "auto"}))
      ->capture_default_str();
  app.add_option("--spec-decode-draft-draws", flags.draft_draws,
                 "drafts of sampled requests: greedy, with the target's noise, or with their own")
      ->check(CLI::IsMember({"greedy", "shared", "own"}))
      ->capture_default_str();
  app.add_option("--spec-decode-cost-table", flags.cost_table,
                 "of `talon bench step`, for auto; default: measured at the start");
  CLI::Option* length =
      app.add_option("--spec-decode-acceptance-length", flags.engine.acceptance_length,
                     "force so many tokens a forward, 1..K+1; the text means nothing then");
  app.add_option("--spec-decode-acceptance-rate", flags.acceptance_rate,
                 "force this share of drafts, 0..1: length 1 + K * rate")
      ->check(CLI::Range(0.0, 1.0))
      ->excludes(length);
}

CostTable read_cost_table(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) {
    throw Error(ErrorCode::kNotFound, fmt::format("{}: cannot be read", file));
  }
  std::stringstream text;
  text << in.rdbuf();
  Result<CostTable> table = parse_cost_table(text.str());
  if (!table.ok()) {
    throw Error(ErrorCode::kCorruptFile, fmt::format("{}: {}", file, table.message()));
  }
  return std::move(table).value();
}

// The overrides as the engine takes them: empty for none.
std::string overrides_of(const std::string& text) {
  const Result<std::string> merged = override_config("{}", text);
  if (!merged.ok()) {
    throw Error(ErrorCode::kInvalidArgument, fmt::format("hf-overrides: {}", merged.message()));
  }
  return merged.value() == "{}" ? "" : text;
}

DeviceChoice device_of(const std::string& name) {
  if (name == "cpu") {
    return DeviceChoice::kCpu;
  }
  return name == "cuda" ? DeviceChoice::kCuda : DeviceChoice::kAuto;
}

CacheDtype cache_dtype_of(const std::string& name) {
  if (name == "auto") {
    return CacheDtype::kAuto;
  }
  if (name == "bf16") {
    return CacheDtype::kBf16;
  }
  return name == "float32" ? CacheDtype::kF32 : CacheDtype::kFp8;
}

OnlineQuantConfig online_quant_of(const ModelFlags& flags) {
  if (flags.quantization == "fp8") {
    return {.global = WeightFormat::kFp8Channel, .layers = {}, .excluded = {"lm_head"}};
  }
  if (flags.online_quant.empty()) {
    return {};
  }
  Result<OnlineQuantConfig> config = parse_online_quant(flags.online_quant);
  if (!config.ok()) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("online-quant-config: {}", config.message()));
  }
  return std::move(config).value();
}

DraftDraws draft_draws_of(const std::string& name) {
  if (name == "greedy") {
    return DraftDraws::kGreedy;
  }
  return name == "own" ? DraftDraws::kOwn : DraftDraws::kShared;
}

// How drafts are chosen and, for benchmarks, how many of them stand.
void resolve_speculation(const ModelFlags& flags, EngineConfig& config) {
  config.spec_policy = flags.spec_policy == "auto" ? SpecPolicyKind::kAuto : SpecPolicyKind::kFixed;
  config.draft_draws = draft_draws_of(flags.draft_draws);
  if (!flags.cost_table.empty()) {
    config.cost_table = read_cost_table(flags.cost_table);
  }
  if (flags.acceptance_rate.has_value()) {
    config.acceptance_length = 1.0 + config.num_speculative_tokens * *flags.acceptance_rate;
  }
  if (config.acceptance_length > 0.0 && config.draft_model_dir.empty()) {
    throw Error(
        ErrorCode::kInvalidArgument,
        "spec-decode-acceptance-length: there is no drafter whose drafts could be accepted");
  }
}

}  // namespace

void add_model_flags(CLI::App& app, ModelFlags& flags) {
  EngineConfig& engine = flags.engine;
  app.add_option("--model", flags.model, "checkpoint folder; default: the embedded pair");
  app.add_option("--draft-model", flags.draft_model, "EAGLE-3 head folder; implies eagle3");
  app.add_option("--method", flags.method, "how to draft")
      ->check(CLI::IsMember({"eagle3", "none"}));
  app.add_option("--dtype", flags.dtype, "activations")
      ->check(CLI::IsMember({"auto", "bf16", "float32"}))
      ->capture_default_str();
  app.add_option("--device", flags.device, "auto: a GPU if this build has kernels for one")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}))
      ->capture_default_str();
  app.add_flag("--enforce-eager,!--no-enforce-eager", engine.enforce_eager,
               "on a GPU, launch kernel by kernel instead of captured rounds");
  app.add_option("--max-model-len", engine.max_model_len,
                 "prompt and output; auto: the model's limit, or what the KV pool holds of one "
                 "request")
      ->transform(CLI::Validator(write_out_or_auto, ""))
      ->default_str("auto");
  add_loading_flags(app, flags);
  add_scheduler_flags(app, flags);
  add_speculation_flags(app, flags);
  add_quantisation_flags(app, flags);
  add_cache_flags(app, flags);
  app.add_option("--threads", engine.num_threads, "of the CPU pool; 0: all processors")
      ->capture_default_str();
  app.add_option("--cpu-path", flags.cpu_path, "kernels to use; default: the best that runs here")
      ->check(CLI::IsMember({"scalar", "avx2", "avx512", "amx"}));
  app.add_flag("--strict-config,!--no-strict-config", engine.strict_config,
               "an unknown config key is an error");
  app.add_option("--trace", engine.trace_file, "write plans and results as JSON lines");
}

EngineConfig resolve(const ModelFlags& flags) {
  EngineConfig config = flags.engine;
  config.num_speculative_tokens = flags.num_speculative_tokens;
  config.dtype = flags.dtype == "float32" ? ActivationType::kF32 : ActivationType::kBf16;
  config.kv_cache_dtype = cache_dtype_of(flags.kv_cache_dtype);
  config.index_cache_dtype = cache_dtype_of(flags.index_cache_dtype);
  config.online_quant = online_quant_of(flags);
  config.config_overrides = overrides_of(flags.hf_overrides);
  config.dummy_weights = flags.load_format.starts_with("dummy");
  config.device = device_of(flags.device);
  if (!flags.cpu_path.empty()) {
    config.cpu_path = cpu_path_from_name(flags.cpu_path);
  }
  std::filesystem::path head = flags.draft_model;
  if (flags.model.empty()) {
    config.model_dir = embedded_models_dir() / kEmbeddedTarget;
    head = head.empty() ? embedded_models_dir() / kEmbeddedHead : head;
  } else {
    config.model_dir = flags.model;
  }
  if (wants_drafter(flags, !head.empty())) {
    config.draft_model_dir = head;
  }
  config.scheduling_policy =
      flags.scheduling_policy == "priority" ? SchedulingPolicy::kPriority : SchedulingPolicy::kFcfs;
  resolve_speculation(flags, config);
  const std::vector<std::string> faults = validate(config);
  if (!faults.empty()) {
    throw Error(ErrorCode::kInvalidArgument, fmt::format("{}", fmt::join(faults, "; ")));
  }
  return config;
}

std::filesystem::path embedded_models_dir() {
  std::error_code ignored;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path();
  const std::array places = {program.parent_path() / "models", program / "models",
                             program.parent_path() / "share" / "talon" / "models"};
  for (const std::filesystem::path& place : places) {
    if (std::filesystem::exists(place / kEmbeddedTarget / "config.json", ignored)) {
      return place;
    }
  }
  throw Error(ErrorCode::kNotFound,
              fmt::format("model: no --model given and no embedded pair in {}, {} or {}",
                          places[0].string(), places[1].string(), places[2].string()));
}

}  // namespace talon
