#include "measure/inspect.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <system_error>

#include "base/checked_int.h"
#include "base/error.h"
#include "base/printable.h"
#include "core/dtype.h"
#include "kv/kv_layout.h"
#include "model/checkpoint.h"
#include "model/checkpoint_index.h"
#include "model/eagle3/config.h"
#include "model/eagle3/kv_layout.h"
#include "model/eagle3/tensor_table.h"
#include "model/minimax_m3/config.h"
#include "model/minimax_m3/kv_layout.h"
#include "model/minimax_m3/tensor_table.h"
#include "model/model_identity.h"

namespace talon {
namespace {

constexpr std::string_view kConfigFile = "config.json";

// What a config says, whatever the architecture.
struct Description {
  TensorTable table;
  KvLayout kv_layout;
  std::vector<std::string> unknown_keys;
};

int64_t count_true(const std::vector<bool>& flags) {
  return std::count(flags.begin(), flags.end(), true);
}

Description describe_m3(const M3Config& config, InspectReport& report) {
  const auto add = [&](std::string name, std::string value) {
    report.sizes.emplace_back(std::move(name), std::move(value));
  };
  const int64_t num_moe = count_true(config.is_moe);
  add("layers",
      fmt::format("{}: {} dense, {} with experts; {} with sparse attention", config.num_layers,
                  config.num_layers - num_moe, num_moe, count_true(config.is_sparse)));
  add("hidden", fmt::format("{}", config.hidden_size));
  add("heads", fmt::format("{} query, {} KV, of {} channels, {} rotated", config.num_heads,
                           config.num_kv_heads, config.head_dim, config.rotary_dim));
  add("dense width", fmt::format("{}", config.dense_width));
  if (num_moe != 0) {
    add("experts", fmt::format("{} of width {}, {} per token; shared width {}", config.num_experts,
                               config.expert_width, config.experts_per_token, config.shared_width));
  }
  if (count_true(config.is_sparse) != 0) {
    add("sparse attention",
        fmt::format("{} of the {}-token pages, {} index heads of {}", config.topk_blocks,
                    kPageTokens, config.num_index_heads, config.index_dim));
  }
  add("vocabulary", fmt::format("{}", config.vocab_size));
  report.role = "target";
  report.quant_method = config.quant_method;
  report.max_positions = config.max_positions;
  return {.table = m3_tensor_table(config),
          .kv_layout = m3_kv_layout(config, DType::kBf16, report.kv),
          .unknown_keys = config.unknown_keys};
}

Description describe_eagle3(const Eagle3Config& config, InspectReport& report) {
  const auto add = [&](std::string name, std::string value) {
    report.sizes.emplace_back(std::move(name), std::move(value));
  };
  add("hidden", fmt::format("{} (target {})", config.hidden_size, config.target_hidden_size));
  add("heads", fmt::format("{} query, {} KV, of {} channels", config.num_heads, config.num_kv_heads,
                           config.head_dim));
  add("width", fmt::format("{}", config.intermediate_size));
  std::string taps;
  for (const int32_t tap : config.taps) {
    taps += fmt::format("{}{}", taps.empty() ? "" : ", ", tap);
  }
  add("taps", taps.empty() ? "not stated: 2, n/2, n-3 of the target" : taps);
  add("fc_norm", config.fc_norm ? "true" : "false");
  add("norm_output", config.norm_output ? "true" : "false");
  add("norm_before_residual", config.norm_before_residual ? "true" : "false");
  add("vocabulary", fmt::format("{}, drafts from {}", config.vocab_size, config.draft_vocab_size));
  if (config.taps.empty()) {
    report.warnings.emplace_back("config.json: eagle_aux_hidden_state_layer_ids: missing");
  }
  report.role = "drafter";
  report.max_positions = config.max_positions;
  return {.table = eagle3_tensor_table(config),
          .kv_layout = eagle3_kv_layout(config, DType::kBf16, report.kv),
          .unknown_keys = config.unknown_keys};
}

template <class T>
T value_or_throw(Result<T> result, const std::filesystem::path& file) {
  if (!result.ok()) {
    throw Error(ErrorCode::kUnsupported, fmt::format("{}: {}", file.string(), result.message()));
  }
  return std::move(result).value();
}

Description describe(const std::filesystem::path& folder, InspectReport& report) {
  const std::filesystem::path file = folder / kConfigFile;
  const std::string text = read_small_file(file);
  const ModelIdentity identity = value_or_throw(read_model_identity(text), file);
  report.architecture = identity.architecture;
  Description description =
      is_eagle3(identity) ? describe_eagle3(value_or_throw(parse_eagle3_config(text), file), report)
                          : describe_m3(value_or_throw(parse_m3_config(text), file), report);
  for (const std::string& key : description.unknown_keys) {
    report.warnings.push_back(fmt::format("{}: {}: unknown key", kConfigFile, key));
  }
  report.unknown_keys = description.unknown_keys;
  return description;
}

// Adds up per key, in the order of first use.
template <class Key>
InspectCount& count_of(std::vector<std::pair<Key, InspectCount>>& counts, const Key& key) {
  const auto at = std::find_if(counts.begin(), counts.end(),
                               [&](const auto& entry) { return entry.first == key; });
  return at != counts.end() ? at->second : counts.emplace_back(key, InspectCount{}).second;
}

// A config may promise more than 63 bits count, as long as no file has to hold it.
void add_to(InspectCount& sum, const InspectCount& count) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  sum.num_tensors += count.num_tensors;
  sum.num_parameters = checked_add(sum.num_parameters, count.num_parameters).value_or(kMost);
  sum.num_bytes += count.num_bytes;
}

InspectCount count_file_tensor(const CheckpointTensor& tensor) {
  int64_t elements = 1;
  for (const int64_t size : tensor.entry.shape) {
    elements *= size;  // the header's parser has bounded the product
  }
  return {.num_tensors = 1, .num_parameters = elements, .num_bytes = std::ssize(tensor.bytes)};
}

void add_matched(const MatchedTensor& row, InspectReport& report) {
  if (row.found.values == nullptr) {
    return;
  }
  const InspectCount count = {.num_tensors = row.found.scales == nullptr ? 1 : 2,
                              .num_parameters = row.expected->num_elements(),
                              .num_bytes = row.num_bytes()};
  add_to(report.loaded, count);
  add_to(count_of(report.parts, row.expected->part), count);
  const bool is_linear = row.expected->role == TensorRole::kLinear;
  const std::string format(is_linear ? weight_format_name(row.found.format)
                                     : file_dtype_name(row.found.values->entry.dtype));
  if (is_linear) {
    add_to(count_of(report.formats, format), count);
  }
  report.tensors.push_back({.name = row.expected->name,
                            .format = format,
                            .shape = row.expected->shape,
                            .num_bytes = row.num_bytes(),
                            .file_name = row.found.values->file_name});
}

void inspect_headers(const std::filesystem::path& folder,
                     const TensorTable& table,
                     InspectReport& report) {
  const Checkpoint checkpoint = Checkpoint::open(folder);
  const TableMatch match = match_tensors(checkpoint, table);
  report.has_headers = true;
  for (const MatchedTensor& row : match.rows) {
    add_matched(row, report);
  }
  for (const TensorProblem& problem : match.problems) {
    report.problems.push_back(problem_text(checkpoint, problem));
  }
  for (const CheckpointTensor& tensor : checkpoint.skipped()) {
    add_to(report.skipped, count_file_tensor(tensor));
  }
  add_to(report.all, report.loaded);
  add_to(report.all, report.skipped);
  for (const CheckpointTensor* tensor : match.unknown) {
    add_to(report.all, count_file_tensor(*tensor));
    report.warnings.push_back(fmt::format("{}: tensor \"{}\": unknown", tensor->file_name,
                                          printable(tensor->entry.name)));
  }
}

// Names that the index gives to tensors of the table, and their files.
void inspect_index(const CheckpointFiles& files, const TensorTable& table, InspectReport& report) {
  std::map<std::string, std::string, std::less<>> names;  // loader's name, file
  for (const auto& [name, file] : files.weight_map) {
    report.all.num_tensors += 1;
    if (is_skipped_tensor(name)) {
      report.skipped.num_tensors += 1;
    } else {
      names.emplace(loader_name(name), file);
    }
  }
  for (const ExpectedTensor& expected : table) {
    const auto at = names.find(expected.name);
    if (at == names.end()) {
      if (!expected.is_optional) {
        report.problems.push_back(
            fmt::format("{}: tensor \"{}\": missing", kIndexFile, expected.name));
      }
      continue;
    }
    InspectCount count = {.num_tensors = 1, .num_parameters = expected.num_elements()};
    report.tensors.push_back({.name = expected.name,
                              .format = "",
                              .shape = expected.shape,
                              .num_bytes = 0,
                              .file_name = at->second});
    names.erase(at);
    if (expected.role == TensorRole::kLinear) {
      for (const std::string& scale : scale_names(expected.name)) {
        count.num_tensors += static_cast<int64_t>(names.erase(scale));
      }
    }
    add_to(report.loaded, count);
    add_to(count_of(report.parts, expected.part), count);
  }
  report.all.num_parameters = report.loaded.num_parameters;
  for (const auto& [name, file] : names) {
    report.warnings.push_back(fmt::format("{}: tensor \"{}\": unknown", file, printable(name)));
  }
}

bool any_file_exists(const std::filesystem::path& folder, const CheckpointFiles& files) {
  return std::any_of(files.file_names.begin(), files.file_names.end(), [&](const auto& name) {
    std::error_code error;
    return std::filesystem::exists(folder / name, error);
  });
}

}  // namespace

InspectReport inspect_checkpoint(const std::filesystem::path& folder, KvFormat kv) {
  const CheckpointFiles files = find_checkpoint_files(folder);
  InspectReport report;
  report.folder = folder;
  report.kv = kv;
  report.num_files = std::ssize(files.file_names);
  const Description description = describe(folder, report);
  report.kv_bytes_per_token = description.kv_layout.bytes_per_token();
  for (const Plane& plane : description.kv_layout.planes) {
    report.index_bytes_per_token +=
        plane.kind == PlaneKind::kIndexKey ? plane.bytes_per_token() : 0;
  }
  if (any_file_exists(folder, files)) {
    inspect_headers(folder, description.table, report);
  } else {
    inspect_index(files, description.table, report);
  }
  const Result<MemoryPlan> plan =
      plan_memory({.weight_bytes = report.loaded.num_bytes,
                   .kv_layout = description.kv_layout,
                   .model_limit = report.max_positions,
                   .max_model_len = report.max_positions,
                   .kv_cache_bytes = std::numeric_limits<int64_t>::max() / 2});
  if (plan.ok()) {
    report.memory = plan.value();
  }
  return report;
}

}  // namespace talon
