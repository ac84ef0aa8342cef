// Chat templates as files of a model folder: where they are found, what they are given, and the
// limits of the engine. What they render to is compared with jinja2 in jinja/template_golden_test.
#include "text/chat_template.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "text/jinja/json_value.h"

namespace talon::text {
namespace {

const std::filesystem::path kModel =
    std::filesystem::path(TALON_SOURCE_DIR) / "models" / "talon-tiny";

Value value_of(const std::string& json) { return value_of_json(parse_json(json).value()); }

ChatInput hello() {
  ChatInput input;
  input.messages = value_of(R"([{"role": "user", "content": "Hi"}])");
  return input;
}

ChatTemplate parse(const std::string& source, const std::string& config = "") {
  return ChatTemplate::parse({.chat_template = source, .tokenizer_config = config}).value();
}

TEST(ChatTemplateTest, LoadsTheModelsOwn) {
  const ChatTemplate chat = ChatTemplate::load(kModel);

  EXPECT_EQ(chat.render(hello()).value(), "]~!b[]~b]user\nHi[e~[\n]~b]ai\n");
  EXPECT_TRUE(chat.mentions("thinking_mode"));
  EXPECT_FALSE(chat.mentions("enable_thinking"));
}

TEST(ChatTemplateTest, GivesTheRequestsSwitchesToTheTemplate) {
  const ChatTemplate chat = ChatTemplate::load(kModel);
  ChatInput input = hello();

  input.variables.set("thinking_mode", Value::string("enabled"));
  EXPECT_TRUE(chat.render(input).value().ends_with("]~b]ai\n<mm:think>"));
  input.variables.set("thinking_mode", Value::string("disabled"));
  EXPECT_TRUE(chat.render(input).value().ends_with("]~b]ai\n</mm:think>"));
}

TEST(ChatTemplateTest, KeepsTheKeyOrderOfToolSchemas) {
  const ChatTemplate chat = ChatTemplate::load(kModel);
  ChatInput input = hello();
  input.tools = value_of(
      R"([{"type": "function", "function": {"name": "f", "z": 1, "a": {"y": 2, "b": "\u00e9"}}}])");

  EXPECT_NE(chat.render(input).value().find(
                "<tool>{\"name\": \"f\", \"z\": 1, \"a\": {\"y\": 2, \"b\": \"\u00e9\"}}</tool>"),
            std::string::npos);
}

TEST(ChatTemplateTest, FailsWhereThereIsNone) {
  EXPECT_THROW(ChatTemplate::load("/nonexistent"), Error);
  EXPECT_FALSE(ChatTemplate::parse({.tokenizer_config = "{}"}).ok());
  EXPECT_FALSE(ChatTemplate::parse({.tokenizer_config = "{"}).ok());
}

TEST(ChatTemplateTest, PrefersTheFileToTheField) {
  const std::string config = R"({"chat_template": "field", "eos_token": "<e>",
      "model_max_length": 1000000000000000019884624838656})";

  EXPECT_EQ(parse("file {{ eos_token }}", config).render(hello()).value(), "file <e>");
  EXPECT_EQ(parse("", config).render(hello()).value(), "field");
}

TEST(ChatTemplateTest, PicksOfNamedTemplatesTheOneForTools) {
  const ChatTemplate chat = parse("", R"({"chat_template": [
      {"name": "default", "template": "plain"}, {"name": "tool_use", "template": "tools"}]})");
  ChatInput input = hello();

  EXPECT_EQ(chat.render(input).value(), "plain");
  input.tools = Value::list({});
  EXPECT_EQ(chat.render(input).value(), "tools");
}

TEST(ChatTemplateTest, RefusesSwitchesThatHideTheConversation) {
  ChatInput input = hello();
  input.variables.set("messages", Value::none());

  EXPECT_FALSE(parse("{{ messages }}").render(input).ok());
}

TEST(ChatTemplateTest, RefusesToContinueAndToPromptAtOnce) {
  ChatInput input = hello();
  input.continue_final_message = true;

  EXPECT_FALSE(parse("x").render(input).ok());
}

TEST(ChatTemplateTest, NamesFileAndLineOfAFault) {
  const Result<std::string> thrown =
      parse("a\n{{ raise_exception('roles must alternate') }}").render(hello());
  EXPECT_EQ(thrown.message(), "chat_template.jinja:2: roles must alternate");

  const Result<ChatTemplate> malformed = ChatTemplate::parse({.chat_template = "\n\n{% if %}"});
  EXPECT_TRUE(malformed.message().starts_with("chat_template.jinja:3: ")) << malformed.message();
}

