#include "server/api/grammar_fields.h"

#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

#include "server/api/json_text.h"

namespace talon::server {
namespace {

using text::GrammarKind;
using text::GrammarSource;

constexpr size_t kMaxChoices = 1024;

// Collects the one constraint that a request may have.
class GrammarReader {
 public:
  GrammarReader(Fields& fields, const ApiContext& context) : fields_(fields), context_(context) {}

  std::optional<GrammarSource> read() {
    read_response_format();
    read_kinds(fields_, "guided_");
    if (const Json* object = fields_.find_object("structured_outputs")) {
      Fields inner = fields_.inner(*object, "structured_outputs");
      read_kinds(inner, "");
      bool json_object = false;
      inner.read("json_object", json_object);
      if (json_object) {
        add(inner, "json_object", {.kind = GrammarKind::kJson});
      }
      inner.refuse("structural_tag", "see tools with \"strict\": true");
      inner.close();
    }
    return std::move(source_);
  }

 private:
  void add(Fields& fields, const std::string& name, GrammarSource source) {
    if (fields.failed() || lacks_grammars(fields, context_, name)) {
      return;
    }
    if (source_.has_value()) {
      fields.fail("invalid_value", name, "only one constraint of the answer is allowed");
      return;
    }
    size_t num_bytes = source.text.size();
    for (const std::string& choice : source.choices) {
      num_bytes += choice.size();
    }
    if (num_bytes > context_.max_grammar_bytes) {
      fields.fail("invalid_schema", name,
                  fmt::format("{} has more than {} bytes", fields.path_of(name),
                              context_.max_grammar_bytes));
      return;
    }
    source_ = std::move(source);
  }

  void read_response_format() {
    const Json* format = fields_.find_object("response_format");
    if (format == nullptr) {
      return;
    }
    Fields inner = fields_.inner(*format, "response_format");
    std::string type;
    inner.read("type", type);
    if (inner.find("type") == nullptr) {
      inner.fail("missing_field", "type", "response_format.type is needed");
    } else if (type == "json_object") {
      add(inner, "type", {.kind = GrammarKind::kJson});
    } else if (type == "json_schema") {
      read_schema(inner);
    } else if (type != "text") {
      inner.fail("invalid_value", "type",
                 "response_format.type is none of text, json_object, json_schema");
    }
    inner.close();
  }

  void read_schema(Fields& format) {
    const Json* object = format.find_object("json_schema");
    if (object == nullptr) {
      format.fail("missing_field", "json_schema", "response_format.json_schema is needed");
      return;
    }
    Fields inner = format.inner(*object, "response_format.json_schema");
    std::string name;
    bool strict = true;
    inner.read("name", name);
    inner.read("strict", strict);
    add_schema(inner, "schema");
    if (inner.find("schema") == nullptr) {
      inner.fail("missing_field", "schema", "response_format.json_schema.schema is needed");
    }
    inner.ignore({"description"});
    inner.close();
  }

  void add_schema(Fields& fields, const std::string& name) {
    const Json* schema = fields.find(name);
    if (schema == nullptr) {
      return;
    }
    if (schema->is_string()) {
      // Clients of guided_json may send the text of the schema.
      add(fields, name,
          {.kind = GrammarKind::kJsonSchema, .text = schema->get_ref<const std::string&>()});
    } else if (schema->is_object() || schema->is_boolean()) {
      add(fields, name, {.kind = GrammarKind::kJsonSchema, .text = json_line(*schema)});
    } else {
      fields.fail_type(name, "a JSON schema");
    }
  }

  // json, regex, choice and grammar, each behind the prefix.
  void read_kinds(Fields& fields, const std::string& prefix) {
    add_schema(fields, prefix + "json");
    add_text(fields, prefix + "regex", GrammarKind::kRegex);
    add_text(fields, prefix + "grammar", GrammarKind::kEbnf);
    const Json* list = fields.find_array(prefix + "choice");
    if (list == nullptr) {
      return;
    }
    GrammarSource source = {.kind = GrammarKind::kChoice};
    source.choices.reserve(list->size());
    for (size_t i = 0; i < list->size(); ++i) {
      if (!(*list)[i].is_string()) {
        fields.fail_at("invalid_type", fmt::format("{}[{}]", fields.path_of(prefix + "choice"), i),
                       "a choice must be a string");
        return;
      }
      source.choices.push_back((*list)[i].get_ref<const std::string&>());
    }
    if (list->empty() || list->size() > kMaxChoices) {
      fields.fail("invalid_value", prefix + "choice",
                  fmt::format("{} must have 1..{} choices", fields.path_of(prefix + "choice"),
                              kMaxChoices));
      return;
    }
    add(fields, prefix + "choice", std::move(source));
  }

  void add_text(Fields& fields, const std::string& name, GrammarKind kind) {
    std::string text;
    fields.read(name, text);
    if (fields.find(name) != nullptr) {
      add(fields, name, {.kind = kind, .text = std::move(text)});
    }
  }

  Fields& fields_;
  const ApiContext& context_;
  std::optional<GrammarSource> source_;
};

}  // namespace

bool lacks_grammars(Fields& fields, const ApiContext& context, std::string_view name) {
  if (!context.has_grammars) {
    fields.fail("unsupported_parameter", name,
                fields.path_of(name) + " needs a program built with the option TALON_XGRAMMAR");
  }
  return !context.has_grammars;
}

std::optional<text::GrammarSource> read_grammar(Fields& fields, const ApiContext& context) {
  return GrammarReader(fields, context).read();
}

}  // namespace talon::server
