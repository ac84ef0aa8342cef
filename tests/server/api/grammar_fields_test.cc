// Every way to constrain an answer, and what is refused.
#include "server/api/grammar_fields.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "support/api_fixture.h"

namespace talon::server {
namespace {

using text::GrammarKind;

struct Outcome {
  std::optional<text::GrammarSource> source;
  std::optional<ApiError> fault;
};

Outcome read(const std::string& body, bool has_grammars = true) {
  const Json object = parse_json(body).value();
  ApiContext context = test::api_context();
  context.has_grammars = has_grammars;
  Outcome out;
  Fields fields(object, "", out.fault);
  out.source = read_grammar(fields, context);
  return out;
}

struct GoodCase {
  std::string body;
  GrammarKind kind;
  std::string text;
};

TEST(GrammarFieldsTest, MapsEveryFormToASource) {
  const GoodCase cases[] = {
      {R"({"response_format": {"type": "json_object"}})", GrammarKind::kJson, ""},
      {R"({"response_format": {"type": "json_schema", "json_schema":
          {"name": "n", "schema": {"type": "object"}}}})",
       GrammarKind::kJsonSchema, R"({"type":"object"})"},
      {R"({"guided_json": {"type": "array"}})", GrammarKind::kJsonSchema, R"({"type":"array"})"},
      {R"({"guided_json": "{\"type\": \"array\"}"})", GrammarKind::kJsonSchema,
       R"({"type": "array"})"},
      {R"({"guided_regex": "a+"})", GrammarKind::kRegex, "a+"},
      {R"({"guided_grammar": "root ::= \"x\""})", GrammarKind::kEbnf, "root ::= \"x\""},
      {R"({"structured_outputs": {"regex": "b"}})", GrammarKind::kRegex, "b"},
      {R"({"structured_outputs": {"json_object": true}})", GrammarKind::kJson, ""},
  };
  for (const GoodCase& one : cases) {
    const Outcome out = read(one.body);
    ASSERT_TRUE(out.source.has_value()) << one.body;
    EXPECT_EQ(out.source->kind, one.kind) << one.body;
    EXPECT_EQ(out.source->text, one.text);
  }
}

TEST(GrammarFieldsTest, TakesChoices) {
  const Outcome out = read(R"({"structured_outputs": {"choice": ["yes", "no"]}})");

  ASSERT_TRUE(out.source.has_value());
  EXPECT_EQ(out.source->choices, (std::vector<std::string>{"yes", "no"}));
}

TEST(GrammarFieldsTest, AFreeAnswerNeedsNoGrammar) {
  const Outcome out = read(R"({"response_format": {"type": "text"}})", false);

  EXPECT_FALSE(out.source.has_value());
  EXPECT_FALSE(out.fault.has_value());
}

TEST(GrammarFieldsTest, WithoutTheBuildOptionNamesIt) {
  const Outcome out = read(R"({"response_format": {"type": "json_object"}})", false);

  ASSERT_TRUE(out.fault.has_value());
  EXPECT_EQ(out.fault->code, "unsupported_parameter");
  EXPECT_NE(out.fault->message.find("TALON_XGRAMMAR"), std::string::npos);
}

struct BadCase {
  std::string body;
  std::string code;
  std::string param;
};

TEST(GrammarFieldsTest, RefusesWithTheField) {
  const BadCase cases[] = {
      {R"({"response_format": "json"})", "invalid_type", "response_format"},
      {R"({"response_format": {}})", "missing_field", "response_format.type"},
      {R"({"response_format": {"type": "xml"}})", "invalid_value", "response_format.type"},
      {R"({"response_format": {"type": 5}})", "invalid_type", "response_format.type"},
      {R"({"response_format": {"type": "json_schema"}})", "missing_field",
       "response_format.json_schema"},
      {R"({"response_format": {"type": "json_schema", "json_schema": {"name": "n"}}})",
       "missing_field", "response_format.json_schema.schema"},
      {R"({"response_format": {"type": "json_schema", "json_schema": {"schema": 5}}})",
       "invalid_type", "response_format.json_schema.schema"},
      {R"({"guided_regex": 5})", "invalid_type", "guided_regex"},
      {R"({"guided_choice": []})", "invalid_value", "guided_choice"},
      {R"({"guided_choice": ["a", 5]})", "invalid_type", "guided_choice[1]"},
      {R"({"guided_regex": "a", "guided_choice": ["b"]})", "invalid_value", "guided_choice"},
      {R"({"response_format": {"type": "json_object"}, "structured_outputs": {"regex": "a"}})",
       "invalid_value", "structured_outputs.regex"},
      {R"({"structured_outputs": {"structural_tag": {}}})", "unsupported_parameter",
       "structured_outputs.structural_tag"},
  };
  for (const BadCase& one : cases) {
    const Outcome out = read(one.body);
    ASSERT_TRUE(out.fault.has_value()) << one.body;
    EXPECT_EQ(out.fault->code, one.code) << out.fault->message;
    EXPECT_EQ(out.fault->param, one.param) << out.fault->message;
  }
}

}  // namespace
}  // namespace talon::server
