// One line, whatever is in the strings.
#include "server/api/json_text.h"

#include <gtest/gtest.h>

#include "base/json.h"

namespace talon::server {
namespace {

TEST(JsonTextTest, IsOneLineOfUtf8) {
  EXPECT_EQ(json_line({{"a", "x\ny\u00e9"}, {"b", "\xff"}}),
            "{\"a\":\"x\\ny\u00e9\",\"b\":\"\xEF\xBF\xBD\"}");
}

TEST(JsonTextTest, FramesEndWithAnEmptyLine) {
  EXPECT_EQ(data_frame({{"a", 1}}), "data: {\"a\":1}\n\n");
}

}  // namespace
}  // namespace talon::server
