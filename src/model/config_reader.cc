#include "model/config_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "base/printable.h"

namespace talon {
namespace {

const Json& empty_object() {
  static const Json kEmpty = Json::object();
  return kEmpty;
}

bool same_value(const Json& a, const Json& b) {
  if (a.is_number() && b.is_number()) {
    return a.get<double>() == b.get<double>();
  }
  return a == b;
}

}  // namespace

ConfigReader::ConfigReader(const Json& object, std::string path)
    : object_(object.is_object() ? &object : &empty_object()), path_(std::move(path)) {
  if (!object.is_object()) {
    failure_ = Failure{fmt::format("{}: not an object", path_.empty() ? "the file" : path_)};
  }
}

const Json* ConfigReader::find(std::string_view key) {
  known_.emplace(key);
  const auto at = object_->find(key);
  return at == object_->end() || at->is_null() ? nullptr : &*at;
}

const Json* ConfigReader::find_or_fail(std::string_view key) {
  const Json* value = find(key);
  if (value == nullptr) {
    fail(key, "missing");
  }
  return value;
}

bool ConfigReader::has(std::string_view key) { return find(key) != nullptr; }

int32_t ConfigReader::to_integer(std::string_view key, const Json& value, IntRange range) {
  if (!value.is_number_integer()) {
    fail(key, "not an integer");
    return static_cast<int32_t>(range.min);
  }
  const auto number = value.get<int64_t>();
  if (number < range.min || number > range.max) {
    fail(key, fmt::format("{} is not in {}..{}", number, range.min, range.max));
    return static_cast<int32_t>(range.min);
  }
  return static_cast<int32_t>(number);
}

int32_t ConfigReader::integer(std::string_view key, IntRange range) {
  const Json* value = find_or_fail(key);
  return value == nullptr ? static_cast<int32_t>(range.min) : to_integer(key, *value, range);
}

int32_t ConfigReader::integer_or(std::string_view key, int32_t otherwise, IntRange range) {
  const Json* value = find(key);
  return value == nullptr ? otherwise : to_integer(key, *value, range);
}

double ConfigReader::positive(std::string_view key) {
  return find_or_fail(key) == nullptr ? 1.0 : positive_or(key, 1.0);
}

double ConfigReader::positive_or(std::string_view key, double otherwise) {
  const Json* value = find(key);
  if (value == nullptr) {
    return otherwise;
  }
  const double number = value->is_number() ? value->get<double>() : 0.0;
  if (!std::isfinite(number) || number <= 0.0 || number > 1e30 || number < 1e-30) {
    fail(key, "not a number over 0");
    return 1.0;
  }
  return number;
}

bool ConfigReader::flag_or(std::string_view key, bool otherwise) {
  const Json* value = find(key);
  if (value == nullptr) {
    return otherwise;
  }
  if (!value->is_boolean()) {
    fail(key, "not true or false");
    return otherwise;
  }
  return value->get<bool>();
}

std::string ConfigReader::text_or(std::string_view key, std::string_view otherwise) {
  const Json* value = find(key);
  if (value == nullptr) {
    return std::string(otherwise);
  }
  if (!value->is_string()) {
    fail(key, "not a string");
    return std::string(otherwise);
  }
  return value->get<std::string>();
}

std::vector<int32_t> ConfigReader::integers_or_none(std::string_view key, IntRange range) {
  const Json* value = find(key);
  if (value == nullptr) {
    return {};
  }
  if (!value->is_array()) {
    return {to_integer(key, *value, range)};
  }
  if (std::ssize(*value) > kMaxLayers) {
    fail(key, fmt::format("more than {} entries", kMaxLayers));
    return {};
  }
  std::vector<int32_t> numbers;
  for (const Json& element : *value) {
    numbers.push_back(to_integer(key, element, range));
  }
  return numbers;
}

std::vector<bool> ConfigReader::layer_flags(std::string_view key, int32_t count) {
  std::vector<bool> flags(static_cast<size_t>(count), false);
  const Json* value = find_or_fail(key);
  if (value == nullptr) {
    return flags;
  }
  if (!value->is_array() || std::ssize(*value) != count) {
    fail(key, fmt::format("not a list of {} entries, one a layer", count));
    return flags;
  }
  for (size_t i = 0; i < flags.size(); ++i) {
    flags[i] = to_integer(key, (*value)[i], {.min = 0, .max = 1}) == 1;
  }
  return flags;
}

const Json* ConfigReader::object(std::string_view key) {
  const Json* value = find(key);
  if (value != nullptr && !value->is_object()) {
    fail(key, "not an object");
    return nullptr;
  }
  return value;
}

void ConfigReader::require(std::string_view key, const Json& value) {
  const Json* given = find(key);
  if (given != nullptr && !same_value(*given, value)) {
    fail(key, fmt::format("{} is not implemented, only {} is",
                          printable(given->dump(-1, ' ', true), 80), value.dump()));
  }
}

void ConfigReader::fail(std::string_view key, std::string_view problem) {
  if (!failure_) {
    failure_ = Failure{fmt::format("{}{}: {}", path_, printable(key), problem)};
  }
}

void ConfigReader::adopt(const ConfigReader& other) {
  if (other.failure_) {
    adopt(*other.failure_);
  }
}

void ConfigReader::adopt(const Failure& failure) {
  if (!failure_) {
    failure_ = failure;
  }
}

std::vector<std::string> ConfigReader::unknown_keys(
    std::span<const std::string_view> bookkeeping) const {
  const auto common = common_bookkeeping_keys();
  std::vector<std::string> unknown;
  for (const auto& [key, value] : object_->items()) {
    if (!known_.contains(key) &&
        std::find(bookkeeping.begin(), bookkeeping.end(), key) == bookkeeping.end() &&
        std::find(common.begin(), common.end(), key) == common.end()) {
      unknown.push_back(path_ + printable(key));
    }
  }
  return unknown;
}

RopeSettings read_rope(ConfigReader& reader, std::optional<double> otherwise) {
  std::optional<double> theta;
  RopeSettings settings;
  const auto read = [&](ConfigReader& from) {
    for (const std::string_view key : {"rope_theta", "partial_rotary_factor"}) {
      if (!from.has(key)) {
        continue;
      }
      std::optional<double>& value = key == "rope_theta" ? theta : settings.partial_rotary_factor;
      const double stated = from.positive(key);
      if (value && *value != stated) {
        from.fail(key, "stands twice with different values");
      }
      value = stated;
    }
  };
  read(reader);
  for (const std::string_view key : {"rope_scaling", "rope_parameters"}) {
    const Json* object = reader.object(key);
    if (object == nullptr) {
      continue;
    }
    ConfigReader rope(*object, fmt::format("{}{}.", reader.path(), key));
    rope.require("rope_type", "default");
    rope.require("type", "default");
    read(rope);
    for (const std::string& unknown : rope.unknown_keys({})) {
      rope.adopt(Failure{unknown + ": not implemented"});
    }
    reader.adopt(rope);
  }
  if (!theta && !otherwise) {
    reader.fail("rope_theta", "missing");
  }
  settings.theta = theta.value_or(otherwise.value_or(1.0));
  return settings;
}

std::span<const std::string_view> common_bookkeeping_keys() {
  static constexpr std::array<std::string_view, 31> kKeys = {
      "_name_or_path",
      "_attn_implementation",
      "_attn_implementation_autoset",
      "architectures",
      "attention_dropout",
      "auto_map",
      "bos_token_id",
      "chunk_size_feed_forward",
      "dtype",
      "embd_pdrop",
      "eos_token_id",
      "hidden_dropout",
      "id2label",
      "initializer_range",
      "is_encoder_decoder",
      "label2id",
      "model_type",
      "output_attentions",
      "output_hidden_states",
      "output_router_logits",
      "pad_token_id",
      "pretraining_tp",
      "resid_pdrop",
      "return_dict",
      "router_aux_loss_coef",
      "router_jitter_noise",
      "router_z_loss_coef",
      "torch_dtype",
      "torchscript",
      "transformers_version",
      "use_cache",
  };
  return kKeys;
}

Result<Json> parse_config_text(std::string_view json_text) {
  Result<Json> parsed = parse_json(json_text);
  if (!parsed.ok()) {
    return parsed;
  }
  if (!parsed.value().is_object()) {
    return Failure{"not a JSON object"};
  }
  return parsed;
}

}  // namespace talon
