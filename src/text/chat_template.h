// Renders a conversation to the prompt that a model was trained on, with the model's own template.
//
// The template is read from the model folder as Hugging Face's library reads it: the file
// chat_template.jinja, else the field `chat_template` of tokenizer_config.json, which is one
// template or a list of named ones. The special tokens of tokenizer_config.json are its variables.
// Immutable: any number of threads may render at once.
#pragma once

#include <ctime>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "text/jinja/budget.h"
#include "text/jinja/template.h"
#include "text/jinja/value.h"

namespace talon::text {

struct ChatInput {
  Value messages = Value::list({});
  Value tools = Value::none();  // a list, or none
  // What a request adds (chat_template_kwargs). It may replace special tokens, but not messages,
  // tools, add_generation_prompt or continue_final_message.
  Dict variables = {};
  bool add_generation_prompt = true;
  // The prompt ends with the text of the last message, which the model then goes on with. Not
  // together with add_generation_prompt.
  bool continue_final_message = false;
  std::tm now = {};  // local time, for templates that show a date
  RenderLimits limits = {};
};

class ChatTemplate {
 public:
  // Throws Error if the folder has no template, or one that cannot be parsed.
  static ChatTemplate load(const std::filesystem::path& model_folder);

  // The same from the contents of the files; empty for a file that is not there.
  struct Files {
    std::string_view chat_template = {};     // chat_template.jinja
    std::string_view tokenizer_config = {};  // tokenizer_config.json
  };
  static Result<ChatTemplate> parse(const Files& files);

  // A message says what the template refused, with its name and line.
  Result<std::string> render(const ChatInput& input) const;

  // Whether the text of some template has this word in it: a hint which switches it knows.
  bool mentions(std::string_view word) const;

 private:
  struct Named {
    std::string name;
    std::string source;
    Template parsed;
  };

  ChatTemplate() = default;
  static Result<Named> parse_named(std::string_view name, std::string_view source);
  Result<std::string> continued(Dict& variables, const ChatInput& input) const;
  Result<std::string> render_with(const Dict& variables, const ChatInput& input) const;
  const Template* select(const ChatInput& input) const;

  std::vector<Named> templates_;
  Dict special_tokens_;
};

}  // namespace talon::text
