// Environment errors: a file is missing or malformed, memory is too small, a flag is wrong.
//
// Thrown at start-up and in control operations only, caught in `main`, which prints the one line
// and leaves with a code other than 0. Never thrown by ops, the scheduler or the step loop. The
// message names the file and the field at fault.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace talon {

enum class ErrorCode {
  kInvalidArgument,  // a flag or a setting of the caller
  kNotFound,         // a file or folder that is not there
  kCorruptFile,      // bytes that break their format
  kUnsupported,      // well formed, but nothing here implements it
  kOutOfMemory,
  kUnavailable,  // a device, port or peer
};

class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}

  ErrorCode code() const { return code_; }

 private:
  ErrorCode code_;
};

}  // namespace talon
