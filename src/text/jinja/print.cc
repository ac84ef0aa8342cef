#include "text/jinja/print.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <cstdlib>

#include "base/utf8.h"
#include "text/characters.h"
#include "text/jinja/fault.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/object.h"

namespace talon::text {
namespace {

// Values nest less deeply, but namespaces may hold each other in a circle.
constexpr int kMaxPrintDepth = 200;

class Printer {
 public:
  explicit Printer(Budget& budget) : budget_(budget) {}

  void repr(const Value& value) {
    budget_.step();
    if (++depth_ > kMaxPrintDepth) {
      fault("a value nested too deeply to be printed");
    }
    const size_t size_before = out_.size();
    append(value);
    budget_.build(out_.size() - size_before);
    --depth_;
  }

  std::string take() { return std::move(out_); }

 private:
  void append(const Value& value) {
    switch (value.kind()) {
      case Value::Kind::kUndefined:
        out_ += "Undefined";
        return;
      case Value::Kind::kString:
        append_string(value.text());
        return;
      case Value::Kind::kList:
        items("[", value.items(), "]");
        return;
      case Value::Kind::kTuple:
        items("(", value.items(), value.items().size() == 1 ? ",)" : ")");
        return;
      case Value::Kind::kDict:
        dict(value.as_dict());
        return;
      case Value::Kind::kObject:
        object(value);
        return;
      default:
        out_ += to_text(value, budget_);
    }
  }

  void append_string(const TextData& text) {
    const std::string quoted = quoted_text(text.bytes);
    out_ += text.is_markup ? "Markup(" + quoted + ")" : quoted;
  }

  void items(std::string_view open, const Items& items, std::string_view close) {
    out_ += open;
    for (size_t i = 0; i < items.size(); ++i) {
      out_ += i == 0 ? "" : ", ";
      repr(items[i]);
    }
    out_ += close;
  }

  void dict(const Dict& dict) {
    out_ += '{';
    bool first = true;
    for (const auto& [key, value] : dict.entries()) {
      out_ += first ? "" : ", ";
      first = false;
      repr(key);
      out_ += ": ";
      repr(value);
    }
    out_ += '}';
  }

  void object(const Value& value) {
    if (const auto* space = dynamic_cast<const Namespace*>(value.as_object().get())) {
      out_ += "<Namespace ";
      dict(space->attributes());
      out_ += '>';
    } else if (const auto* view = dynamic_cast<const DictView*>(value.as_object().get())) {
      out_ += view->type_name();
      items("([", *view->items(budget_), "])");
    } else {
      out_ += value.as_object()->describe();
    }
  }

  Budget& budget_;
  std::string out_;
  int depth_ = 0;
};

void append_escape(char32_t c, std::string& out) {
  if (c == '\n') {
    out += "\\n";
  } else if (c == '\r') {
    out += "\\r";
  } else if (c == '\t') {
    out += "\\t";
  } else if (c < 0x100) {
    out += fmt::format("\\x{:02x}", static_cast<uint32_t>(c));
  } else if (c < 0x10000) {
    out += fmt::format("\\u{:04x}", static_cast<uint32_t>(c));
  } else {
    out += fmt::format("\\U{:08x}", static_cast<uint32_t>(c));
  }
}

}  // namespace

std::string real_text(double value) {
  if (std::isnan(value)) {
    return "nan";
  }
  if (std::isinf(value)) {
    return value < 0 ? "-inf" : "inf";
  }
  char buffer[64];
  const auto end =
      std::to_chars(buffer, buffer + sizeof(buffer), value, std::chars_format::scientific);
  std::string text(buffer, end.ptr);
  const bool negative = text[0] == '-';
  text.erase(0, negative ? 1 : 0);
  const size_t e = text.find('e');
  const int exponent = std::atoi(text.c_str() + e + 1);
  std::string digits = text.substr(0, 1);
  if (e > 1) {
    digits += text.substr(2, e - 2);
  }
  const auto num_digits = static_cast<int>(digits.size());
  std::string out = negative ? "-" : "";
  if (exponent < -4 || exponent >= 16) {
    out += digits.substr(0, 1);
    out += num_digits > 1 ? "." + digits.substr(1) : "";
    return out + fmt::format("e{}{:02}", exponent < 0 ? '-' : '+', std::abs(exponent));
  }
  if (exponent < 0) {
    return out + "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
  }
  if (num_digits <= exponent + 1) {
    return out + digits +
           std::string(static_cast<size_t>(exponent) + 1 - static_cast<size_t>(num_digits), '0') +
           ".0";
  }
  const size_t point = static_cast<size_t>(exponent) + 1;
  return out + digits.substr(0, point) + "." + digits.substr(point);
}

std::string quoted_text(std::string_view text) {
  const bool has_single = text.find('\'') != std::string_view::npos;
  const bool has_double = text.find('"') != std::string_view::npos;
  const char quote = has_single && !has_double ? '"' : '\'';
  std::string out(1, quote);
  while (!text.empty()) {
    const Character c = first_character(text);
    if (c.code_point == '\\' || c.code_point == static_cast<char32_t>(quote)) {
      out += '\\';
      out += static_cast<char>(c.code_point);
    } else if (!is_printable(c.code_point)) {
      append_escape(c.code_point, out);
    } else {
      out += text.substr(0, c.num_bytes);
    }
    text.remove_prefix(c.num_bytes);
  }
  return out + quote;
}

std::string to_text(const Value& value, Budget& budget) {
  switch (value.kind()) {
    case Value::Kind::kUndefined:
      return "";
    case Value::Kind::kNone:
      return "None";
    case Value::Kind::kBool:
      return value.as_bool() ? "True" : "False";
    case Value::Kind::kInt:
      return std::to_string(value.as_int());
    case Value::Kind::kFloat:
      return real_text(value.as_double());
    case Value::Kind::kString:
      budget.build(value.bytes().size());
      return value.bytes();
    default:
      return to_repr(value, budget);
  }
}

std::string to_repr(const Value& value, Budget& budget) {
  Printer printer(budget);
  printer.repr(value);
  return printer.take();
}

}  // namespace talon::text
