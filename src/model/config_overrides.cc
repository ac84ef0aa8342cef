#include "model/config_overrides.h"

#include <fmt/format.h>

#include "base/json.h"
#include "base/printable.h"

namespace talon {
namespace {

constexpr const char* kText = "text_config";
constexpr const char* kSparse = "sparse_attention_config";

void merge(Json& into, const Json& from) {
  if (!into.is_object() || !from.is_object()) {
    into = from;
    return;
  }
  for (const auto& [key, value] : from.items()) {
    merge(into[key], value);
  }
}

bool has_object(const Json& object, const char* key) {
  return object.contains(key) && object[key].is_object();
}

bool is_sparse_key(std::string_view key) {
  return key == "use_index_cache" || key.starts_with("index_") || key.starts_with("sparse_");
}

// Where a key of the overrides belongs.
Json& place_of(Json& config, const std::string& key) {
  if (config.contains(key) || !has_object(config, kText)) {
    return config;
  }
  Json& text = config[kText];
  const bool is_inner = !text.contains(key) && has_object(text, kSparse) &&
                        (text[kSparse].contains(key) || is_sparse_key(key));
  return is_inner ? text[kSparse] : text;
}

}  // namespace

Result<std::string> override_config(std::string_view config, std::string_view overrides) {
  if (overrides.empty()) {
    return std::string(config);
  }
  if (overrides.size() > kMaxOverrideBytes) {
    return Failure{fmt::format("more than {} bytes", kMaxOverrideBytes)};
  }
  const Result<Json> values = parse_json(overrides);
  if (!values.ok()) {
    return Failure{values.message()};
  }
  if (!values.value().is_object()) {
    return Failure{"a JSON object is needed"};
  }
  Result<Json> parsed = parse_json(config);
  if (!parsed.ok() || !parsed.value().is_object()) {
    return std::string(config);  // whoever reads it says what is wrong with it
  }
  Json merged = std::move(parsed).value();
  for (const auto& [key, value] : values.value().items()) {
    Json& place = place_of(merged, key);
    if (place.contains(key) && place[key].is_object() && !value.is_object() && !value.is_null()) {
      return Failure{fmt::format("{}: an object is needed", printable(key, 80))};
    }
    merge(place[key], value);
  }
  return merged.dump();
}

}  // namespace talon
