// The tool-call parser on wire forms written by hand, each fed whole, in single characters and cut
// at every place: what comes out must be the same. In the texts '~' stands for the marker token.
//
// Covers: text/tool_schema text/tool_argument text/tool_tags
#include "text/tool_call_parser.h"

#include <gtest/gtest.h>

#include "base/json.h"
#include "text/jinja/json_value.h"

namespace talon::text {
namespace {

constexpr TokenId kMarker{900};
constexpr TokenId kOpen{901};
constexpr TokenId kClose{902};
constexpr TokenId kText{1};

constexpr const char* kTools = R"([
  {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {
    "s": {"type": "string"}, "t": {"type": "string"}, "i": {"type": "integer"},
    "n": {"type": "number"}, "b": {"type": "boolean"}, "o": {"type": "object", "properties": {
      "k": {"type": "integer"}, "z": {"type": "string"}}},
    "a": {"type": "array", "items": {"type": "integer"}}, "as": {"type": "array"},
    "u": {"type": ["string", "null"]}, "any": {},
    "e": {"enum": ["red", "green"]}, "x": {"anyOf": [{"type": "integer"}, {"type": "null"}]}}}}},
  {"name": "bare", "parameters": {"properties": {"i": {"type": "integer"}}}}])";

struct Token {
  TokenId id;
  std::string text;
};

std::vector<Token> tokens_of(std::string_view wire) {
  std::vector<Token> tokens;
  std::string text;
  const auto flush = [&] {
    if (!text.empty()) {
      tokens.push_back({kText, std::exchange(text, {})});
    }
  };
  while (!wire.empty()) {
    size_t size = 1;
    if (wire[0] == '~') {
      flush();
      tokens.push_back({kMarker, "]<]minimax[>["});
    } else if (wire.starts_with("<tool_call>")) {
      flush();
      size = 11;
      tokens.push_back({kOpen, "<tool_call>"});
    } else if (wire.starts_with("</tool_call>")) {
      flush();
      size = 12;
      tokens.push_back({kClose, "</tool_call>"});
    } else {
      text += wire[0];
    }
    wire.remove_prefix(size);
  }
  flush();
  return tokens;
}

// Content in the first line, then a line "name arguments" for each call.
class Collector {
 public:
  void add(const ToolCallOutput& output) {
    content_ += output.content;
    for (const ToolCallDelta& delta : output.calls) {
      const auto index = static_cast<size_t>(delta.index);
      if (!delta.name.empty()) {
        EXPECT_EQ(index, names_.size()) << "the name is there once, in order";
        names_.push_back(delta.name);
        arguments_.emplace_back();
      }
      arguments_.at(index) += delta.arguments;
    }
  }

  std::string text() const {
    std::string out = content_;
    for (size_t i = 0; i < names_.size(); ++i) {
      EXPECT_TRUE(parse_json(arguments_[i]).ok()) << arguments_[i];
      out += "\n" + names_[i] + " " + arguments_[i];
    }
    return out;
  }

 private:
  std::string content_;
  std::vector<std::string> names_;
  std::vector<std::string> arguments_;
};

std::string parse(const std::vector<Token>& tokens, bool may_be_spelled = false) {
  ToolCallParser parser(
      {.marker = kMarker, .open = kOpen, .close = kClose, .may_be_spelled = may_be_spelled},
      ToolSchemas(value_of_json(parse_json(kTools).value())));
  Collector collector;
  for (const Token& token : tokens) {
    collector.add(parser.push(token.id, token.text));
  }
  collector.add(parser.finish());
  return collector.text();
}

// The tokens with the text token that holds character `cut` of all text cut there.
std::vector<Token> cut_at(const std::vector<Token>& tokens, size_t cut) {
  std::vector<Token> out;
  for (const Token& token : tokens) {
    if (token.id == kText && cut > 0 && cut < token.text.size()) {
      out.push_back({kText, token.text.substr(0, cut)});
      out.push_back({kText, token.text.substr(cut)});
    } else {
      out.push_back(token);
    }
    const size_t size = token.id == kText ? token.text.size() : 0;
    cut = cut > size ? cut - size : 0;
  }
  return out;
}

std::vector<Token> in_bytes(const std::vector<Token>& tokens) {
  std::vector<Token> out;
  for (const Token& token : tokens) {
    if (token.id != kText) {
      out.push_back(token);
      continue;
    }
    for (const char c : token.text) {
      out.push_back({kText, std::string(1, c)});
    }
  }
  return out;
}

