// Filters whose result is text.
#include <algorithm>
#include <string>

#include "text/characters.h"
#include "text/jinja/escape.h"
#include "text/jinja/fault.h"
#include "text/jinja/filters.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/json_text.h"
#include "text/jinja/object.h"
#include "text/jinja/print.h"
#include "text/jinja/printf.h"
#include "text/jinja/replace.h"
#include "text/jinja/split_lines.h"
#include "text/jinja/truth.h"

namespace talon::text {
namespace {

std::string text_of(Interpreter& interpreter, const Value& value) {
  return to_text(value, interpreter.budget());
}

Value upper(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  expect_no_arguments("upper", arguments);
  return Value::string(to_upper(text_of(interpreter, input)));
}

Value lower(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  expect_no_arguments("lower", arguments);
  return Value::string(to_lower(text_of(interpreter, input)));
}

Value capitalize(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  expect_no_arguments("capitalize", arguments);
  return Value::string(capitalized(text_of(interpreter, input)));
}

// Unlike the method, only after space and opening brackets or a hyphen does a word begin.
Value title(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  expect_no_arguments("title", arguments);
  const std::string text = text_of(interpreter, input);
  std::string out;
  std::string rest;
  bool begins = true;
  for (const std::string_view c : split_characters(text)) {
    const char32_t code = first_character(c).code_point;
    const bool divides =
        is_python_space(code) ||
        (c.size() == 1 && std::string_view("-({[<").find(c[0]) != std::string_view::npos);
    if (divides || begins) {
      out += to_lower(rest);
      out += divides ? std::string(c) : to_upper(c);
      rest.clear();
    } else {
      rest += c;
    }
    begins = divides;
  }
  return Value::string(out + to_lower(rest));
}

Value trim(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Parameters parameters("trim", arguments, {"chars"});
  const std::string text = text_of(interpreter, input);
  if (!parameters.given(0)) {
    return Value::string(std::string(strip(text)));
  }
  return Value::string(std::string(strip_characters(text, parameters.string(0), true, true)));
}

Value replace(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Parameters parameters("replace", arguments, {"old", "new", "count"}, 2);
  const std::string text = text_of(interpreter, input);
  const std::string old_part = text_of(interpreter, parameters.value(0));
  const std::string new_part = text_of(interpreter, parameters.value(1));
  return Value::string(replaced(interpreter.budget(),
                                {.text = text,
                                 .old_part = old_part,
                                 .new_part = new_part,
                                 .max_count = parameters.given(2) ? parameters.integer(2) : -1}));
}

Value string(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  expect_no_arguments("string", arguments);
  return input.is_string() ? input : Value::string(text_of(interpreter, input));
}

Value escape(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  expect_no_arguments("escape", arguments);
  if (input.is_string() && input.text().is_markup) {
    return input;
  }
  return Value::string(escape_html(text_of(interpreter, input)), true);
}

Value forceescape(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  expect_no_arguments("forceescape", arguments);
  return Value::string(escape_html(text_of(interpreter, input)), true);
}

Value safe(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  expect_no_arguments("safe", arguments);
  return Value::string(text_of(interpreter, input), true);
}

Value center(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Parameters parameters("center", arguments, {"width"});
  const std::string text = text_of(interpreter, input);
  const int64_t width = parameters.integer_or(0, 80);
  const int64_t margin = std::max<int64_t>(width - num_characters(text), 0);
  const int64_t left = margin / 2 + (margin & width & 1);
  interpreter.budget().build(margin);
  return Value::string(std::string(static_cast<size_t>(left), ' ') + text +
                       std::string(static_cast<size_t>(margin - left), ' '));
}

Value indent(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Parameters parameters("indent", arguments, {"width", "first", "blank"});
  if (!input.is_string()) {
    fault("indent needs a string, not {}", input.type_name());
  }
  const bool is_text = parameters.has(0) && parameters.value(0).is_string();
  const int64_t width = is_text ? 0 : std::max<int64_t>(parameters.integer_or(0, 4), 0);
  interpreter.budget().build(width);
  const std::string margin =
      is_text ? parameters.string(0) : std::string(static_cast<size_t>(width), ' ');
  const bool first = parameters.flag_or(1, false);
  const bool blank = parameters.flag_or(2, false);
  const std::string text = input.bytes() + "\n";
  std::string out;
  bool is_first = true;
  for (const std::string_view line : split_lines(text, false)) {
    interpreter.budget().build(margin.size() + line.size() + 1);
    out += is_first ? "" : "\n";
    const bool indented = is_first ? first : blank || !line.empty();
    out += indented ? margin : "";
    out += line;
    is_first = false;
  }
  return Value::string(std::move(out));
}

Value truncate(Interpreter&, const Value& input, const Arguments& arguments) {
  const Parameters parameters("truncate", arguments, {"length", "killwords", "end", "leeway"});
  if (!input.is_string()) {
    fault("truncate needs a string, not {}", input.type_name());
  }
  const int64_t length = parameters.integer_or(0, 255);
  const std::string end = parameters.string_or(2, "...");
  const int64_t leeway = parameters.given(3) ? parameters.integer(3) : 5;
  const int64_t num_end = num_characters(end);
  if (length < num_end || leeway < 0) {
    fault("truncate: the length is less than that of the end, or the leeway negative");
  }
  const std::string_view text = input.bytes();
  if (num_characters(text) - leeway <= length) {
    return input;
  }
  std::string_view kept = text.substr(0, byte_of_character(text, length - num_end));
  if (!parameters.flag_or(1, false)) {
    kept = kept.substr(0, kept.rfind(' '));
  }
  return Value::string(std::string(kept) + end);
}

Value format(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  if (!arguments.positional.empty() && !arguments.named.empty()) {
    fault("format takes values or named values, not both");
  }
  Value values = Value::tuple(arguments.positional);
  if (!arguments.named.empty()) {
    Dict dict;
    for (const auto& [name, value] : arguments.named) {
      dict.set(std::string_view(name), value);
    }
    values = Value::dict(std::move(dict));
  }
  return Value::string(format_printf(interpreter, text_of(interpreter, input), values));
}

std::string percent_encoded(std::string_view text, bool in_query) {
  std::string out;
  for (const char c : text) {
    const bool letter = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
    const bool kept =
        letter || c == '_' || c == '.' || c == '-' || c == '~' || (c == '/' && !in_query);
    if (kept) {
      out += c;
    } else if (c == ' ' && in_query) {
      out += '+';
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

Value urlencode(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  expect_no_arguments("urlencode", arguments);
  const bool is_pairs = input.is_sequence() || input.is_dict() ||
                        (input.is_object() && input.as_object()->is_iterable());
  if (!is_pairs) {
    interpreter.budget().build(3 * text_of(interpreter, input).size());
    return Value::string(percent_encoded(text_of(interpreter, input), false));
  }
  const Value pairs = input.is_dict()
                          ? Value::object(std::make_shared<DictView>(input, DictView::Part::kItems))
                          : input;
  std::string out;
  const auto all_pairs = interpreter.items_of(pairs);
  for (const Value& pair : *all_pairs) {
    const auto parts = interpreter.items_of(pair);
    if (parts->size() != 2) {
      fault("urlencode needs pairs");
    }
    out += out.empty() ? "" : "&";
    out += percent_encoded(text_of(interpreter, (*parts)[0]), true) + "=";
    out += percent_encoded(text_of(interpreter, (*parts)[1]), true);
    interpreter.budget().build(out.size());
  }
  return Value::string(std::move(out));
}

Value xmlattr(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Parameters parameters("xmlattr", arguments, {"autospace"});
  if (!input.is_dict()) {
    fault("xmlattr needs a mapping, not {}", input.type_name());
  }
  std::string out;
  for (const auto& [key, value] : input.as_dict().entries()) {
    if (value.is_none() || value.is_undefined()) {
      continue;
    }
    if (!key.is_string() || key.bytes().find_first_of(" \t\n\r\f\v/>=") != std::string::npos) {
      fault("xmlattr: a key is no name of an attribute");
    }
    out += out.empty() ? "" : " ";
    const bool is_markup = value.is_string() && value.text().is_markup;
    const std::string text = text_of(interpreter, value);
    out += escape_html(key.bytes()) + "=\"" + (is_markup ? text : escape_html(text)) + "\"";
    interpreter.budget().build(out.size());
  }
  const bool spaced = parameters.flag_or(0, true) && !out.empty();
  return Value::string((spaced ? " " : "") + out);
}

Value tojson(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Parameters parameters("tojson", arguments,
                              {"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonStyle style;
  style.ascii_only = parameters.flag_or(0, false);
  style.sort_keys = parameters.flag_or(3, false);
  if (parameters.given(1)) {
    const Value& indent = parameters.value(1);
    const int64_t width = indent.is_string() ? 0 : std::max<int64_t>(parameters.integer(1), 0);
    interpreter.budget().build(width);
    style.indent =
        indent.is_string() ? indent.bytes() : std::string(static_cast<size_t>(width), ' ');
    style.item_separator = ",";
  }
  if (parameters.given(2)) {
    const auto separators = interpreter.items_of(parameters.value(2));
    if (separators->size() != 2 || !(*separators)[0].is_string() || !(*separators)[1].is_string()) {
      fault("tojson: the separators are not two strings");
    }
    style.item_separator = (*separators)[0].bytes();
    style.key_separator = (*separators)[1].bytes();
  }
  return Value::string(json_text(interpreter.budget(), style, input));
}

constexpr NamedFilter kFilters[] = {
    {"upper", upper},
    {"lower", lower},
    {"capitalize", capitalize},
    {"title", title},
    {"trim", trim},
    {"replace", replace},
    {"string", string},
    {"escape", escape},
    {"e", escape},
    {"safe", safe},
    {"forceescape", forceescape},
    {"center", center},
    {"indent", indent},
    {"truncate", truncate},
    {"format", format},
    {"urlencode", urlencode},
    {"xmlattr", xmlattr},
    {"tojson", tojson},
};

}  // namespace

std::span<const NamedFilter> text_filters() { return kFilters; }

}  // namespace talon::text
