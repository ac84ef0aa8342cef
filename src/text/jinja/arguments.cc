#include "text/jinja/arguments.h"

#include <algorithm>

#include "text/jinja/fault.h"
#include "text/jinja/truth.h"

namespace talon::text {

const Value* Arguments::find(std::string_view name) const {
  for (const auto& [key, value] : named) {
    if (key == name) {
      return &value;
    }
  }
  return nullptr;
}

Parameters::Parameters(std::string_view name,
                       const Arguments& arguments,
                       std::initializer_list<std::string_view> names,
                       size_t num_required)
    : name_(name), names_(names), values_(names.size(), nullptr) {
  if (arguments.positional.size() > names_.size()) {
    fault("{} takes at most {} arguments, {} given", name_, names_.size(),
          arguments.positional.size());
  }
  for (size_t i = 0; i < arguments.positional.size(); ++i) {
    values_[i] = &arguments.positional[i];
  }
  for (const auto& [key, value] : arguments.named) {
    const auto found = std::find(names_.begin(), names_.end(), key);
    if (found == names_.end()) {
      fault("{} takes no argument {}", name_, key);
    }
    const auto index = static_cast<size_t>(found - names_.begin());
    if (values_[index] != nullptr) {
      fault("{} got the argument {} twice", name_, key);
    }
    values_[index] = &value;
  }
  for (size_t i = 0; i < num_required; ++i) {
    if (values_[i] == nullptr) {
      fault("{} needs the argument {}", name_, names_[i]);
    }
  }
}

const Value& Parameters::value(size_t index) const {
  if (!has(index)) {
    fault("{} needs the argument {}", name_, names_[index]);
  }
  return *values_[index];
}

Value Parameters::value_or(size_t index, const Value& fallback) const {
  return has(index) ? *values_[index] : fallback;
}

int64_t Parameters::integer(size_t index) const {
  const Value& number = value(index);
  if (!number.is_int()) {
    fault("{}: {} is {}, not an integer", name_, names_[index], number.type_name());
  }
  return number.as_int();
}

int64_t Parameters::integer_or(size_t index, int64_t fallback) const {
  return has(index) ? integer(index) : fallback;
}

bool Parameters::flag_or(size_t index, bool fallback) const {
  return has(index) ? is_true(*values_[index]) : fallback;
}

const std::string& Parameters::string(size_t index) const {
  const Value& text = value(index);
  if (!text.is_string()) {
    fault("{}: {} is {}, not a string", name_, names_[index], text.type_name());
  }
  return text.bytes();
}

std::string Parameters::string_or(size_t index, std::string_view fallback) const {
  return has(index) ? string(index) : std::string(fallback);
}

void expect_no_arguments(std::string_view name, const Arguments& arguments) {
  if (!arguments.positional.empty() || !arguments.named.empty()) {
    fault("{} takes no arguments", name);
  }
}

}  // namespace talon::text