std::string parse_all_ways(const std::string& wire) {
  const std::vector<Token> tokens = tokens_of(wire);
  const std::string whole = parse(tokens);
  EXPECT_EQ(parse(in_bytes(tokens)), whole) << wire;
  for (size_t cut = 1; cut < wire.size(); ++cut) {
    EXPECT_EQ(parse(cut_at(tokens, cut)), whole) << wire << " cut at " << cut;
  }
  return whole;
}

// All as text, but for what comes before byte `begin`.
std::vector<Token> spelled_from(const std::vector<Token>& tokens, size_t begin) {
  std::vector<Token> out;
  std::string text;
  size_t at = 0;
  for (const Token& token : tokens) {
    if (at < begin) {
      out.push_back(token);
    } else {
      text += token.text;
    }
    at += token.text.size();
  }
  out.push_back({kText, text});
  return out;
}

struct Case {
  const char* wire;
  const char* expected;
};

void expect_all(const std::vector<Case>& cases) {
  for (const Case& one : cases) {
    EXPECT_EQ(parse_all_ways(one.wire), one.expected) << one.wire;
  }
}

// One call of f with this body.
std::string call(const std::string& body) {
  return "~<tool_call>\n~<invoke name=\"f\">" + body + "~</invoke>\n~</tool_call>";
}

void expect_arguments(const std::vector<Case>& cases) {
  for (const Case& one : cases) {
    EXPECT_EQ(parse_all_ways(call(one.wire)), "\nf " + std::string(one.expected)) << one.wire;
  }
}

TEST(ToolCallParserTest, PassesContentThrough) {
  expect_all({
      {"", ""},
      {"Hello ] <x> [", "Hello ] <x> ["},
      {"a<tool_call> is a tag", "a<tool_call> is a tag"},
      {"a</tool_call>b", "a</tool_call>b"},
      {"a~b~", "ab"},
      {"<invoke name=\"f\">", "<invoke name=\"f\">"},
      {"a~</tool_call>b", "ab"},
  });
}

TEST(ToolCallParserTest, ReadsCallsAfterContent) {
  expect_all({
      {"Hi~<tool_call>\n~<invoke name=\"f\">~<s>a b\n~</s>~<i>3~</i>~</invoke>\n~</tool_call>",
       "Hi\nf {\"s\": \"a b\\n\", \"i\": 3}"},
      {"~<tool_call>~<invoke name=\"f\">~</invoke>~<invoke name='g.h-1'>~<q>1~</q>~</invoke>"
       "~</tool_call>dropped",
       "\nf {}\ng.h-1 {\"q\": 1}"},
      {"~<tool_call>~<invoke name=bare>~<i>1~</i>~</invoke>~</tool_call>", "\nbare {\"i\": 1}"},
      {"~<tool_call>\n", ""},
      {"~<tool_call>~</tool_call>", ""},
      {"~<tool_call>noise~</tool_call>", ""},
  });
}

TEST(ToolCallParserTest, TypesValuesByTheSchema) {
  expect_arguments({
      {"~<s>12~</s>", "{\"s\": \"12\"}"},
      {"~<s>~</s>", "{\"s\": \"\"}"},
      {"~<s>\"q\" \\ \t~</s>", "{\"s\": \"\\\"q\\\" \\\\ \\t\"}"},
      {"~<i> 7 ~</i>", "{\"i\": 7}"},
      {"~<i>7.0~</i>", "{\"i\": 7}"},
      {"~<i>123456789012345678901234567890~</i>", "{\"i\": \"123456789012345678901234567890\"}"},
      {"~<i>seven~</i>", "{\"i\": \"seven\"}"},
      {"~<n>1.50~</n>", "{\"n\": 1.50}"},
      {"~<n>-3~</n>", "{\"n\": -3}"},
      {"~<b>True~</b>", "{\"b\": true}"},
      {"~<b>maybe~</b>", "{\"b\": \"maybe\"}"},
      {"~<u>null~</u>", "{\"u\": null}"},
      {"~<u>text~</u>", "{\"u\": \"text\"}"},
      {"~<x>null~</x>", "{\"x\": null}"},
      {"~<x>4~</x>", "{\"x\": 4}"},
      {"~<e>red~</e>", "{\"e\": \"red\"}"},
      {"~<any>1~</any>", "{\"any\": 1}"},
      {"~<any>one~</any>", "{\"any\": \"one\"}"},
      {"~<any>[1, {\"a\": null}]~</any>", "{\"any\": [1,{\"a\":null}]}"},
      {"~<undeclared>true~</undeclared>", "{\"undeclared\": true}"},
  });
}