struct LimitCase {
  const char* source;
  const char* message;
};

TEST(ChatTemplateTest, StopsAtItsLimits) {
  const LimitCase cases[] = {
      {"{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}", "steps"},
      {"{% for i in range(99999) %}{{ 'x' * 1000 }}{% endfor %}", "bytes of output"},
      {"{% set ns = namespace(x='xx') %}{% for i in range(99) %}{% set ns.x = ns.x ~ ns.x %}"
       "{% endfor %}",
       "intermediate"},
      {"{{ 'x' * 9999999999 }}", "intermediate"},
      {"{% set ns = namespace(x=[0]) %}{% for i in range(99) %}{% set ns.x = [ns.x, ns.x] %}"
       "{% endfor %}{{ ns.x }}",
       "steps"},
      {"{% set ns = namespace(x=[0]) %}{% for i in range(999) %}{% set ns.x = [ns.x] %}"
       "{% endfor %}",
       "nested deeper"},
      {"{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "nested deeper"},
      {"{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}", "nested deeper"},
      {"{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}", "nested too deeply"},
      {"{{ range(100001) }}", "range"},
      {"{{ '%999999d' % 1 }}", "wider"},
      {"{{ '{:>999999}'.format(1) }}", "wider"},
      {"{{ 2 ** 99 }}", "64 bits"},
      {"{{ messages.append(1) }}", "unsafe"},
      {"{{ ''.__class__.__mro__ }}", "unsafe"},
  };
  for (const LimitCase& one : cases) {
    ChatInput input = hello();
    input.limits = {.max_steps = 200'000,
                    .max_output_bytes = 1 << 20,
                    .max_built_bytes = 8 << 20,
                    .max_depth = 600};
    const Result<std::string> result = parse(one.source).render(input);
    ASSERT_FALSE(result.ok()) << one.source;
    EXPECT_NE(result.message().find(one.message), std::string::npos)
        << one.source << ": " << result.message();
  }
}

TEST(ChatTemplateTest, RefusesToReadOtherFiles) {
  for (const char* tag : {"include 'x'", "import 'x' as y", "from 'x' import y", "extends 'x'"}) {
    const Result<ChatTemplate> parsed =
        ChatTemplate::parse({.chat_template = "{% " + std::string(tag) + " %}"});
    ASSERT_FALSE(parsed.ok());
    EXPECT_NE(parsed.message().find("reads no other files"), std::string::npos);
  }
}

TEST(ChatTemplateTest, RefusesDeepAndLongTemplates) {
  const auto refused = [](const std::string& source) {
    return !ChatTemplate::parse({.chat_template = source}).ok();
  };
  const auto repeated = [](const std::string& part, int count) {
    std::string out;
    for (int i = 0; i < count; ++i) {
      out += part;
    }
    return out;
  };

  EXPECT_TRUE(refused("{{ " + repeated("(", 5000)));
  EXPECT_TRUE(refused("{{ " + repeated("not ", 5000) + "1 }}"));
  EXPECT_TRUE(refused("{{ " + repeated("-", 5000) + "1 }}"));
  EXPECT_TRUE(refused("{{ 1" + repeated("+1", 5000) + " }}"));
  EXPECT_TRUE(refused("{{ a" + repeated(".a", 5000) + " }}"));
  EXPECT_TRUE(refused("{{ a" + repeated("|upper", 5000) + " }}"));
  EXPECT_TRUE(refused(repeated("{% if 1 %}", 5000)));
  EXPECT_TRUE(refused(std::string(kMaxTemplateBytes + 1, 'x')));
}

TEST(ChatTemplateTest, RendersInManyThreadsAtOnce) {
  const ChatTemplate chat = ChatTemplate::load(kModel);
  const ChatInput input = hello();
  const std::string expected = chat.render(input).value();
  std::vector<int> num_wrong(4, 0);
  {
    std::vector<std::jthread> threads;
    for (int& wrong : num_wrong) {
      threads.emplace_back([&] {
        for (int i = 0; i < 50; ++i) {
          wrong += chat.render(input).value() == expected ? 0 : 1;
        }
      });
    }
  }
  EXPECT_EQ(num_wrong, std::vector<int>(4, 0));
}

}  // namespace
}  // namespace talon::text
