#include "server/api/fields.h"

#include <fmt/format.h>

#include <limits>
#include <utility>

#include "base/check.h"
#include "base/printable.h"
#include "base/result.h"

namespace talon::server {

Fields::Fields(const Json& object, std::string path, std::optional<ApiError>& fault, bool is_strict)
    : object_(object), path_(std::move(path)), fault_(&fault), is_strict_(is_strict) {
  TALON_CHECK(object.is_object(), "{} is no object", path_);
}

std::string Fields::path_of(std::string_view name) const {
  return path_.empty() ? printable(name) : fmt::format("{}.{}", path_, printable(name));
}

const Json* Fields::find(std::string_view name) {
  known_.emplace(name);
  if (failed()) {
    return nullptr;
  }
  const auto found = object_.find(name);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

const Json* Fields::find_object(std::string_view name) {
  const Json* value = find(name);
  if (value != nullptr && !value->is_object()) {
    fail_type(name, "an object");
    return nullptr;
  }
  return value;
}

const Json* Fields::find_array(std::string_view name) {
  const Json* value = find(name);
  if (value != nullptr && !value->is_array()) {
    fail_type(name, "a list");
    return nullptr;
  }
  return value;
}

void Fields::read(std::string_view name, bool& out) {
  const Json* value = find(name);
  if (value == nullptr) {
    return;
  }
  if (!value->is_boolean()) {
    fail_type(name, "true or false");
    return;
  }
  out = value->get<bool>();
}

void Fields::read(std::string_view name, std::string& out) {
  const Json* value = find(name);
  if (value == nullptr) {
    return;
  }
  if (!value->is_string()) {
    fail_type(name, "a string");
    return;
  }
  out = value->get_ref<const std::string&>();
}

void Fields::read(std::string_view name, int64_t& out, IntRange range) {
  const Json* value = find(name);
  if (value == nullptr) {
    return;
  }
  if (!value->is_number_integer()) {
    fail_type(name, "an integer");
    return;
  }
  const auto number = value->get<int64_t>();
  if (number < range.low || number > range.high) {
    fail("invalid_value", name,
         fmt::format("{} = {} is not in {}..{}", path_of(name), number, range.low, range.high));
    return;
  }
  out = number;
}

void Fields::read(std::string_view name, int32_t& out, IntRange range) {
  TALON_CHECK(range.low >= std::numeric_limits<int32_t>::min() &&
                  range.high <= std::numeric_limits<int32_t>::max(),
              "the range of {} is too wide", name);
  int64_t number = out;
  read(name, number, range);
  out = static_cast<int32_t>(number);
}

void Fields::read(std::string_view name, double& out, RealRange range) {
  const Json* value = find(name);
  if (value == nullptr) {
    return;
  }
  if (!value->is_number()) {
    fail_type(name, "a number");
    return;
  }
  const auto number = value->get<double>();
  const bool is_above = range.low_is_excluded ? number > range.low : number >= range.low;
  if (!is_above || number > range.high) {
    fail("invalid_value", name,
         fmt::format("{} = {} is not in {}{}, {}]", path_of(name), number,
                     range.low_is_excluded ? '(' : '[', range.low, range.high));
    return;
  }
  out = number;
}

void Fields::read(std::string_view name, float& out, RealRange range) {
  double number = out;
  read(name, number, range);
  const auto rounded = static_cast<float>(number);
  // What is positive stays so: a share of 1e-50 is the smallest there is, not none.
  out = rounded == 0.0F && number > 0.0 ? std::numeric_limits<float>::min() : rounded;
}

void Fields::read_ids(std::string_view name,
                      size_t max_ids,
                      int32_t vocab_size,
                      std::vector<TokenId>& out) {
  const Json* list = find_array(name);
  if (list == nullptr) {
    return;
  }
  if (list->size() > max_ids) {
    fail("invalid_value", name, fmt::format("{} has more than {} ids", path_of(name), max_ids));
    return;
  }
  out.clear();
  out.reserve(list->size());
  for (size_t i = 0; i < list->size(); ++i) {
    const Json& entry = (*list)[i];
    if (!entry.is_number_integer()) {
      fail_at("invalid_type", fmt::format("{}[{}]", path_of(name), i), "a token id is an integer");
      return;
    }
    const auto id = entry.get<int64_t>();
    if (id < 0 || id >= vocab_size) {
      fail_at("invalid_value", fmt::format("{}[{}]", path_of(name), i),
              fmt::format("id {} is outside the vocabulary of {}", id, vocab_size));
      return;
    }
    out.push_back(TokenId{static_cast<int32_t>(id)});
  }
}

void Fields::ignore(std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    known_.emplace(name);
  }
}

void Fields::refuse(std::string_view name, std::string_view why) {
  if (find(name) != nullptr) {
    fail("unsupported_parameter", name, fmt::format("{} is not supported: {}", path_of(name), why));
  }
}

void Fields::fail(std::string_view code, std::string_view name, std::string message) {
  fail_at(code, path_of(name), std::move(message));
}

void Fields::fail_at(std::string_view code, const std::string& path, std::string message) {
  if (!failed()) {
    *fault_ = bad_request(code, path, std::move(message));
  }
}

void Fields::fail_type(std::string_view name, std::string_view expected) {
  fail("invalid_type", name, fmt::format("{} must be {}", path_of(name), expected));
}

void Fields::close() {
  if (!is_strict_) {
    return;
  }
  for (const auto& [name, value] : object_.items()) {
    if (!value.is_null() && known_.find(name) == known_.end()) {
      fail("unsupported_parameter", name, fmt::format("{} is unknown", path_of(name)));
    }
  }
}

std::optional<Json> read_body(std::string_view body, std::optional<ApiError>& fault) {
  Result<Json> parsed = parse_json(body);
  if (!parsed.ok()) {
    fault = bad_request("invalid_json", "", "the body is not valid: " + parsed.message());
    return std::nullopt;
  }
  if (!parsed.value().is_object()) {
    fault = bad_request("invalid_json", "", "the body must be a JSON object");
    return std::nullopt;
  }
  return std::move(parsed).value();
}

}  // namespace talon::server