TEST(ToolCallParserTest, BuildsListsAndObjectsFromElements) {
  expect_arguments({
      {"~<a>~<item>1~</item>~<item>2~</item>~</a>", "{\"a\": [1, 2]}"},
      {"~<a>~<x>1~</x>~<y>2~</y>~</a>", "{\"a\": [1, 2]}"},
      {"~<a>[1,2]~</a>", "{\"a\": [1,2]}"},
      {"~<a>~</a>", "{\"a\": []}"},
      {"~<o>~<k>1~</k>~<z>2~</z>~<w>3~</w>~</o>", "{\"o\": {\"k\": 1, \"z\": \"2\", \"w\": 3}}"},
      {"~<o>{\"k\": 1}~</o>", "{\"o\": {\"k\":1}}"},
      {"~<o>~</o>", "{\"o\": {}}"},
      {"~<o>~<q>1~</q>~<q>2~</q>~</o>", "{\"o\": {\"q\": [1, 2]}}"},
      {"~<o> t ~<k>1~</k>~</o>", "{\"o\": {\"k\": 1, \"$text\": \" t \"}}"},
      {"~<any>~<item>a~</item>~<item>b~</item>~</any>", "{\"any\": [\"a\", \"b\"]}"},
      {"~<any>~<k>~<item>1~</item>~</k>~</any>", "{\"any\": {\"k\": [1]}}"},
      {"~<o>~<o>~<k>1~</k>~</o>~</o>", "{\"o\": {\"o\": {\"k\": 1}}}"},
  });
}

TEST(ToolCallParserTest, KeepsTextThatLooksLikeTags) {
  expect_arguments({
      {"~<s><b>x</b>~</s>", "{\"s\": \"<b>x</b>\"}"},
      {"~<s>a </s> b~</s>", "{\"s\": \"a </s> b\"}"},
      {"~<s>a</s>~</s>", "{\"s\": \"a</s>\"}"},
      {"~<s>~<q>1~</q>~</s>", "{\"s\": \"<q>1</q>\"}"},
      {"~<s></invoke>~</s>", "{\"s\": \"</invoke>\"}"},
      {"~<s><tool_call>x</tool_call>~</s>", "{\"s\": \"<tool_call>x</tool_call>\"}"},
      {"~<s>1 < 2 <~</s>", "{\"s\": \"1 < 2 <\"}"},
      {"~<any><b>~</any>", "{\"any\": \"<b>\"}"},
  });
}

TEST(ToolCallParserTest, ToleratesMissingMarkers) {
  expect_all({
      {"<tool_call>\n<invoke name=\"f\"><s>a</s><i>1</i></invoke></tool_call>",
       "\nf {\"s\": \"a\", \"i\": 1}"},
      {"x<tool_call>~<invoke name=\"f\"><i>1</i></invoke>~</tool_call>", "x\nf {\"i\": 1}"},
      {"~<invoke name=\"f\">~<i>1~</i>~</invoke>", "\nf {\"i\": 1}"},
      {"<tool_call><invoke name=\"f\"><o><k>1</k></o></invoke></tool_call>",
       "\nf {\"o\": {\"k\": 1}}"},
      {"<tool_call><invoke name=\"f\"><o>{\"k\": \"<b>\"}</o></invoke></tool_call>",
       "\nf {\"o\": {\"k\":\"<b>\"}}"},
      {"<tool_call><invoke name=\"f\"><a><item>1</item></a></invoke></tool_call>",
       "\nf {\"a\": [1]}"},
  });
  expect_arguments({
      {"~<s>a</s>~<i>1</i>", "{\"s\": \"a\", \"i\": 1}"},
      {"<s>a</s>~<i>1~</i>", "{\"s\": \"a\", \"i\": 1}"},
      {"~<s>a</s>\n", "{\"s\": \"a\"}"},
  });
}

