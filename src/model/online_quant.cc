#include "model/online_quant.h"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <array>

#include "base/json.h"
#include "base/printable.h"

namespace talon {
namespace {

constexpr std::string_view kGlobal = "global_quant_config";
constexpr std::string_view kLayers = "layer_quant_config";
constexpr std::string_view kExcluded = "exclude_layer";

std::optional<WeightFormat> format_of(std::string_view name) {
  struct Entry {
    std::string_view name;
    WeightFormat format;
  };
  constexpr std::array<Entry, 4> kFormats = {{{"ptpc_fp8", WeightFormat::kFp8Channel},
                                              {"per_block_fp8", WeightFormat::kFp8Block},
                                              {"per_block128_fp8", WeightFormat::kFp8Block},
                                              {"mxfp4", WeightFormat::kMxfp4}}};
  for (const Entry& entry : kFormats) {
    if (entry.name == name) {
      return entry.format;
    }
  }
  return std::nullopt;
}

Result<WeightFormat> read_format(std::string_view key, const Json& value) {
  if (!value.is_string()) {
    return Failure{fmt::format("{}: a format must be a string", key)};
  }
  const auto& name = value.get_ref<const std::string&>();
  const std::optional<WeightFormat> format = format_of(name);
  if (!format.has_value()) {
    return Failure{fmt::format("{}: \"{}\" is not a format, ptpc_fp8, per_block_fp8 and mxfp4 are",
                               key, printable(name, 40))};
  }
  return *format;
}

std::optional<std::string> read_layers(const Json& object, OnlineQuantConfig& config) {
  if (!object.is_object()) {
    return fmt::format("{}: must be an object of globs and formats", kLayers);
  }
  for (const auto& [glob, value] : object.items()) {
    const Result<WeightFormat> format =
        read_format(fmt::format("{}: \"{}\"", kLayers, printable(glob, 80)), value);
    if (!format.ok()) {
      return format.message();
    }
    config.layers.emplace_back(glob, format.value());
  }
  return std::nullopt;
}

// One glob or a list of them.
std::optional<std::string> read_excluded(const Json& value, OnlineQuantConfig& config) {
  const Json list = value.is_string() ? Json::array({value}) : value;
  const bool fine = list.is_array() && std::all_of(list.begin(), list.end(), [](const Json& item) {
                      return item.is_string();
                    });
  if (!fine) {
    return fmt::format("{}: must be a list of globs", kExcluded);
  }
  for (const Json& item : list) {
    config.excluded.push_back(item.get<std::string>());
  }
  return std::nullopt;
}

std::optional<std::string> read_key(std::string_view key,
                                    const Json& value,
                                    OnlineQuantConfig& config) {
  if (key == kLayers) {
    return read_layers(value, config);
  }
  if (key == kExcluded) {
    return read_excluded(value, config);
  }
  if (key != kGlobal) {
    return fmt::format("\"{}\" is not a key, {}, {} and {} are", printable(key, 40), kGlobal,
                       kLayers, kExcluded);
  }
  if (value.is_string() && value.get_ref<const std::string&>().empty()) {
    return std::nullopt;  // the same as none
  }
  const Result<WeightFormat> format = read_format(kGlobal, value);
  if (!format.ok()) {
    return format.message();
  }
  config.global = format.value();
  return std::nullopt;
}

bool matches(const std::string& glob, std::string_view name) {
  for (size_t end = name.find('.');; end = name.find('.', end + 1)) {
    const std::string prefix(name.substr(0, end));
    if (fnmatch(glob.c_str(), prefix.c_str(), FNM_NOESCAPE) == 0) {
      return true;
    }
    if (end == std::string_view::npos) {
      return false;
    }
  }
}

bool matches_any(const std::string& glob, const std::vector<std::string_view>& names) {
  return std::any_of(names.begin(), names.end(),
                     [&](std::string_view name) { return matches(glob, name); });
}

}  // namespace

Result<OnlineQuantConfig> parse_online_quant(std::string_view json) {
  const Result<Json> parsed = parse_json(json);
  if (!parsed.ok()) {
    return Failure{parsed.message()};
  }
  if (!parsed.value().is_object()) {
    return Failure{"must be a JSON object"};
  }
  OnlineQuantConfig config;
  for (const auto& [key, value] : parsed.value().items()) {
    if (const std::optional<std::string> fault = read_key(key, value, config)) {
      return Failure{*fault};
    }
  }
  if (config.empty()) {
    return Failure{fmt::format("neither {} nor {} names a format", kGlobal, kLayers)};
  }
  return config;
}

std::optional<WeightFormat> online_format(const OnlineQuantConfig& config, std::string_view name) {
  const auto hits = [name](const std::string& glob) { return matches(glob, name); };
  if (std::any_of(config.excluded.begin(), config.excluded.end(), hits)) {
    return std::nullopt;
  }
  for (const auto& [glob, format] : config.layers) {
    if (hits(glob)) {
      return format;
    }
  }
  return config.global;
}

std::vector<std::string> unmatched_globs(const OnlineQuantConfig& config,
                                         const std::vector<std::string_view>& names) {
  std::vector<std::string> unmatched;
  const auto check = [&](std::string_view key, const std::string& glob) {
    if (!matches_any(glob, names)) {
      unmatched.push_back(fmt::format("{}: \"{}\"", key, printable(glob, 80)));
    }
  };
  for (const auto& [glob, format] : config.layers) {
    check(kLayers, glob);
  }
  for (const std::string& glob : config.excluded) {
    check(kExcluded, glob);
  }
  return unmatched;
}

}  // namespace talon
