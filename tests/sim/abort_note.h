// While one lives, a failed check, which aborts, also says how to come back to it. One at a time;
// test programs only.
#pragma once

#include <string_view>

namespace talon::test {

class AbortNote {
 public:
  // What is longer than a line of the terminal is cut.
  explicit AbortNote(std::string_view text);
  ~AbortNote();
  AbortNote(const AbortNote&) = delete;
  AbortNote& operator=(const AbortNote&) = delete;
};

}  // namespace talon::test
