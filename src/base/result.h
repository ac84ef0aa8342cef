// A value or a message: the return type of parsers of untrusted input.
//
// Result<T> holds either a T or a non-empty message that says what is wrong and where in the
// input. `value()` on a failure is a programmer error. Copyable if T is.
#pragma once

#include <string>
#include <utility>
#include <variant>

#include "base/check.h"

namespace talon {

struct Failure {
  std::string message;
};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}            // NOLINT(google-explicit-constructor)
  Result(Failure failure) : state_(std::move(failure)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return state_.index() == 0; }

  const T& value() const& {
    TALON_CHECK(ok(), "{}", message());
    return std::get<0>(state_);
  }
  T&& value() && {
    TALON_CHECK(ok(), "{}", message());
    return std::get<0>(std::move(state_));
  }
  const std::string& message() const { return std::get<1>(state_).message; }

 private:
  std::variant<T, Failure> state_;
};

}  // namespace talon
