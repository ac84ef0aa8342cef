#include "model/registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "base/printable.h"
#include "model/checkpoint.h"
#include "model/checkpoint_index.h"
#include "model/config_overrides.h"
#include "model/dummy_weights.h"
#include "model/minimax_m3/config.h"
#include "model/minimax_m3/m3_model.h"
#include "model/minimax_m3/tensor_table.h"
#include "model/minimax_m3/weights.h"
#include "model/model_identity.h"

namespace talon {
namespace {

constexpr std::string_view kConfigFile = "config.json";

struct ModelSource {
  std::filesystem::path folder;
  std::filesystem::path config_file;
  std::string config_text;
};

[[noreturn]] void fail(const std::filesystem::path& file, std::string_view problem) {
  throw Error(ErrorCode::kUnsupported, fmt::format("{}: {}", file.string(), problem));
}

std::unique_ptr<Model> load_m3(const ModelSource& source, const ModelOptions& options) {
  Result<M3Config> config = parse_m3_config(source.config_text);
  if (!config.ok()) {
    fail(source.config_file, config.message());
  }
  report_unknown_keys(source.config_file, config.value().unknown_keys, options.strict_config);
  const Checkpoint checkpoint =
      options.dummy_weights ? dummy_checkpoint(source.folder, m3_tensor_table(config.value()),
                                               stored_formats(source.config_text))
                            : Checkpoint::open(source.folder);
  M3Weights weights =
      load_m3_weights(checkpoint, config.value(), options.uploader, options.online_quant);
  const ModelTypes types{.activation = options.type, .kv = options.kv};
  return std::make_unique<M3Model>(std::move(weights), std::move(config).value(), types,
                                   options.uploader);
}

struct Entry {
  std::string_view architecture;
  std::string_view model_type;
  std::unique_ptr<Model> (*load)(const ModelSource&, const ModelOptions&);
};

constexpr std::array kModels = {
    Entry{"MiniMaxM3SparseForConditionalGeneration", "minimax_m3_vl", load_m3},
};

}  // namespace

std::unique_ptr<Model> load_model(const std::filesystem::path& folder,
                                  const ModelOptions& options) {
  Result<std::string> text =
      override_config(read_small_file(folder / kConfigFile), options.config_overrides);
  if (!text.ok()) {
    throw Error(ErrorCode::kInvalidArgument, fmt::format("hf-overrides: {}", text.message()));
  }
  // What is wrong may be wrong with either.
  const char* by = options.config_overrides.empty() ? "" : " with --hf-overrides";
  const ModelSource source = {.folder = folder,
                              .config_file = (folder / kConfigFile).string() + by,
                              .config_text = std::move(text).value()};
  const Result<ModelIdentity> read = read_model_identity(source.config_text);
  if (!read.ok()) {
    fail(source.config_file, read.message());
  }
  const ModelIdentity& identity = read.value();
  const auto* entry = std::find_if(kModels.begin(), kModels.end(), [&](const Entry& model) {
    return model.architecture == identity.architecture || model.model_type == identity.model_type;
  });
  if (entry == kModels.end()) {
    fail(source.config_file, fmt::format("architectures: \"{}\" is no target model known here",
                                         printable(identity.architecture, 80)));
  }
  return entry->load(source, options);
}

void report_unknown_keys(const std::filesystem::path& file,
                         const std::vector<std::string>& keys,
                         bool strict) {
  if (strict && !keys.empty()) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("{}: {}: unknown key (--strict-config)", file.string(), keys[0]));
  }
  for (const std::string& key : keys) {
    log(LogLevel::kWarn, "model", "file={} unknown_key={}", file.string(), key);
  }
}

}  // namespace talon
