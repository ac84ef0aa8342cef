// The rules that hold for every field: null is absent, types are strict, the first fault stays.
#include "server/api/fields.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

namespace talon::server {
namespace {

class FieldsTest : public testing::Test {
 protected:
  Fields fields(const char* text, std::string path = "", bool is_strict = false) {
    object_ = parse_json(text).value();
    return Fields(object_, std::move(path), fault_, is_strict);
  }

  Json object_;
  std::optional<ApiError> fault_;
};

TEST_F(FieldsTest, NullLeavesTheDefault) {
  Fields reader = fields(R"({"a": null})");
  int32_t value = 7;

  reader.read("a", value, {.low = 0, .high = 1});
  reader.read("b", value, {.low = 0, .high = 1});

  EXPECT_EQ(value, 7);
  EXPECT_FALSE(reader.failed());
}

TEST_F(FieldsTest, IntegersCountAsRealsButNotTheOtherWayRound) {
  Fields reader = fields(R"({"a": 1, "b": 1.0})", "x[2]");
  float real = 0.0F;
  int64_t integer = 0;

  reader.read("a", real, {.low = 0.0, .high = 1.0});
  reader.read("b", integer, {.low = 0, .high = 9});

  EXPECT_EQ(real, 1.0F);
  ASSERT_TRUE(fault_.has_value());
  EXPECT_EQ(fault_->code, "invalid_type");
  EXPECT_EQ(fault_->param, "x[2].b");
}

TEST_F(FieldsTest, KeepsTheFirstFaultAndReadsNothingAfterIt) {
  Fields reader = fields(R"({"a": "x", "b": true, "c": "y"})");
  bool flag = false;
  std::string text;

  reader.read("a", flag);
  reader.read("b", text);
  reader.read("c", text);

  EXPECT_EQ(fault_->param, "a");
  EXPECT_EQ(text, "");
}

TEST_F(FieldsTest, ATinyPositiveRealStaysPositive) {
  Fields reader = fields(R"({"a": 1e-60})");
  float value = 1.0F;

  reader.read("a", value, {.low = 0.0, .high = 1.0, .low_is_excluded = true});

  EXPECT_GT(value, 0.0F);
  EXPECT_LT(value, 1e-30F);
}

TEST_F(FieldsTest, AStrictReaderNamesWhatNothingAskedFor) {
  for (const bool is_strict : {false, true}) {
    fault_.reset();
    Fields reader = fields(R"({"a": 1, "b": 2, "c": 3, "d": null})", "", is_strict);

    (void)reader.find("a");
    reader.ignore({"b"});
    reader.close();

    ASSERT_EQ(fault_.has_value(), is_strict);
  }
  EXPECT_EQ(fault_->param, "c");
  EXPECT_EQ(fault_->code, "unsupported_parameter");
}

TEST_F(FieldsTest, AnInnerReaderSharesFaultAndStrictness) {
  Fields reader = fields(R"({"a": {"b": 1, "c": 2}})", "x", true);

  Fields inner = reader.inner(*reader.find_object("a"), reader.path_of("a"));
  (void)inner.find("b");
  inner.close();

  EXPECT_TRUE(reader.failed());
  EXPECT_EQ(fault_->param, "x.a.c");
}

TEST(ReadBodyTest, TakesAnObjectOnly) {
  std::optional<ApiError> fault;

  EXPECT_FALSE(read_body("[1]", fault).has_value());
  EXPECT_EQ(fault->code, "invalid_json");
  EXPECT_TRUE(read_body("{}", fault).has_value());
}

}  // namespace
}  // namespace talon::server
