// The message of the Error that an expression throws; empty if it throws none. For tests of what a
// user would read.
#pragma once

#include <string>

#include "base/error.h"

namespace talon::test {

template <class Body>
std::string error_message(Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace talon::test