TEST(ToolCallParserTest, ToleratesMissingTags) {
  expect_all({
      {"~<tool_call>~<invoke name=\"f\">~<i>1~</i>~</tool_call>", "\nf {\"i\": 1}"},
      {"~<tool_call>~<invoke name=\"f\">~<i>1~</i>~<invoke name=\"g\">~</invoke>~</tool_call>",
       "\nf {\"i\": 1}\ng {}"},
      {"~<tool_call>~<invoke name=\"f\">~<s>a~</invoke>~</tool_call>", "\nf {\"s\": \"a\"}"},
      {"~<tool_call>~<invoke name=\"f\">~<s>a~<i>1~</i>~</invoke>~</tool_call>",
       "\nf {\"s\": \"a\", \"i\": 1}"},
      {"~<tool_call>~<invoke name=\"f\">~</x>~~<i>1~</i>~</invoke>~</tool_call>", "\nf {\"i\": 1}"},
  });
}

TEST(ToolCallParserTest, EndsParametersAtOrdinaryText) {
  expect_arguments({
      {"~<i>1~</i> and ~<n>2~</n>", "{\"i\": 1}"},
      {"~<i>1~</i>~<i>2~</i>", "{\"i\": 1}"},
      {"~<s>a~</s>~<s>b~</s>~<i>2~</i>", "{\"s\": \"a\", \"i\": 2}"},
  });
}

TEST(ToolCallParserTest, CompletesArgumentsWhereTheOutputEnds) {
  expect_all({
      {"~<tool_call>~<invoke name=\"f\">", "\nf {}"},
      {"~<tool_call>~<invoke name=\"f\">~<s>half", "\nf {\"s\": \"half\"}"},
      {"~<tool_call>~<invoke name=\"f\">~<s>half~</", "\nf {\"s\": \"half</\"}"},
      {"~<tool_call>~<invoke name=\"f\">~<i>1", "\nf {\"i\": 1}"},
      {"~<tool_call>~<invoke name=\"f\">~<a>~<item>1", "\nf {\"a\": [1]}"},
      {"~<tool_call>~<invoke name=\"f", ""},
      {"~<tool_call>~<invoke name=\"f\">~<i", "\nf {}"},
  });
}

TEST(ToolCallParserTest, StreamsNamesEarlyAndTextsAsTheyGrow) {
  ToolCallParser parser({.marker = kMarker, .open = kOpen, .close = kClose},
                        ToolSchemas(value_of_json(parse_json(kTools).value())));
  const auto push = [&](const char* text) { return parser.push(kText, text); };
  parser.push(kMarker, "]<]minimax[>[");
  parser.push(kOpen, "<tool_call>");
  parser.push(kMarker, "]<]minimax[>[");

  const ToolCallOutput named = push("<invoke name=\"f\">");
  ASSERT_EQ(named.calls.size(), 1u);
  EXPECT_EQ(named.calls[0].name, "f");
  EXPECT_TRUE(parser.in_call());

  parser.push(kMarker, "]<]minimax[>[");
  EXPECT_EQ(push("<s>one").calls[0].arguments, "{\"s\": \"one");
  EXPECT_EQ(push(" two").calls[0].arguments, " two");
  parser.push(kMarker, "]<]minimax[>[");
  EXPECT_EQ(push("</s>").calls[0].arguments, "\"");
  EXPECT_EQ(parser.finish().calls[0].arguments, "}");
  EXPECT_TRUE(parser.is_truncated());
}

TEST(ToolCallParserTest, GoesByIdsNotByText) {
  EXPECT_EQ(parse({{kText, "]<]minimax[>[<tool_call>]<]minimax[>[<invoke name=\"f\">"}}),
            "]<]minimax[>[<tool_call>]<]minimax[>[<invoke name=\"f\">");
}

TEST(ToolCallParserTest, AMarkerInLettersCountsWhereItMay) {
  const std::vector<Token> tokens =
      tokens_of("a ]<]mini] " + call("~<s>x ]<]y~</s>~<i>4~</i>") + "b]<");
  const std::string expected = parse(tokens);
  size_t num_bytes = 0;
  for (const Token& token : tokens) {
    num_bytes += token.text.size();
  }

  for (size_t begin = 0; begin < num_bytes; ++begin) {
    const std::vector<Token> spelled = spelled_from(tokens, begin);
    EXPECT_EQ(parse(spelled, true), expected) << begin;
    EXPECT_EQ(parse(in_bytes(spelled), true), expected) << begin;
  }
  EXPECT_EQ(parse(tokens, true), expected);
  EXPECT_NE(parse(spelled_from(tokens, 0)), expected) << "elsewhere it is text";
}

}  // namespace
}  // namespace talon::text
