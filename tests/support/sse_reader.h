// Reads what the server writes as an event stream: checks that each frame is one line of data with
// an empty line after it, and gives their JSON; [DONE] must be the last if it is there.
#pragma once

#include <gtest/gtest.h>

#include <string_view>
#include <vector>

#include "base/json.h"

namespace talon::test {

inline std::vector<Json> read_frames(std::string_view stream) {
  constexpr std::string_view kStart = "data: ";
  std::vector<Json> frames;
  while (!stream.empty()) {
    const size_t end = stream.find("\n\n");
    if (end == std::string_view::npos || !stream.starts_with(kStart)) {
      ADD_FAILURE() << "no frame: " << stream;
      break;
    }
    const std::string_view data = stream.substr(kStart.size(), end - kStart.size());
    stream.remove_prefix(end + 2);
    if (data == "[DONE]") {
      EXPECT_EQ(stream, "") << "after the end";
      break;
    }
    EXPECT_EQ(data.find('\n'), std::string_view::npos);
    frames.push_back(parse_json(data).value());
  }
  return frames;
}

}  // namespace talon::test
