// Arguments of a call, and how a builtin reads them: by position or by name, as in Python.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/jinja/value.h"

namespace talon::text {

struct Arguments {
  Items positional = {};
  std::vector<std::pair<std::string, Value>> named = {};

  const Value* find(std::string_view name) const;
};

// Matches arguments with the names of parameters. A fault for one too many, one that is missing,
// given twice or unknown, and for one of the wrong type when it is read. It keeps views of `name`
// and of the arguments.
class Parameters {
 public:
  // The first `num_required` must be given.
  Parameters(std::string_view name,
             const Arguments& arguments,
             std::initializer_list<std::string_view> names,
             size_t num_required = 0);

  bool has(size_t index) const { return values_[index] != nullptr; }
  // None counts as absent.
  bool given(size_t index) const { return has(index) && !values_[index]->is_none(); }
  const Value& value(size_t index) const;
  Value value_or(size_t index, const Value& fallback) const;
  int64_t integer(size_t index) const;
  int64_t integer_or(size_t index, int64_t fallback) const;
  // By truth, as Python reads a flag.
  bool flag_or(size_t index, bool fallback) const;
  const std::string& string(size_t index) const;
  std::string string_or(size_t index, std::string_view fallback) const;

 private:
  std::string_view name_;
  std::vector<std::string_view> names_;
  std::vector<const Value*> values_;
};

// For a function that takes nothing.
void expect_no_arguments(std::string_view name, const Arguments& arguments);

}  // namespace talon::text
