#include "text/jinja/globals.h"

#include <ctime>
#include <string>

#include "text/jinja/fault.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/print.h"

namespace talon::text {
namespace {

Value range(Interpreter&, const Value&, const Arguments& arguments) {
  const Parameters parameters("range", arguments, {"start", "stop", "step"}, 1);
  if (!arguments.named.empty()) {
    fault("range takes no named arguments");
  }
  const bool has_stop = parameters.has(1);
  const int64_t start = has_stop ? parameters.integer(0) : 0;
  const int64_t stop = parameters.integer(has_stop ? 1 : 0);
  return Value::object(std::make_shared<Range>(start, stop, parameters.integer_or(2, 1)));
}

Dict dict_of_pairs(Interpreter& interpreter, const Value& pairs) {
  Dict dict;
  const auto all_pairs = interpreter.items_of(pairs);
  for (const Value& pair : *all_pairs) {
    const auto parts = interpreter.items_of(pair);
    if (parts->size() != 2) {
      fault("dict needs pairs");
    }
    dict.set((*parts)[0], (*parts)[1]);
  }
  return dict;
}

// Of a mapping or of pairs, and of named arguments.
Dict dict_of(Interpreter& interpreter, const Arguments& arguments) {
  if (arguments.positional.size() > 1) {
    fault("dict takes at most one argument without name");
  }
  Dict dict;
  if (!arguments.positional.empty()) {
    const Value& source = arguments.positional.front();
    dict = source.is_dict() ? source.as_dict() : dict_of_pairs(interpreter, source);
  }
  for (const auto& [name, value] : arguments.named) {
    dict.set(std::string_view(name), value);
  }
  interpreter.budget().build(dict.size() * 4 * sizeof(Value));
  return dict;
}

Value dict(Interpreter& interpreter, const Value&, const Arguments& arguments) {
  return Value::dict(dict_of(interpreter, arguments));
}

Value make_namespace(Interpreter& interpreter, const Value&, const Arguments& arguments) {
  return interpreter.make_namespace(dict_of(interpreter, arguments));
}

Value cycler(Interpreter&, const Value&, const Arguments& arguments) {
  if (arguments.positional.empty() || !arguments.named.empty()) {
    fault("cycler needs values to cycle through");
  }
  return Value::object(std::make_shared<Cycler>(Value::list(arguments.positional)));
}

Value joiner(Interpreter&, const Value&, const Arguments& arguments) {
  const Parameters parameters("joiner", arguments, {"sep"});
  return Value::object(std::make_shared<Joiner>(parameters.value_or(0, Value::string(", "))));
}

Value raise_exception(Interpreter& interpreter, const Value&, const Arguments& arguments) {
  const Parameters parameters("raise_exception", arguments, {"message"}, 1);
  fault("{}", to_text(parameters.value(0), interpreter.budget()));
}

// The local time has no zone, and Python's microseconds are 0 here.
std::string without_extensions(std::string_view format) {
  std::string out;
  for (size_t i = 0; i < format.size(); ++i) {
    const char next = format[i] == '%' && i + 1 < format.size() ? format[i + 1] : '\0';
    if (next == 'f') {
      out += "000000";
    } else if (next == '%') {
      out += "%%";
    } else if (next != 'z' && next != 'Z') {
      out += format[i];
      continue;
    }
    ++i;
  }
  return out;
}

Value strftime_now(Interpreter& interpreter, const Value&, const Arguments& arguments) {
  const Parameters parameters("strftime_now", arguments, {"format"}, 1);
  const std::string format = without_extensions(parameters.string(0));
  if (format.empty()) {
    return Value::string("");
  }
  char text[1024];
  const size_t size = std::strftime(text, sizeof(text), format.c_str(), &interpreter.now());
  if (size == 0 && format != "%p") {
    fault("strftime_now: the time is too long in this format");
  }
  return Value::string(std::string(text, size));
}

struct NamedGlobal {
  std::string_view name;
  Builtin function;
};

constexpr NamedGlobal kGlobals[] = {
    {"range", range},
    {"dict", dict},
    {"namespace", make_namespace},
    {"cycler", cycler},
    {"joiner", joiner},
    {"raise_exception", raise_exception},
    {"strftime_now", strftime_now},
};

}  // namespace

Builtin find_global(std::string_view name) {
  for (const NamedGlobal& global : kGlobals) {
    if (global.name == name) {
      return global.function;
    }
  }
  return nullptr;
}

}  // namespace talon::text
