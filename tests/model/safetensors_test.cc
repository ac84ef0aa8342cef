// Headers made by hand, one fault each. What the message must name is checked with the fault.
#include "model/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace talon {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

// A file in memory: the length, the header, then `num_data` bytes of data.
std::vector<std::byte> file_of(std::string_view header, size_t num_data) {
  std::vector<std::byte> bytes(8 + header.size() + num_data);
  const uint64_t length = header.size();
  std::memcpy(bytes.data(), &length, sizeof(length));
  std::memcpy(bytes.data() + 8, header.data(), header.size());
  return bytes;
}

std::vector<TensorEntry> parse(std::string_view header, size_t num_data) {
  const std::vector<std::byte> bytes = file_of(header, num_data);
  return parse_safetensors(bytes, std::ssize(bytes)).value();
}

std::string message_of(std::string_view header, size_t num_data) {
  const std::vector<std::byte> bytes = file_of(header, num_data);
  const auto result = parse_safetensors(bytes, std::ssize(bytes));
  return result.ok() ? "" : result.message();
}

std::string message_for_length(uint64_t length, size_t num_bytes) {
  std::vector<std::byte> bytes(num_bytes);
  std::memcpy(bytes.data(), &length, sizeof(length));
  return parse_safetensors(bytes, std::ssize(bytes)).message();
}

TEST(SafetensorsTest, ReadsDtypeShapeAndPlaceInTheFile) {
  const std::string header = R"({"a":{"dtype":"BF16","shape":[2,3],"data_offsets":[4,16]}})";

  const std::vector<TensorEntry> entries = parse(header, 16);

  ASSERT_EQ(entries.size(), 1U);
  EXPECT_EQ(entries[0].name, "a");
  EXPECT_EQ(entries[0].dtype, FileDType::kBf16);
  EXPECT_THAT(entries[0].shape, ElementsAre(2, 3));
  EXPECT_EQ(entries[0].begin, static_cast<int64_t>(8 + header.size() + 4));
  EXPECT_EQ(entries[0].end, static_cast<int64_t>(8 + header.size() + 16));
}

TEST(SafetensorsTest, MetadataIsNoTensor) {
  EXPECT_TRUE(parse(R"({"__metadata__":{"format":"pt"}})", 0).empty());
}

TEST(SafetensorsTest, TrailingSpacesOfTheHeaderArePadding) {
  EXPECT_EQ(parse(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}      )", 1).size(), 1U);
}

TEST(SafetensorsTest, AScalarHasOneElementAndAnEmptyTensorNone) {
  const auto entries = parse(R"({"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},)"
                             R"("b":{"dtype":"F32","shape":[0,7],"data_offsets":[4,4]}})",
                             4);

  EXPECT_EQ(entries[0].end - entries[0].begin, 4);
  EXPECT_EQ(entries[1].end - entries[1].begin, 0);
}

TEST(SafetensorsTest, EveryDtypeHasItsNameAndSize) {
  const std::vector<std::pair<std::string_view, int64_t>> expected = {
      {"F64", 8},     {"F32", 4}, {"F16", 2}, {"BF16", 2}, {"F8_E4M3", 1}, {"F8_E5M2", 1},
      {"F8_E8M0", 1}, {"I64", 8}, {"I32", 4}, {"I16", 2},  {"I8", 1},      {"U64", 8},
      {"U32", 4},     {"U16", 2}, {"U8", 1},  {"BOOL", 1}};
  for (size_t i = 0; i < expected.size(); ++i) {
    const auto dtype = static_cast<FileDType>(i);
    EXPECT_EQ(file_dtype_name(dtype), expected[i].first);
    EXPECT_EQ(file_dtype_bytes(dtype), expected[i].second);
  }
}

TEST(SafetensorsTest, RefusesAFileWithoutRoomForALength) {
  const std::vector<std::byte> bytes(7);

  EXPECT_EQ(parse_safetensors(bytes, 7).message(), "7 bytes are too few for a safetensors header");
}

TEST(SafetensorsTest, RefusesAnAbsurdHeaderLength) {
  EXPECT_THAT(message_for_length(~uint64_t{0}, 64),
              HasSubstr("header length 18446744073709551615 is over the limit"));
  EXPECT_THAT(message_for_length(static_cast<uint64_t>(kMaxHeaderBytes) + 1, 64),
              HasSubstr("is over the limit"));
}

