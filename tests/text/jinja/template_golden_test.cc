// The template engine against the PyPI package `jinja2`: the files of tests/golden/jinja, written
// by tools/make_jinja_goldens.py, hold templates with the package's text, or null for an error.
//
// Covers: text/jinja/template text/jinja/lexer text/jinja/literal text/jinja/token_stream
// Covers: text/jinja/parser text/jinja/expression_parser text/jinja/postfix_parser
// Covers: text/jinja/interpreter text/jinja/expressions text/jinja/loop text/jinja/macro
// Covers: text/jinja/value text/jinja/object text/jinja/truth text/jinja/print
// Covers: text/jinja/arithmetic text/jinja/attribute text/jinja/attribute_path text/jinja/length
// Covers: text/jinja/arguments text/jinja/filters text/jinja/text_filters
// Covers: text/jinja/number_filters text/jinja/sequence_filters text/jinja/select_filters
// Covers: text/jinja/order_filters text/jinja/predicates text/jinja/globals text/jinja/methods
// Covers: text/jinja/string_case text/jinja/string_search text/jinja/string_split
// Covers: text/jinja/string_class text/jinja/split_lines text/jinja/replace text/jinja/escape
// Covers: text/jinja/printf text/jinja/format_spec text/jinja/number_format text/jinja/json_text
// Covers: text/jinja/json_value text/special_casing
#include <gtest/gtest.h>

#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/json.h"
#include "text/chat_template.h"
#include "text/jinja/json_value.h"
#include "text/jinja/template.h"

namespace talon::text {
namespace {

const std::filesystem::path kSource = TALON_SOURCE_DIR;
const std::filesystem::path kGolden = kSource / "tests" / "golden" / "jinja";

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

Json parse_text(const std::string& text) {
  Result<Json> parsed = parse_json(text);
  EXPECT_TRUE(parsed.ok()) << text.substr(0, 200);
  return parsed.ok() ? std::move(parsed).value() : Json();
}

std::vector<Json> read_cases(const std::string& name) {
  std::ifstream file(kGolden / name);
  std::vector<Json> lines;
  std::string line;
  std::getline(file, line);  // the package's version
  while (std::getline(file, line)) {
    lines.push_back(parse_text(line));
  }
  return lines;
}

// Saturday, 7 March 2026, 09:05:03: what the maker has.
std::tm golden_time() {
  std::tm now = {};
  now.tm_year = 126;
  now.tm_mon = 2;
  now.tm_mday = 7;
  now.tm_hour = 9;
  now.tm_min = 5;
  now.tm_sec = 3;
  now.tm_wday = 6;
  now.tm_yday = 65;
  return now;
}

Result<std::string> render(const std::string& source, const Dict& variables) {
  const Result<Template> parsed = Template::parse("case", source);
  if (!parsed.ok()) {
    return Failure{parsed.message()};
  }
  return parsed.value().render(variables, {.limits = {}, .now = golden_time()});
}

void expect_same(const Json& expected, const Result<std::string>& result, const std::string& what) {
  if (expected.is_null()) {
    EXPECT_FALSE(result.ok()) << what << "\n gave " << result.value();
  } else if (!result.ok()) {
    ADD_FAILURE() << what << "\n failed: " << result.message() << "\n instead of " << expected;
  } else {
    EXPECT_EQ(result.value(), expected.get<std::string>()) << what;
  }
}

void check_templates(const std::string& name,
                     const std::string& before,
                     const std::string& after,
                     size_t min_cases) {
  const Value context = value_of_json(parse_text(read_file(kGolden / "context.json")));
  const std::vector<Json> cases = read_cases(name);

  for (const Json& line : cases) {
    const auto source = line[0].get<std::string>();
    expect_same(line[1], render(before + source + after, context.as_dict()), source);
  }

  EXPECT_GE(cases.size(), min_cases);
}

TEST(TemplateGoldenTest, ExpressionsEqualThePackage) {
  check_templates("expressions.jsonl", "{{ ", " }}", 1000);
}

TEST(TemplateGoldenTest, StatementsEqualThePackage) {
  check_templates("statements.jsonl", "", "", 230);
}

ChatTemplate load_chat_template(const std::string& stem) {
  const bool is_ours = stem == "chat_template";
  const std::filesystem::path path =
      (is_ours ? kSource / "models" / "talon-tiny" : kGolden / "templates") / (stem + ".jinja");
  const std::string source = read_file(path);
  const std::string config = R"({"bos_token": "<bos>", "eos_token": {"content": "<eos>"}})";
  Result<ChatTemplate> parsed =
      ChatTemplate::parse({.chat_template = source, .tokenizer_config = config});
  EXPECT_TRUE(parsed.ok()) << stem << ": " << parsed.message();
  return std::move(parsed).value();
}

ChatInput input_of(const Json& data, const Json& line) {
  Json setting = data["settings"][line[2].get<size_t>()];
  ChatInput input;
  input.now = golden_time();
  input.messages = value_of_json(data["conversations"][line[1].get<std::string>()]);
  input.continue_final_message = line[3].get<bool>();
  input.add_generation_prompt =
      setting.value("add_generation_prompt", false) && !input.continue_final_message;
  input.tools = setting.contains("tools") ? value_of_json(data["tools"]) : Value::none();
  setting.erase("tools");
  setting.erase("add_generation_prompt");
  input.variables = value_of_json(setting).as_dict();
  return input;
}

TEST(TemplateGoldenTest, ChatTemplatesEqualThePackage) {
  const Json data = parse_text(read_file(kGolden / "conversations.json"));
  const std::vector<Json> cases = read_cases("chat.jsonl");
  std::string stem;
  std::optional<ChatTemplate> chat;

  for (const Json& line : cases) {
    if (line[0].get<std::string>() != stem) {
      stem = line[0].get<std::string>();
      chat = load_chat_template(stem);
    }
    expect_same(line[4], chat->render(input_of(data, line)), line.dump().substr(0, 100));
  }

  EXPECT_GE(cases.size(), 370u);
}

}  // namespace
}  // namespace talon::text
