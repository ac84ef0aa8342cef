// What a simulation found wrong, as an exception of test code, with its message.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace talon::test {

class Violation : public std::runtime_error {
 public:
  explicit Violation(const std::string& what) : std::runtime_error(what) {}
};

// Throws unless the condition holds. The message is made only then; its arguments are always
// evaluated.
template <class... Args>
void demand(bool condition, fmt::format_string<Args...> format, Args&&... args) {
  if (!condition) [[unlikely]] {
    throw Violation(fmt::format(format, std::forward<Args>(args)...));
  }
}

}  // namespace talon::test