TEST(SafetensorsTest, RefusesAHeaderLongerThanTheFile) {
  EXPECT_EQ(message_for_length(57, 64), "header length 57 is more than the file's 64 bytes hold");
}

TEST(SafetensorsTest, TakesAHeaderThatFillsTheFile) {
  EXPECT_THAT(message_for_length(56, 64), HasSubstr("header: malformed JSON"));
}

TEST(SafetensorsTest, RefusesAHeaderThatIsNoObject) {
  EXPECT_EQ(message_of("[]", 0), "header: not a JSON object");
}

TEST(SafetensorsTest, RefusesAnUnknownDtype) {
  EXPECT_EQ(message_of(R"({"w":{"dtype":"F4","shape":[2],"data_offsets":[0,1]}})", 1),
            R"(tensor "w": unknown dtype "F4")");
}

TEST(SafetensorsTest, RefusesATensorWithoutOffsets) {
  EXPECT_EQ(message_of(R"({"w":{"dtype":"U8","shape":[2]}})", 2),
            R"(tensor "w": not an object with dtype, shape and data_offsets)");
}

TEST(SafetensorsTest, RefusesARangePastTheEndOfTheFile) {
  EXPECT_THAT(message_of(R"({"w":{"dtype":"U8","shape":[9],"data_offsets":[0,9]}})", 8),
              AllOf(HasSubstr(R"(tensor "w")"), HasSubstr("the file is truncated")));
}

TEST(SafetensorsTest, RefusesARangeThatEndsBeforeItBegins) {
  EXPECT_THAT(message_of(R"({"w":{"dtype":"U8","shape":[0],"data_offsets":[2,1]}})", 8),
              HasSubstr("data_offsets [2, 1]"));
}

TEST(SafetensorsTest, RefusesARangeThatIsNotDtypeTimesShape) {
  EXPECT_EQ(message_of(R"({"w":{"dtype":"BF16","shape":[2,2],"data_offsets":[0,6]}})", 8),
            R"(tensor "w": data_offsets span 6 bytes, dtype and shape take 8)");
}

TEST(SafetensorsTest, RefusesANegativeSize) {
  EXPECT_EQ(message_of(R"({"w":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}})", 1),
            R"(tensor "w": shape has an entry that is not a size)");
}

TEST(SafetensorsTest, RefusesASizeThatIsNoInteger) {
  EXPECT_THAT(message_of(R"({"w":{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}})", 1),
              HasSubstr("not a size"));
}

TEST(SafetensorsTest, RefusesAShapeWhoseProductOverflows) {
  EXPECT_THAT(message_of(R"({"w":{"dtype":"U8","shape":[4294967296,4294967296],)"
                         R"("data_offsets":[0,0]}})",
                         0),
              HasSubstr("more elements than 63 bits count"));
}

TEST(SafetensorsTest, RefusesMoreDimensionsThanATensorHas) {
  EXPECT_THAT(message_of(R"({"w":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1],)"
                         R"("data_offsets":[0,1]}})",
                         1),
              HasSubstr("not a list of at most 8 sizes"));
}

TEST(SafetensorsTest, RefusesOverlappingRanges) {
  EXPECT_EQ(message_of(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
                       R"("b":{"dtype":"U8","shape":[4],"data_offsets":[3,7]}})",
                       8),
            R"(tensor "b": its bytes overlap those of "a")");
}

TEST(SafetensorsTest, RefusesANameThatStandsTwice) {
  EXPECT_THAT(message_of(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                         R"("a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
                         2),
              HasSubstr("stands twice"));
}

TEST(SafetensorsTest, MessagesStayOnOneLine) {
  EXPECT_EQ(message_of(R"({"a\nb":{"dtype":"x\ty","shape":[1],"data_offsets":[0,1]}})", 1),
            R"(tensor "a\x0ab": unknown dtype "x\x09y")");
  EXPECT_EQ(message_of(R"({"a\nb":0,"a\nb":0})", 0), R"(header: the key "a\x0ab" stands twice)");
}

}  // namespace
}  // namespace talon
